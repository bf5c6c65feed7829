import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Numbers of what the specification calls by name.
enum Names {
  /// nil for a name that no kernel up to now has.
  static func capability(_ name: String) -> CapabilitySet? {
    DockerDefaults.allCapabilities.firstIndex(of: name).map { CapabilitySet(number: $0) }
  }

  static func capabilities(_ set: CapabilitySet) -> [String] {
    DockerDefaults.allCapabilities.enumerated().filter { set.contains(CapabilitySet(number: $0.offset)) }.map(\.element)
  }

  /// `TERM`, `SIGTERM`, `15`, `RTMIN+3`; nil for anything else.
  static func signal(_ text: String) -> CInt? {
    if let number = CInt(text) { return (1...64).contains(number) ? number : nil }
    let upper = text.uppercased()
    let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
    if let number = signals[name] { return number }
    // glibc keeps 32 and 33 for itself.
    if name == "RTMIN" { return 34 }
    if name == "RTMAX" { return 64 }
    if name.hasPrefix("RTMIN+"), let offset = CInt(name.dropFirst(6)), (0...30).contains(offset) { return 34 + offset }
    if name.hasPrefix("RTMAX-"), let offset = CInt(name.dropFirst(6)), (0...30).contains(offset) { return 64 - offset }
    return nil
  }

  private static let signals: [String: CInt] = [
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
    "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CLD": 17, "CONT": 18,
    "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27,
    "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
  ]

  static func resourceLimit(_ type: String) -> CInt? {
    limits.firstIndex(of: type).map { CInt($0) }
  }

  /// The position is the number. (getrlimit(2))
  private static let limits = [
    "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC",
    "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
  ]

  /// `0-3,7` as numbers; nil where it is not such a list.
  static func list(_ text: String) -> Set<Int>? {
    var numbers: Set<Int> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int(trim($0)) }
      switch ends.count {
      case 1: if let number = ends[0], (0..<4096).contains(number) { numbers.insert(number) } else { return nil }
      case 2:
        guard let first = ends[0], let last = ends[1], first <= last, first >= 0, last < 4096 else { return nil }
        numbers.formUnion(first...last)
      default: return nil
      }
    }
    return numbers
  }

  private static func trim(_ text: Substring) -> Substring { text.filter { $0 != " " && $0 != "\n" }[...] }

  /// Whether a descriptor is open at the calling process's own namespace of a kind.
  static func isOwn(_ kind: LinuxNamespace.Kind, _ descriptor: CInt) throws(Errno) -> Bool {
    let name =
      switch kind {
      case .network: "net"
      case .mount: "mnt"
      default: kind.rawValue
      }
    let own = try openat2(workingDirectory, "/proc/self/ns/\(name)", flags: O_RDONLY)
    let (one, other) = try (status(of: own.number), status(of: descriptor))
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }

  static func namespace(_ kind: LinuxNamespace.Kind) -> NamespaceSet {
    switch kind {
    case .pid: .pid
    case .network: .network
    case .mount: .mount
    case .ipc: .ipc
    case .uts: .uts
    case .user: .user
    case .cgroup: .cgroup
    case .time: .time
    }
  }
}
