/// The keys that leave an attached container to itself: `ctrl-p,ctrl-q` unless others are named.
struct DetachKeys {
  private let sequence: [UInt8]
  /// How much of the sequence the last bytes were.
  private var matched = 0

  /// - Parameter text: letters, or `ctrl-` with one of `a` to `z`, `@`, `[`, `\`, `]`, `^`, `_`, with commas between;
  ///   nil is docker's, empty none.
  init(_ text: String?) throws {
    sequence = try (text ?? "ctrl-p,ctrl-q").split(separator: ",").map { key in
      let bytes = Array(key.utf8)
      if bytes.count == 1 { return bytes[0] }
      guard key.lowercased().hasPrefix("ctrl-"), bytes.count == 6 else { throw Self.failure(text, key) }
      switch bytes[5] {
      case UInt8(ascii: "a")...UInt8(ascii: "z"): return bytes[5] - UInt8(ascii: "a") + 1
      case UInt8(ascii: "@"), UInt8(ascii: "[")...UInt8(ascii: "_"): return bytes[5] - UInt8(ascii: "@")
      default: throw Self.failure(text, key)
      }
    }
  }

  private static func failure(_ text: String?, _ key: Substring) -> Failure {
    Failure("invalid detach keys (\(text ?? "")): unknown character: '\(key)'", status: 125)
  }

  /// Takes what was typed.
  ///
  /// - Returns: what the program gets of it, and whether the sequence was completed with it. The beginning of a
  ///   sequence is kept back until it is clear whether it is one.
  mutating func pass(_ bytes: some Sequence<UInt8>) -> (output: [UInt8], isDetached: Bool) {
    guard !sequence.isEmpty else { return (Array(bytes), false) }
    var output: [UInt8] = []
    for byte in bytes {
      if byte == sequence[matched] {
        matched += 1
        if matched == sequence.count { return (output, true) }
        continue
      }
      output += sequence[..<matched]
      matched = 0
      if byte == sequence[0], sequence.count > 1 { matched = 1 } else { output.append(byte) }
    }
    return (output, false)
  }
}
