/// What plain text means, by the YAML 1.1 rules that kubectl reads manifests with: `yes` and `on` are booleans, and a
/// leading zero makes a number octal.
struct Scalar {
  let text: String

  init(_ text: String) { self.text = text }

  var isNull: Bool { ["", "~", "null", "Null", "NULL"].contains(text) }

  var bool: Bool? {
    switch text {
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": true
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": false
    default: nil
    }
  }

  var integer: Int64? {
    var rest = text.replacing("_", with: "")[...]
    // `_1` is a word, not a number.
    guard let first = text.first, first != "_" else { return nil }
    let sign = rest.hasPrefix("-") ? "-" : ""
    if rest.hasPrefix("-") || rest.hasPrefix("+") { rest = rest.dropFirst() }
    guard let digit = rest.first, digit.isASCII, digit.isNumber else { return nil }
    let radix: Int
    switch true {
    case rest.hasPrefix("0x"): (radix, rest) = (16, rest.dropFirst(2))
    case rest.hasPrefix("0b"): (radix, rest) = (2, rest.dropFirst(2))
    case rest.hasPrefix("0o"): (radix, rest) = (8, rest.dropFirst(2))
    case rest.hasPrefix("0") && rest.count > 1: (radix, rest) = (8, rest.dropFirst())
    default: radix = 10
    }
    guard let start = rest.first, start != "+", start != "-" else { return nil }
    return Int64(sign + rest, radix: radix)
  }

  var isFloat: Bool {
    if [".nan", ".NaN", ".NAN"].contains(text) { return true }
    let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
    if [".inf", ".Inf", ".INF"].contains(unsigned) { return true }
    guard let first = unsigned.first, first == "." || (first.isASCII && first.isNumber), unsigned != "." else { return false }
    return unsigned.utf8.allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || [UInt8](".eE+-_".utf8).contains(byte)
    } && Double(unsigned.replacing("_", with: "")) != nil
  }

  var kind: String {
    if isNull { return "null" }
    if bool != nil { return "a boolean" }
    if integer != nil || isFloat { return "a number" }
    return "a string"
  }
}
