internal import Glibc

/// RFC 3339 in UTC.
enum Timestamp {
  static func text(_ seconds: Int64, nanoseconds: Int = 0) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    func digits(_ number: Int, _ count: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let date =
      "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(Int(parts.tm_mon) + 1, 2))-\(digits(Int(parts.tm_mday), 2))"
    let clock = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
    return date + "T" + clock + (nanoseconds == 0 ? "" : "." + digits(nanoseconds, 9)) + "Z"
  }

  static func now() -> String {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return text(Int64(now.tv_sec), nanoseconds: now.tv_nsec)
  }
}
