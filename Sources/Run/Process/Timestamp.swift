import Glibc

/// A moment, as RFC 3339 writes it in UTC with nanoseconds.
struct Timestamp {
  let seconds: Int
  let nanoseconds: Int

  static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// `2026-11-23T16:19:26.123456789Z`
  var bytes: [UInt8] {
    // Days since 0000-03-01 in the proleptic Gregorian calendar: leap days end a year then. (H. Hinnant's algorithm)
    let days = seconds / 86400 + 719_468
    let era = days / 146_097
    let day = days - era * 146_097
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365
    let dayOfYear = day - (365 * year + year / 4 - year / 100)
    let month = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
    let calendarMonth = month < 10 ? month + 3 : month - 9
    let calendarYear = year + era * 400 + (calendarMonth <= 2 ? 1 : 0)
    let time = seconds % 86400
    var bytes: [UInt8] = []
    bytes.reserveCapacity(30)
    func append(_ value: Int, _ digits: Int, _ separator: Character) {
      var divisor = 1
      for _ in 1..<digits { divisor *= 10 }
      while divisor > 0 {
        bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
        divisor /= 10
      }
      bytes.append(separator.asciiValue ?? 0)
    }
    append(calendarYear, 4, "-")
    append(calendarMonth, 2, "-")
    append(dayOfMonth, 2, "T")
    append(time / 3600, 2, ":")
    append(time / 60 % 60, 2, ":")
    append(time % 60, 2, ".")
    append(nanoseconds, 9, "Z")
    return bytes
  }

  /// Nanoseconds of the monotonic clock.
  static func monotonic() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
