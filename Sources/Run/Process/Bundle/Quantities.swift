/// Amounts as people write them on a command line.
enum Quantities {
  /// `512m`, `1.5GiB`, `1073741824`: bytes, in powers of 1024; -1 for no limit. (docker's go-units, RAMInBytes)
  static func bytes(_ text: String) -> Int64? {
    if text == "-1" { return -1 }
    let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    var unit = text.dropFirst(number.count).lowercased()
    if unit.hasPrefix(" ") { unit.removeFirst() }
    let units = ["": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50]
    var shift = units[unit]
    if shift == nil, unit.hasSuffix("b") {
      shift = units[unit.hasSuffix("ib") ? "\(unit.dropLast(2))" : "\(unit.dropLast())"]
    }
    guard let shift, let first = number.first, first != ".", number.last != "." else { return nil }
    if let whole = Int64(number) {
      let (product, overflows) = whole.multipliedReportingOverflow(by: 1 << shift)
      return overflows ? nil : product
    }
    guard let fraction = Double(number), fraction.isFinite else { return nil }
    return Int64(exactly: (fraction * Double(Int64(1) << shift)).rounded(.down))
  }

  /// `1h30m`, `2.5s`, `100ms`: nanoseconds. (Go's time.ParseDuration)
  static func nanoseconds(_ text: String) -> Int64? {
    let units: [String: Double] = [
      "ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
    ]
    if text == "0" { return 0 }
    var total = 0.0
    var rest = text[...]
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let number = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      rest = rest.dropFirst(number.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      guard let value = Double(number), let factor = units[String(unit)] else { return nil }
      total += value * factor
    }
    return total < Double(Int64.max) ? Int64(total) : nil
  }
}
