internal import Glibc

/// A time as signatures write it: `20150830T123600Z`.
struct SignatureTime: Hashable, Sendable, CustomStringConvertible {
  /// Since 1970.
  let seconds: Int64

  init(seconds: Int64) { self.seconds = seconds }

  static var now: SignatureTime { SignatureTime(seconds: Int64(time(nil))) }

  /// nil where it is not of that form, or no such day.
  init?(parsing text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count == 16, bytes[8] == UInt8(ascii: "T"), bytes[15] == UInt8(ascii: "Z") else { return nil }
    func number(_ range: Range<Int>) -> Int32? {
      bytes[range].allSatisfy { (0x30...0x39).contains($0) }
        ? Int32(String(decoding: bytes[range], as: UTF8.self)) : nil
    }
    guard let year = number(0..<4), let month = number(4..<6), let day = number(6..<8), let hour = number(9..<11),
      let minute = number(11..<13), let second = number(13..<15)
    else { return nil }
    var fields = tm()
    fields.tm_year = year - 1900
    fields.tm_mon = month - 1
    fields.tm_mday = day
    fields.tm_hour = hour
    fields.tm_min = minute
    fields.tm_sec = second
    let result = SignatureTime(seconds: Int64(timegm(&fields)))
    // timegm takes the 40th of a month; it does not come back the same.
    guard result.description == text else { return nil }
    self = result
  }

  /// `YYYYMMDD`
  var date: String { String(description.prefix(8)) }

  var description: String {
    var time = time_t(seconds)
    var fields = tm()
    gmtime_r(&time, &fields)
    func padded(_ number: Int32, _ width: Int = 2) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    return padded(fields.tm_year + 1900, 4) + padded(fields.tm_mon + 1) + padded(fields.tm_mday) + "T"
      + padded(fields.tm_hour) + padded(fields.tm_min) + padded(fields.tm_sec) + "Z"
  }

  static func + (time: SignatureTime, seconds: Int64) -> SignatureTime {
    SignatureTime(seconds: time.seconds + seconds)
  }
}
