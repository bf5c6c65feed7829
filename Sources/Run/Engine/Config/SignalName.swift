internal import Glibc

/// Signals by name or number. (signal(7))
public enum SignalName {
  private static let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
  ]

  /// `KILL`, `SIGKILL`, `9`, `SIGRTMIN+3`.
  ///
  /// - Throws: `EngineError.input`.
  public static func number(_ text: String) throws -> Int32 {
    if let number = Int32(text) {
      guard (1...64).contains(number) else { throw invalid(text) }
      return number
    }
    let upper = text.uppercased()
    let name = upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper
    if let index = names.firstIndex(of: name) { return Int32(index + 1) }
    switch name {
    case "IOT": return 6
    case "CLD": return 17
    case "POLL": return 29
    default: break
    }
    // glibc keeps the first two real-time signals for itself.
    for (base, start) in [("RTMIN", Int32(34)), ("RTMAX", Int32(64))] where name.hasPrefix(base) {
      let rest = name.dropFirst(base.count)
      if rest.isEmpty { return start }
      if let offset = Int32(rest), (34...64).contains(start + offset) { return start + offset }
    }
    throw invalid(text)
  }

  /// `SIGTERM`, or the number of a real-time signal.
  public static func text(_ number: Int32) -> String {
    (1...31).contains(number) ? "SIG" + names[Int(number) - 1] : String(number)
  }

  private static func invalid(_ text: String) -> EngineError {
    .input("invalid signal: \(text); kill -l lists them")
  }
}
