/// A Kubernetes quantity, exactly: `500m`, `1.5`, `64Mi`, `1e3`. (apimachinery, api/resource/quantity.go)
public struct Quantity: Sendable, Hashable, CustomStringConvertible {
  /// The value in thousandths, rounded up as Kubernetes rounds what is finer than it keeps.
  public let milli: Int64
  public let text: String

  public var description: String { text }

  /// Whole units, rounded up.
  public var value: Int64 { milli / 1000 + (milli % 1000 > 0 ? 1 : 0) }

  /// Sign, digits with at most one point, then a binary suffix (Ki to Ei), a decimal one (n, u, m, k to E) or an
  /// exponent (`e3`, `E-2`). nil where the text is not that, or its value does not fit.
  public init?(parsing text: String) {
    var rest = Array(text.utf8)[...]
    guard rest.count <= 64 else { return nil }
    var negative = false
    if let first = rest.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
      negative = first == UInt8(ascii: "-")
      rest = rest.dropFirst()
    }
    guard let number = Self.digits(&rest), let scale = Self.scale(String(decoding: rest, as: UTF8.self)) else { return nil }
    guard let milli = Self.milli(number, scale) else { return nil }
    self.milli = negative ? -milli : milli
    self.text = text
  }

  private struct Digits {
    var mantissa: [UInt8]
    var decimals: Int
  }

  private enum Scale {
    case decimal(Int)
    case binary(Int)
  }

  private static func digits(_ rest: inout ArraySlice<UInt8>) -> Digits? {
    var digits = Digits(mantissa: [], decimals: 0)
    var sawPoint = false
    while let byte = rest.first {
      if byte == UInt8(ascii: "."), !sawPoint {
        sawPoint = true
      } else if (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
        digits.mantissa.append(byte - UInt8(ascii: "0"))
        if sawPoint { digits.decimals += 1 }
      } else {
        break
      }
      rest = rest.dropFirst()
    }
    return digits.mantissa.isEmpty ? nil : digits
  }

  private static func scale(_ suffix: String) -> Scale? {
    let decimal = ["n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18]
    let binary = ["Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60]
    if let power = decimal[suffix] { return .decimal(power) }
    if let power = binary[suffix] { return .binary(power) }
    guard suffix.hasPrefix("e") || suffix.hasPrefix("E") else { return nil }
    let exponent = suffix.dropFirst()
    let unsigned = exponent.hasPrefix("-") || exponent.hasPrefix("+") ? exponent.dropFirst() : exponent
    guard (1...2).contains(unsigned.count), unsigned.utf8.allSatisfy({ (48...57).contains($0) }), let power = Int(exponent)
    else { return nil }
    return .decimal(power)
  }

  /// mantissa × 10^-decimals × scale × 1000, rounded up; nil on overflow.
  private static func milli(_ digits: Digits, _ scale: Scale) -> Int64? {
    var mantissa: UInt128 = 0
    for digit in digits.mantissa {
      let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      mantissa = product + UInt128(digit)
    }
    var power = 3 - digits.decimals
    switch scale {
    case .decimal(let exponent): power += exponent
    case .binary(let exponent):
      let (product, overflow) = mantissa.multipliedReportingOverflow(by: UInt128(1) << UInt128(exponent))
      guard !overflow else { return nil }
      mantissa = product
    }
    if mantissa == 0 { return 0 }
    while power > 0 {
      let (product, overflow) = mantissa.multipliedReportingOverflow(by: 10)
      guard !overflow else { return nil }
      mantissa = product
      power -= 1
    }
    var remainder = false
    while power < 0 {
      if mantissa % 10 != 0 { remainder = true }
      mantissa /= 10
      power += 1
    }
    return Int64(exactly: mantissa + (remainder ? 1 : 0))
  }
}

extension ObjectReader {
  /// A quantity that is not negative.
  func quantity(_ field: String) -> Quantity? {
    guard let (text, _) = text(field) else { return nil }
    guard let quantity = Quantity(parsing: text) else {
      error(field, "\"\(text)\" is not a quantity: write a number with an optional suffix, such as 500m, 1.5 or 64Mi")
      return nil
    }
    guard quantity.milli >= 0 else {
      error(field, "must not be negative")
      return nil
    }
    return quantity
  }
}
