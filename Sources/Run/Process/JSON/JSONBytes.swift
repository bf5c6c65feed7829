/// JSON strings from bytes, for what is written often.
enum JSONBytes {
  /// Bytes that are no UTF-8 become U+FFFD each.
  static func append(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    if text.withContiguousStorageIfAvailable({ appendContent($0, to: &bytes) }) == nil {
      Array(text).withUnsafeBufferPointer { appendContent($0, to: &bytes) }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// What stands between the quotation marks. Runs of bytes that stay as they are, which is nearly everything, are
  /// copied as a whole.
  static func appendContent(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
    var start = 0
    var place = 0
    while place < text.count {
      let length = plainLength(text, place)
      if length > 0 {
        place += length
        continue
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<place]))
      appendReplaced(text[place], to: &bytes)
      place += 1
      start = place
    }
    bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
  }

  /// Length of the character at `place`; 0 where it cannot stand in a string as it is. (RFC 3629, section 4)
  @inline(__always) private static func plainLength(_ text: UnsafeBufferPointer<UInt8>, _ place: Int) -> Int {
    let first = text[place]
    if first < 0x80 { return first >= 0x20 && first != UInt8(ascii: "\"") && first != UInt8(ascii: "\\") ? 1 : 0 }
    func follows(_ offset: Int, _ range: ClosedRange<UInt8> = 0x80...0xbf) -> Bool {
      place + offset < text.count && range.contains(text[place + offset])
    }
    switch first {
    case 0xc2...0xdf: return follows(1) ? 2 : 0
    case 0xe0: return follows(1, 0xa0...0xbf) && follows(2) ? 3 : 0
    case 0xed: return follows(1, 0x80...0x9f) && follows(2) ? 3 : 0
    case 0xe1...0xef: return follows(1) && follows(2) ? 3 : 0
    case 0xf0: return follows(1, 0x90...0xbf) && follows(2) && follows(3) ? 4 : 0
    case 0xf1...0xf3: return follows(1) && follows(2) && follows(3) ? 4 : 0
    case 0xf4: return follows(1, 0x80...0x8f) && follows(2) && follows(3) ? 4 : 0
    default: return 0
    }
  }

  private static func appendReplaced(_ byte: UInt8, to bytes: inout [UInt8]) {
    func escape(_ letter: Unicode.Scalar) {
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(UInt8(ascii: letter))
    }
    switch byte {
    case UInt8(ascii: "\""): escape("\"")
    case UInt8(ascii: "\\"): escape("\\")
    case UInt8(ascii: "\n"): escape("n")
    case UInt8(ascii: "\r"): escape("r")
    case UInt8(ascii: "\t"): escape("t")
    case 0..<0x20:
      escape("u")
      for digit in [0, 0, byte >> 4, byte & 15] {
        bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
      }
    default:
      bytes.append(0xef)
      bytes.append(0xbf)
      bytes.append(0xbd)
    }
  }
}
