/// Cuts arguments into words, quotes and escapes left in them for the expansion that follows.
enum WordSplitter {
  /// At spaces outside of quotes: ENV, LABEL, ARG.
  static func quoted(_ text: Substring.UTF8View, escape: UInt8) -> [String] {
    var words: [String] = []
    var word: [UInt8] = []
    var quote: UInt8?
    var hasWord = false
    var rest = text
    while let byte = rest.first {
      rest = rest.dropFirst()
      if quote == nil, isSpace(byte) {
        if hasWord { words.append(String(decoding: word, as: UTF8.self)) }
        word = []
        hasWord = false
        continue
      }
      if byte == escape, quote != UInt8(ascii: "'") {
        // An escape at the end is dropped.
        guard let escaped = rest.first else { continue }
        rest = rest.dropFirst()
        word += [byte, escaped]
      } else {
        if byte == quote {
          quote = nil
        } else if quote == nil, byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
          quote = byte
        }
        word.append(byte)
      }
      hasWord = true
    }
    if hasWord { words.append(String(decoding: word, as: UTF8.self)) }
    return words
  }

  /// At every space: COPY, ADD, EXPOSE, FROM, VOLUME.
  static func plain(_ text: Substring.UTF8View) -> [String] {
    text.split(whereSeparator: isSpace).map { String(decoding: $0, as: UTF8.self) }
  }
}

/// Go's durations: `1h30m`, `1.5s`, `300ms`. Nanoseconds; nil for anything else.
func parseDuration(_ text: String) -> Int64? {
  var rest = text.utf8[...]
  if rest.elementsEqual("0".utf8) { return 0 }
  guard !rest.isEmpty else { return nil }
  let units: [(String, Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
  ]
  var total = 0.0
  while !rest.isEmpty {
    let number = rest.prefix { isDigit($0) || $0 == UInt8(ascii: ".") }
    rest = rest[number.endIndex...]
    let unit = rest.prefix { !isDigit($0) && $0 != UInt8(ascii: ".") }
    rest = rest[unit.endIndex...]
    guard let value = Double(String(decoding: number, as: UTF8.self)),
      let scale = units.first(where: { $0.0.utf8.elementsEqual(unit) })?.1
    else { return nil }
    total += value * scale
  }
  return total < 9.2e18 ? Int64(total) : nil
}
