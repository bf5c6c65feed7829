import Kernel
import SystemPackage

/// Which devices a cgroup's processes may use: the version 2 tree has no devices controller but a BPF program.
/// (Documentation/admin-guide/cgroup-v2.rst, Device controller)
public struct DeviceRule: Hashable, Sendable {
  public enum Kind: Hashable, Sendable { case all, block, character }

  public struct Access: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    // BPF_DEVCG_ACC_…
    public static let makeNode = Access(rawValue: 1)
    public static let read = Access(rawValue: 2)
    public static let write = Access(rawValue: 4)
    public static let all: Access = [.makeNode, .read, .write]
  }

  public var allow: Bool
  public var kind: Kind
  /// nil is every one, as the minor number.
  public var major: UInt32?
  public var minor: UInt32?
  public var access: Access

  public init(allow: Bool, kind: Kind, major: UInt32? = nil, minor: UInt32? = nil, access: Access) {
    self.allow = allow
    self.kind = kind
    self.major = major
    self.minor = minor
    self.access = access
  }

}

/// The rules as a program: the last rule that covers an access decides, and nothing covered is refused.
public struct DeviceFilter: Hashable, Sendable {
  /// eBPF instructions, 8 bytes each.
  public let instructions: [UInt64]
  /// Everything is allowed: no program is needed.
  public let allowsEverything: Bool

  public init(_ rules: [DeviceRule]) {
    // What comes before a rule for all devices never decides.
    let start = rules.lastIndex { $0.kind == .all } ?? rules.startIndex
    let deciding = Array(rules[start...])
    allowsEverything =
      deciding.count == 1 && deciding[0].kind == .all && deciding[0].allow && deciding[0].access == .all
    var code: [UInt64] = [
      // r2 = type, r3 = access, r4 = major, r5 = minor of the context in r1
      Self.instruction(0x61, 2, 1, 0, 0), Self.instruction(0x61, 3, 1, 0, 0),
      Self.instruction(0x54, 2, 0, 0, 0xffff), Self.instruction(0x74, 3, 0, 0, 16),
      Self.instruction(0x61, 4, 1, 4, 0), Self.instruction(0x61, 5, 1, 8, 0),
    ]
    var isOpen = true
    for rule in deciding.reversed() where isOpen {
      code += Self.block(rule)
      // The verifier refuses what can never be reached.
      isOpen = rule.kind != .all || rule.major != nil || rule.minor != nil || rule.access != .all
    }
    if isOpen { code += [Self.instruction(0xb7, 0, 0, 0, 0), Self.instruction(0x95, 0, 0, 0, 0)] }
    instructions = code
  }

  /// Jumps over its own end where the rule does not cover the access, else returns the rule's answer.
  private static func block(_ rule: DeviceRule) -> [UInt64] {
    var conditions: [(UInt8, UInt8, UInt32)] = []
    switch rule.kind {
    case .all: break
    case .block: conditions.append((0x55, 2, 1))
    case .character: conditions.append((0x55, 2, 2))
    }
    if let major = rule.major { conditions.append((0x55, 4, major)) }
    if let minor = rule.minor { conditions.append((0x55, 5, minor)) }
    var code: [UInt64] = []
    if rule.access != .all {
      // An allowing rule must cover all that is asked, a refusing one any of it.
      // r1 = access & mask; allow: skip unless r1 == access; refuse: skip if r1 == 0. The context is not used again.
      code += [instruction(0xbc, 1, 3, 0, 0), instruction(0x54, 1, 0, 0, rule.access.rawValue)]
    }
    let tail = 2
    let checks = conditions.count + (rule.access == .all ? 0 : 1)
    var left = checks
    if rule.access != .all {
      left -= 1
      let skip = Int16(left + tail)
      code.append(rule.allow ? instruction(0x5d, 1, 3, skip, 0) : instruction(0x15, 1, 0, skip, 0))
    }
    for (operation, register, value) in conditions {
      left -= 1
      code.append(instruction(operation, register, 0, Int16(left + tail), value))
    }
    return code + [instruction(0xb7, 0, 0, 0, rule.allow ? 1 : 0), instruction(0x95, 0, 0, 0, 0)]
  }

  private static func instruction(
    _ code: UInt8, _ destination: UInt8, _ source: UInt8, _ offset: Int16, _ immediate: UInt32
  ) -> UInt64 {
    UInt64(code) | UInt64(destination | source << 4) << 8 | UInt64(UInt16(bitPattern: offset)) << 16 | UInt64(immediate)
      << 32
  }
}

extension Cgroup {
  /// Restricts the devices of all processes here and below.
  public func restrictDevices(_ filter: DeviceFilter) throws(CgroupError) {
    guard !filter.allowsEverything else { return }
    let directory = try open()
    do throws(Errno) {
      try attachDeviceProgram(filter.instructions, to: directory.number)
    } catch {
      throw .devicesRefused(error)
    }
  }
}
