internal import CKernel
import Glibc
public import SystemPackage

/// Capabilities as bits: bit n is the capability of number n. (capabilities(7))
public struct CapabilitySet: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }
  public init(number: Int) { self.init(rawValue: 1 << UInt64(number)) }

  public static let dacOverride = CapabilitySet(number: 1)
  public static let setGID = CapabilitySet(number: 6)
  public static let setPCap = CapabilitySet(number: 8)
  public static let sysAdmin = CapabilitySet(number: 21)
  /// Every bit, those of capabilities that this kernel does not have included.
  public static let all = CapabilitySet(rawValue: ~0)
}

public struct ThreadCapabilities: Hashable, Sendable {
  public var effective: CapabilitySet
  public var permitted: CapabilitySet
  public var inheritable: CapabilitySet

  public init(effective: CapabilitySet, permitted: CapabilitySet, inheritable: CapabilitySet) {
    self.effective = effective
    self.permitted = permitted
    self.inheritable = inheritable
  }
}

/// What the calling process, which has one thread, may do.
public enum Privileges {
  public static func capabilities() throws(Errno) -> ThreadCapabilities {
    var effective: UInt64 = 0, permitted: UInt64 = 0, inheritable: UInt64 = 0
    try Errno.check(kernel_capget(&effective, &permitted, &inheritable))
    return ThreadCapabilities(
      effective: .init(rawValue: effective), permitted: .init(rawValue: permitted),
      inheritable: .init(rawValue: inheritable))
  }

  public static func setCapabilities(_ sets: ThreadCapabilities) throws(Errno) {
    try Errno.check(kernel_capset(sets.effective.rawValue, sets.permitted.rawValue, sets.inheritable.rawValue))
  }

  /// The highest number that this kernel knows, and the bounding set. (PR_CAPBSET_READ)
  public static func boundingSet() -> CapabilitySet {
    var set: CapabilitySet = []
    for number in 0..<64 {
      let result = kernel_prctl(23 /* PR_CAPBSET_READ */, UInt(number), 0, 0, 0)
      if result < 0 { break }
      if result == 1 { set.insert(CapabilitySet(number: number)) }
    }
    return set
  }

  /// Takes all that `keep` lacks out of the bounding set. (PR_CAPBSET_DROP)
  public static func limitBoundingSet(to keep: CapabilitySet) throws(Errno) {
    for number in 0..<64 where !keep.contains(CapabilitySet(number: number)) {
      if kernel_prctl(24, UInt(number), 0, 0, 0) < 0 {
        // EINVAL: beyond the last one.
        if Errno.current == .invalidArgument { break }
        throw Errno.current
      }
    }
  }

  /// Replaces the ambient set. (PR_CAP_AMBIENT)
  public static func setAmbient(_ set: CapabilitySet) throws(Errno) {
    try Errno.check(kernel_prctl(47, 4 /* PR_CAP_AMBIENT_CLEAR_ALL */, 0, 0, 0))
    for number in 0..<64 where set.contains(CapabilitySet(number: number)) {
      try Errno.check(kernel_prctl(47, 2 /* PR_CAP_AMBIENT_RAISE */, UInt(number), 0, 0))
    }
  }

  /// Permitted capabilities survive a change from user 0 to another, until the next execve. (PR_SET_KEEPCAPS)
  public static func keepCapabilitiesOverUserChange(_ keep: Bool) throws(Errno) {
    try Errno.check(kernel_prctl(8, keep ? 1 : 0, 0, 0, 0))
  }

  /// No program that this process executes gains anything. (PR_SET_NO_NEW_PRIVS)
  public static func renounceNewPrivileges() throws(Errno) { try Errno.check(kernel_prctl(38, 1, 0, 0, 0)) }

  /// (PR_GET_NO_NEW_PRIVS)
  public static var hasRenouncedNewPrivileges: Bool { kernel_prctl(39, 0, 0, 0, 0) == 1 }

  /// Whether others of the same user may look into this process. (PR_SET_DUMPABLE)
  public static func setDumpable(_ dumpable: Bool) throws(Errno) {
    try Errno.check(kernel_prctl(4, dumpable ? 1 : 0, 0, 0, 0))
  }

  /// The signal that this process gets when its parent ends; any change of its user forgets it. (PR_SET_PDEATHSIG)
  public static func setParentDeathSignal(_ signal: CInt) throws(Errno) {
    try Errno.check(kernel_prctl(1, UInt(signal), 0, 0, 0))
  }

  /// Orphaned descendants become this process's children. (PR_SET_CHILD_SUBREAPER)
  public static func becomeSubreaper() throws(Errno) { try Errno.check(kernel_prctl(36, 1, 0, 0, 0)) }

  /// The name in /proc/pid/comm, at most 15 bytes. (PR_SET_NAME)
  public static func setName(_ name: String) {
    _ = name.withCString { kernel_prctl(15, UInt(bitPattern: $0), 0, 0, 0) }
  }

  /// Loads a seccomp filter: classic BPF, 8 bytes per instruction. (seccomp(2))
  ///
  /// - Returns: the listener's descriptor where the flags ask for one.
  public static func setSeccompFilter(_ program: UnsafeRawBufferPointer, flags: UInt32) throws(Errno) -> CInt {
    guard program.count % 8 == 0, program.count / 8 <= 4096 * 16 - 1 else { throw .invalidArgument }
    return try Errno.check(kernel_seccomp_set_filter(flags, program.baseAddress, UInt16(program.count / 8)))
  }

  /// A session keyring of its own, so that the caller's keys are out of reach. (keyctl(2))
  public static func joinNewSessionKeyring(_ name: String) throws(Errno) {
    try Errno.check(kernel_join_session_keyring(name))
  }

  /// The supplementary groups. (setgroups(2))
  public static func setGroups(_ groups: [UInt32]) throws(Errno) { try Errno.check(setgroups(groups.count, groups)) }

  /// Sets real, effective and saved group and user, and the supplementary groups; nil leaves those.
  public static func become(user: UInt32, group: UInt32, groups: [UInt32]?) throws(Errno) {
    if let groups { try setGroups(groups) }
    try Errno.check(kernel_setresgid(group, group, group))
    try Errno.check(kernel_setresuid(user, user, user))
  }
}
