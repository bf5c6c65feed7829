internal import Glibc

/// A time, in nanoseconds since 1970.
public struct Moment: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
  public let nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static func now() -> Moment {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Moment(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  public var seconds: Int64 { nanoseconds / 1_000_000_000 }

  public static func < (left: Moment, right: Moment) -> Bool { left.nanoseconds < right.nanoseconds }

  public init(from decoder: any Decoder) throws {
    nanoseconds = try decoder.singleValueContainer().decode(Int64.self)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(nanoseconds)
  }

  /// RFC 3339 in UTC with nine digits of a second.
  public var description: String {
    var clock = time_t(seconds)
    var parts = tm()
    gmtime_r(&clock, &parts)
    func digits(_ value: some BinaryInteger, _ width: Int) -> String {
      let text = String(value)
      return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
    let date = "\(digits(Int(parts.tm_year) + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
    let time = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
    return "\(date)T\(time).\(digits(nanoseconds % 1_000_000_000, 9))Z"
  }

  /// RFC 3339, with or without a fraction; the zone may be left out for UTC, and so may the time.
  public init?(parsing text: some StringProtocol) {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>) -> Int32? {
      guard range.upperBound <= bytes.count, bytes[range].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
      return Int32(String(decoding: bytes[range], as: UTF8.self))
    }
    func separator(_ index: Int, _ character: Character) -> Bool {
      index < bytes.count && bytes[index] == character.asciiValue
    }
    guard let year = number(0..<4), separator(4, "-"), let month = number(5..<7), separator(7, "-"), let day = number(8..<10)
    else { return nil }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days: [Int32] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    guard (1...12).contains(month), (1...days[Int(month) - 1]).contains(day) else { return nil }
    var parts = tm()
    parts.tm_year = year - 1900
    parts.tm_mon = month - 1
    parts.tm_mday = day
    var end = 10
    var fraction: Int64 = 0
    if bytes.count > end {
      guard separator(10, "T") || separator(10, "t") || separator(10, " "), let hour = number(11..<13), separator(13, ":"),
        let minute = number(14..<16), separator(16, ":"), let second = number(17..<19), hour < 24, minute < 60, second < 60
      else { return nil }
      parts.tm_hour = hour
      parts.tm_min = minute
      parts.tm_sec = second
      end = 19
      if separator(end, ".") {
        var digits: [UInt8] = []
        end += 1
        while end < bytes.count, (0x30...0x39).contains(bytes[end]) {
          digits.append(bytes[end])
          end += 1
        }
        guard !digits.isEmpty else { return nil }
        let nine = (digits + Array(repeating: 0x30, count: 9)).prefix(9)
        fraction = nine.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
      }
    }
    var seconds = Int64(timegm(&parts))
    switch bytes[end...].first {
    case nil: break
    case UInt8(ascii: "Z"), UInt8(ascii: "z"): guard end + 1 == bytes.count else { return nil }
    case UInt8(ascii: "+"), UInt8(ascii: "-"):
      guard bytes.count == end + 6, let hours = number((end + 1)..<(end + 3)), separator(end + 3, ":"),
        let minutes = number((end + 4)..<(end + 6))
      else { return nil }
      let offset = Int64(hours) * 3600 + Int64(minutes) * 60
      seconds += bytes[end] == UInt8(ascii: "-") ? offset : -offset
    default: return nil
    }
    nanoseconds = seconds * 1_000_000_000 + fraction
  }
}
