/// Sizes and durations as flags take them.
enum Quantity {
  /// Bytes of `64m`, `1.5g`, `512` or `100KiB`: units are powers of 1024. (go-units, RAMInBytes)
  static func bytes(_ text: String, flag: String) throws -> Int64 {
    let digits = text.prefix { $0.isNumber || $0 == "." || $0 == "-" }
    var unit = text[digits.endIndex...].drop { $0 == " " }.lowercased()
    if unit.hasSuffix("ib") { unit.removeLast(2) } else if unit.count > 1, unit.hasSuffix("b") { unit.removeLast() }
    let factors: [String: Double] = [
      "": 1, "b": 1, "k": 1024, "m": 1_048_576, "g": 1_073_741_824, "t": 1_099_511_627_776, "p": 1_125_899_906_842_624,
    ]
    guard let number = Double(digits), let factor = factors[unit], number * factor < 9.2e18, number * factor > -9.2e18
    else {
      throw Failure("invalid argument \"\(text)\" for \"--\(flag)\" flag: invalid size: '\(text)'", status: 125)
    }
    return Int64(number * factor)
  }

  /// Nanoseconds of Go's durations: `1m30s`, `500ms`, `1.5h`.
  static func duration(_ text: String) -> Int64? {
    let units: [(String, Double)] = [
      ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12),
    ]
    if text == "0" { return 0 }
    var rest = text[...]
    var sum = 0.0
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isNumber || $0 == "." }
      let name = rest[digits.endIndex...].prefix { !$0.isNumber && $0 != "." }
      guard let number = Double(digits), let unit = units.first(where: { $0.0 == name }) else { return nil }
      sum += number * unit.1
      rest = rest[name.endIndex...]
    }
    return sum < 9.2e18 ? Int64(sum) : nil
  }

  /// Nanoseconds since 1970: RFC 3339, Unix seconds, or how long ago: `10m`.
  static func moment(_ text: String, now: Int64, parse: (String) -> Int64?) -> Int64? {
    if let moment = parse(text) { return moment }
    if let ago = duration(text), text != "0" { return now - ago }
    guard let seconds = Double(text), seconds.magnitude < 9e9 else { return nil }
    return Int64(seconds * 1e9)
  }
}
