/// What EXPOSE takes: `port[-last][/protocol]`.
struct ExposedPorts: CustomStringConvertible {
  let first: UInt16
  let last: UInt16
  let transport: String

  init?(_ text: String) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    transport = parts.count == 2 ? parts[1].lowercased() : "tcp"
    guard ["tcp", "udp", "sctp"].contains(transport) else { return nil }
    let bounds = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { UInt16($0) }
    guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, first > 0, first <= last else { return nil }
    self.first = first
    self.last = last
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
