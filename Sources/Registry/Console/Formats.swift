internal import FoundationEssentials
internal import Glibc

/// Numbers and times as people read them.
enum Formats {
  /// `0 B`, `999 B`, `1.2 kB`, `34.5 MB`: thousands, as docker has them.
  static func size(_ bytes: Int64) -> String {
    guard bytes >= 1000 else { return "\(max(0, bytes)) B" }
    var value = Double(bytes)
    for unit in ["kB", "MB", "GB", "TB"] {
      value /= 1000
      if value < 999.95 || unit == "TB" { return "\(fixed(value, value < 99.95 ? 1 : 0)) \(unit)" }
    }
    return "\(bytes) B"
  }

  /// `12,345`
  static func count(_ number: some BinaryInteger) -> String {
    let digits = String(number)
    var result = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0, result != "-" { result.append(",") }
      result.append(digit)
    }
    return result
  }

  static func plural(_ number: some BinaryInteger, _ one: String, _ many: String) -> String {
    "\(count(number)) \(number == 1 ? one : many)"
  }

  /// `12.3%`; 0 where there is nothing to take a part of.
  static func percent(_ part: Int64, of whole: Int64) -> String {
    guard whole > 0 else { return "0%" }
    let value = Double(part) / Double(whole) * 100
    return value > 0 && value < 0.1 ? "<0.1%" : "\(fixed(value, value < 99.95 && value >= 0.1 ? 1 : 0))%"
  }

  /// With as many digits after the point.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    let scale = digits == 0 ? 1.0 : digits == 1 ? 10.0 : 100.0
    let rounded = Int64((value * scale).rounded())
    guard digits > 0 else { return String(rounded) }
    let rest = String(rounded % Int64(scale))
    return "\(rounded / Int64(scale)).\(String(repeating: "0", count: digits - rest.count))\(rest)"
  }

  /// `just now`, `5 minutes ago`, `3 days ago`, `2 years ago`. Milliseconds since 1970.
  static func age(_ time: Int64, now: Int64) -> String {
    let seconds = (now - time) / 1000
    let steps: [(Int64, String)] = [
      (31_536_000, "year"), (2_592_000, "month"), (604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"),
    ]
    if seconds < -60 { return "in the future" }
    for (length, name) in steps where seconds >= length {
      let number = seconds / length
      return "\(number) \(name)\(number == 1 ? "" : "s") ago"
    }
    return "just now"
  }

  /// `2026-01-31T12:34:56Z`. Milliseconds since 1970; empty where that is no time.
  static func timestamp(_ milliseconds: Int64) -> String { broken(milliseconds / 1000).map { "\($0.date)T\($0.time)Z" } ?? "" }

  /// `2026-01-31 12:34`. Seconds since 1970.
  static func minute(_ seconds: Int64) -> String { broken(seconds).map { "\($0.date) \($0.time.prefix(5))" } ?? "" }

  private static func broken(_ seconds: Int64) -> (date: String, time: String)? {
    var time = time_t(seconds), parts = tm()
    guard (-62_135_596_800...253_402_300_799).contains(seconds), gmtime_r(&time, &parts) != nil else { return nil }
    func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let year = String(parts.tm_year + 1900)
    return (
      "\(String(repeating: "0", count: max(0, 4 - year.count)))\(year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))",
      "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    )
  }

  /// A date of RFC 3339 in milliseconds since 1970; nil where it is none.
  static func parse(_ text: String?) -> Int64? {
    guard let text, text.utf8.count <= 64 else { return nil }
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int? {
      guard range.upperBound <= bytes.count else { return nil }
      return Int(String(decoding: bytes[range], as: UTF8.self))
    }
    guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
      let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    var parts = tm()
    parts.tm_year = CInt(year - 1900)
    parts.tm_mon = CInt(month - 1)
    parts.tm_mday = CInt(day)
    parts.tm_hour = CInt(hour)
    parts.tm_min = CInt(minute)
    parts.tm_sec = CInt(second)
    let zone = bytes[19...].drop { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
    var offset = 0
    if let sign = zone.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
      let start = zone.startIndex
      guard let hours = number((start + 1)..<(start + 3)), let minutes = number((start + 4)..<(start + 6)) else {
        return nil
      }
      offset = (hours * 60 + minutes) * (sign == UInt8(ascii: "+") ? 60 : -60)
    }
    return (Int64(timegm(&parts)) - Int64(offset)) * 1000
  }

  /// `drwxr-xr-x`, as ls has it.
  static func mode(_ node: LayerNode) -> String {
    let kind: Character =
      switch node.kind {
      case .file, .hardLink: "-"
      case .directory: "d"
      case .symbolicLink: "l"
      case .characterDevice: "c"
      case .blockDevice: "b"
      case .fifo: "p"
      case .whiteout: "?"
      }
    var text = String(kind)
    for (shift, special, letter) in [(6, 0o4000, "s"), (3, 0o2000, "s"), (0, 0o1000, "t")] {
      let bits = Int(node.mode) >> shift
      text += bits & 4 != 0 ? "r" : "-"
      text += bits & 2 != 0 ? "w" : "-"
      let isSpecial = Int(node.mode) & special != 0
      text += isSpecial ? (bits & 1 != 0 ? letter : letter.uppercased()) : (bits & 1 != 0 ? "x" : "-")
    }
    return text
  }

  /// At most `limit` characters, with an ellipsis where some are left out.
  static func cut(_ text: String, _ limit: Int) -> String {
    text.utf8.count <= limit || text.count <= limit ? text : "\(text.prefix(limit))…"
  }
}
