import Glibc

/// A time as policies write it: ISO 8601 with `Z` or an offset, a day alone, or seconds since 1970.
enum PolicyTime {
  /// Seconds since 1970; nil for what is no time.
  static func seconds(_ text: String) -> Double? {
    let bytes = Array(text.utf8)
    if bytes.count > 4, bytes.allSatisfy({ (0x30...0x39).contains($0) }) { return Double(text) }
    guard bytes.count >= 10, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
      let year = number(bytes[0..<4], 1970...9999), let month = number(bytes[5..<7], 1...12),
      let day = number(bytes[8..<10], 1...31)
    else { return nil }
    var fields = tm()
    fields.tm_year = year - 1900
    fields.tm_mon = month - 1
    fields.tm_mday = day
    let start = timegm(&fields)
    // timegm takes the 31st of June for the 1st of July.
    guard fields.tm_mday == day else { return nil }
    if bytes.count == 10 { return Double(start) }
    guard bytes.count >= 20, bytes[10] == UInt8(ascii: "T"), bytes[13] == UInt8(ascii: ":"),
      bytes[16] == UInt8(ascii: ":"), let hour = number(bytes[11..<13], 0...23),
      let minute = number(bytes[14..<16], 0...59), let second = number(bytes[17..<19], 0...60)
    else { return nil }
    let seconds = Double(start) + Double(hour * 3600 + minute * 60 + second)
    let fraction = bytes[19] == UInt8(ascii: ".") ? bytes[20...].prefix { (0x30...0x39).contains($0) } : []
    let rest = bytes[(fraction.isEmpty ? 19 : fraction.endIndex)...]
    guard let part = fraction.isEmpty ? 0 : Double("0." + String(decoding: fraction.prefix(15), as: UTF8.self)),
      let offset = offset(Array(rest))
    else { return nil }
    return seconds + part - offset
  }

  /// Seconds east of Greenwich: `Z`, `+02:00`.
  private static func offset(_ bytes: [UInt8]) -> Double? {
    if bytes == [UInt8(ascii: "Z")] { return 0 }
    guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hours = number(bytes[1..<3], 0...23),
      let minutes = number(bytes[4..<6], 0...59)
    else { return nil }
    let seconds = Double(hours * 3600 + minutes * 60)
    return switch bytes[0] {
    case UInt8(ascii: "+"): seconds
    case UInt8(ascii: "-"): -seconds
    default: nil
    }
  }

  private static func number(_ digits: ArraySlice<UInt8>, _ range: ClosedRange<Int32>) -> Int32? {
    guard digits.allSatisfy({ (0x30...0x39).contains($0) }),
      let number = Int32(String(decoding: digits, as: UTF8.self)),
      range.contains(number)
    else { return nil }
    return number
  }
}
