internal import Glibc

/// Dates and times of RFC 3339, as images and containers carry them.
enum Timestamp {
  /// Now in UTC, with nanoseconds.
  static func now() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return text(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }

  /// In UTC; the fraction is left out where it is 0.
  static func text(seconds: Int64, nanoseconds: Int64 = 0) -> String {
    var clock = time_t(seconds)
    var parts = tm()
    gmtime_r(&clock, &parts)
    func digits(_ value: some BinaryInteger, _ width: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    let date = "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let time = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return nanoseconds == 0 ? "\(date)T\(time)Z" : "\(date)T\(time).\(digits(nanoseconds, 9))Z"
  }

  /// Unix seconds of `2026-01-02T03:04:05[.fraction](Z|±hh:mm)`, nil for other text.
  static func seconds(_ text: String) -> Int64? {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int32? {
      guard range.upperBound <= bytes.count else { return nil }
      return Int32(String(decoding: bytes[range], as: UTF8.self))
    }
    guard bytes.count >= 20, let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
      let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19)
    else { return nil }
    var parts = tm()
    parts.tm_year = year - 1900
    parts.tm_mon = month - 1
    parts.tm_mday = day
    parts.tm_hour = hour
    parts.tm_min = minute
    parts.tm_sec = second
    var zone = 19
    if bytes[zone] == UInt8(ascii: ".") {
      zone += 1
      while zone < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[zone]) { zone += 1 }
    }
    guard zone < bytes.count else { return nil }
    let seconds = Int64(timegm(&parts))
    if bytes[zone] == UInt8(ascii: "Z") || bytes[zone] == UInt8(ascii: "z") { return seconds }
    guard let hours = number((zone + 1)..<(zone + 3)), let minutes = number((zone + 4)..<(zone + 6)) else { return nil }
    let offset = Int64(hours) * 3600 + Int64(minutes) * 60
    return bytes[zone] == UInt8(ascii: "-") ? seconds + offset : seconds - offset
  }

  /// `5 minutes ago`, or nothing for an image that does not say when it was made.
  static func ago(_ text: String?) -> String {
    text.flatMap(seconds).map(Phrase.ago) ?? "N/A"
  }
}
