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

  /// Of any device, whatever is done with it.
  var coversEverything: Bool { kind == .all && major == nil && minor == nil && access == .all }
}

/// The rules as a program. Reading, writing and making a node are decided each by the last rule that covers it, and
/// nothing covered is refused.
public struct DeviceFilter: Hashable, Sendable {
  /// eBPF instructions, 8 bytes each.
  public let instructions: [UInt64]
  /// Everything is allowed: no program is needed.
  public let allowsEverything: Bool

  public init(_ rules: [DeviceRule]) {
    // What comes before a rule that covers everything never decides.
    let start = rules.lastIndex { $0.coversEverything } ?? rules.startIndex
    let deciding = rules[start...]
    allowsEverything = deciding.first?.coversEverything == true && deciding.allSatisfy(\.allow)
    var code: [UInt64] = [
      // r2 = type, r3 = access that is still undecided, r4 = major, r5 = minor of the context in r1
      Self.instruction(0x61, 2, 1, 0, 0), Self.instruction(0x61, 3, 1, 0, 0),
      Self.instruction(0x54, 2, 0, 0, 0xffff), Self.instruction(0x74, 3, 0, 0, 16),
      Self.instruction(0x61, 4, 1, 4, 0), Self.instruction(0x61, 5, 1, 8, 0),
    ]
    for rule in deciding.reversed() where !rule.coversEverything { code += Self.block(rule) }
    code += Self.answer(deciding.first.map { $0.coversEverything && $0.allow } ?? false)
    instructions = code
  }

  /// Jumps over its own end where the rule is about other devices or leaves the access undecided, else returns.
  private static func block(_ rule: DeviceRule) -> [UInt64] {
    var decision: [UInt64]
    if rule.allow {
      // r3 &= ~access; all that was asked is allowed when nothing is left.
      decision = [instruction(0x54, 3, 0, 0, ~rule.access.rawValue), instruction(0x55, 3, 0, 2, 0)]
    } else {
      // r1 = r3 & access: any of it is refused. The context in r1 is not used again.
      decision = [
        instruction(0xbc, 1, 3, 0, 0), instruction(0x54, 1, 0, 0, rule.access.rawValue), instruction(0x15, 1, 0, 2, 0),
      ]
    }
    decision += answer(rule.allow)
    var conditions: [(register: UInt8, value: UInt32)] = []
    switch rule.kind {
    case .all: break
    case .block: conditions.append((2, 1))
    case .character: conditions.append((2, 2))
    }
    if let major = rule.major { conditions.append((4, major)) }
    if let minor = rule.minor { conditions.append((5, minor)) }
    // Compared in 32 bits: an immediate of 64 would be one with a sign.
    return conditions.enumerated().map { index, condition in
      let skip = Int16(conditions.count - index - 1 + decision.count)
      return instruction(0x56, condition.register, 0, skip, condition.value)
    } + decision
  }

  private static func answer(_ allow: Bool) -> [UInt64] {
    [instruction(0xb7, 0, 0, 0, allow ? 1 : 0), instruction(0x95, 0, 0, 0, 0)]
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
  ///
  /// - Parameter replacing: the cgroup may have rules from before, which are gone then.
  public func restrictDevices(_ filter: DeviceFilter, replacing: Bool = false) throws(CgroupError) {
    guard !filter.allowsEverything || replacing else { return }
    let directory = try open()
    do throws(Errno) {
      if replacing {
        try DevicePrograms.replace(filter.allowsEverything ? nil : filter.instructions, on: directory.number)
      } else {
        try DevicePrograms.attach(filter.instructions, to: directory.number)
      }
    } catch {
      throw .devicesRefused(error)
    }
  }
}
