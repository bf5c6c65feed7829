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

  /// Whether there is a device, and something done with it, that both are about.
  func overlaps(_ other: DeviceRule) -> Bool {
    (kind == .all || other.kind == .all || kind == other.kind)
      && (major == nil || other.major == nil || major == other.major)
      && (minor == nil || other.minor == nil || minor == other.minor) && !access.isDisjoint(with: other.access)
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
    let allowsAtFirst = deciding.first.map { $0.coversEverything && $0.allow } ?? false
    allowsEverything = allowsAtFirst && deciding.allSatisfy(\.allow)
    // r2 = type, r3 = access that is asked for, r4 = major, r5 = minor of the context in r1; r0 = access that is allowed
    var code: [UInt64] = [
      Self.instruction(0x61, 2, 1, 0, 0), Self.instruction(0x61, 3, 1, 0, 0),
      Self.instruction(0x54, 2, 0, 0, 0xffff), Self.instruction(0x74, 3, 0, 0, 16),
      Self.instruction(0x61, 4, 1, 4, 0), Self.instruction(0x61, 5, 1, 8, 0),
      Self.instruction(0xb7, 0, 0, 0, allowsAtFirst ? 7 : 0),
    ]
    for step in Self.steps(Self.effective(deciding, allowsAtFirst)) { code += Self.block(step) }
    // r0 = r3 & ~r0, what is asked for and not allowed; answer 1 when it is 0, by the sign of one less.
    code += [
      Self.instruction(0xa4, 0, 0, 0, 7), Self.instruction(0x5c, 0, 3, 0, 0), Self.instruction(0x17, 0, 0, 0, 1),
      Self.instruction(0x77, 0, 0, 0, 63), Self.instruction(0x95, 0, 0, 0, 0),
    ]
    instructions = code
  }

  /// Without those that change nothing: the kernel takes its time over each when it loads the program.
  private static func effective(_ rules: ArraySlice<DeviceRule>, _ allowsAtFirst: Bool) -> [DeviceRule] {
    var kept: [DeviceRule] = []
    for (index, rule) in zip(rules.indices, rules) where !rule.coversEverything {
      // The same one comes again, and then has the last word anyway.
      if rules[(index + 1)...].contains(rule) { continue }
      // Nothing of it was allowed.
      if !rule.allow, !allowsAtFirst, !kept.contains(where: { $0.allow && $0.overlaps(rule) }) { continue }
      kept.append(rule)
    }
    return kept
  }

  /// One rule, or several of the same that allow different minor numbers.
  private struct Step {
    let rule: DeviceRule
    /// Bits of the minor numbers below 64.
    var minors: UInt64

    init(_ rule: DeviceRule) {
      self.rule = rule
      minors = rule.minor.map { $0 < 64 ? 1 << UInt64($0) : 0 } ?? 0
    }

    func takes(_ other: Step) -> Bool {
      minors != 0 && other.minors != 0 && rule.kind == other.rule.kind && rule.major == other.rule.major
        && rule.access == other.rule.access
    }
  }

  /// What only allows may change places, and be put together.
  private static func steps(_ rules: [DeviceRule]) -> [Step] {
    var steps: [Step] = []
    var start = 0
    for rule in rules {
      let step = Step(rule)
      if rule.allow, let index = steps[start...].firstIndex(where: { $0.takes(step) }) {
        steps[index].minors |= step.minors
      } else {
        steps.append(step)
        if !rule.allow { start = steps.count }
      }
    }
    return steps
  }

  /// Straight on, without a jump: the kernel's verifier follows each branch with a copy of all that it knows, which took
  /// longer than any other step of a container's start.
  private static func block(_ step: Step) -> [UInt64] {
    let rule = step.rule
    let isGroup = step.minors.nonzeroBitCount > 1
    // Each is 0 for the device that is meant, in 32 bits: an immediate of 64 would be one with a sign.
    var terms: [[UInt64]] = []
    func differs(_ register: UInt8, _ value: UInt32) {
      terms.append([instruction(0xbc, 6, register, 0, 0), instruction(0xa4, 6, 0, 0, value)])
    }
    switch rule.kind {
    case .all: break
    case .block: differs(2, 1)
    case .character: differs(2, 2)
    }
    if let major = rule.major { differs(4, major) }
    if isGroup {
      terms.append([instruction(0xbc, 6, 5, 0, 0), instruction(0x74, 6, 0, 0, 6)])
    } else if let minor = rule.minor {
      differs(5, minor)
    }
    // r1 = all of them; then 1 where that is 0, by the sign of one less. A mask of all ones or none would be shorter
    // than the product below: for that the verifier does branch.
    var code = [instruction(0xb7, 1, 0, 0, 0)]
    for term in terms { code += term + [instruction(0x4c, 1, 6, 0, 0)] }
    code += [instruction(0x17, 1, 0, 0, 1), instruction(0x77, 1, 0, 0, 63)]
    if isGroup {
      // r1 &= minors >> minor number
      code += [
        instruction(0x18, 6, 0, 0, UInt32(truncatingIfNeeded: step.minors)),
        instruction(0, 0, 0, 0, UInt32(step.minors >> 32)), instruction(0x7f, 6, 5, 0, 0),
        instruction(0x5f, 1, 6, 0, 0),
      ]
    }
    code.append(instruction(0x27, 1, 0, 0, rule.access.rawValue))
    return code
      + (rule.allow
        ? [instruction(0x4c, 0, 1, 0, 0)] : [instruction(0xa4, 1, 0, 0, 7), instruction(0x5c, 0, 1, 0, 0)])
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
