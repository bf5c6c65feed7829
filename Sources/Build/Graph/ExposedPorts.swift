/// What EXPOSE takes: `port[-last][/protocol]`; what publishing has in front, `[address:][port[-last]:]`, is left out.
struct ExposedPorts: CustomStringConvertible {
  let first: UInt16
  let last: UInt16
  let transport: String

  init?(_ text: String) {
    let mapping = text.split(separator: ":", omittingEmptySubsequences: false)
    let parts = mapping[mapping.count - 1].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    transport = parts.count == 2 && !parts[1].isEmpty ? parts[1].lowercased() : "tcp"
    guard ["tcp", "udp", "sctp"].contains(transport), let (first, last) = Self.range(parts[0]) else { return nil }
    if mapping.count > 1 {
      let host = mapping[mapping.count - 2]
      guard host.isEmpty || Self.range(host) != nil else { return nil }
    }
    self.first = first
    self.last = last
  }

  private static func range(_ text: Substring) -> (first: UInt16, last: UInt16)? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") }) else { return nil }
    let bounds = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt16($0) }
    guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first > 0, first <= last else { return nil }
    return (first, last)
  }

  var names: [String] { (first...last).map { "\($0)/\(transport)" } }

  var description: String { (first == last ? "\(first)" : "\(first)-\(last)") + "/\(transport)" }
}

/// A name with or without SIG, or a number. (signal(7))
func isSignal(_ text: String) -> Bool {
  if let number = Int(text) { return (1...64).contains(number) }
  var name = text.uppercased()[...]
  if name.hasPrefix("SIG") { name = name.dropFirst(3) }
  if name.hasPrefix("RTMIN") || name.hasPrefix("RTMAX") {
    let offset = name.dropFirst(5)
    return offset.isEmpty || Int(offset).map { (name.hasPrefix("RTMIN") ? 0...30 : -30...0).contains($0) } == true
  }
  return signalNames.contains(String(name))
}

private let signalNames: Set<String> = [
  "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF",
  "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM",
  "WINCH", "XCPU", "XFSZ",
]
