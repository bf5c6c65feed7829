/// Kubernetes' rules for names. (apimachinery, util/validation)
enum NameRule {
  /// RFC 1123 label: names of containers, volumes, namespaces and services.
  static func isLabel(_ text: some StringProtocol) -> Bool {
    (1...63).contains(text.utf8.count) && isDashed(text)
  }

  /// RFC 1123 subdomain: names of most objects.
  static func isSubdomain(_ text: String) -> Bool {
    text.utf8.count <= 253 && text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && isDashed($0) }
  }

  /// RFC 1035 label, which begins with a letter: names of services, as environment variables are made of them.
  static func isServiceName(_ text: String) -> Bool {
    isLabel(text) && text.utf8.first.map { isLower($0) } == true
  }

  /// Lower-case letters, digits and dashes with at least one letter: names of ports.
  static func isPortName(_ text: String) -> Bool {
    (1...15).contains(text.utf8.count) && isDashed(text) && !text.contains("--") && text.utf8.contains(where: isLower)
  }

  /// `[prefix/]name`: keys of labels and annotations.
  static func isQualifiedName(_ text: String) -> Bool {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2, !isSubdomain(String(parts[0])) { return false }
    guard let name = parts.last, (1...63).contains(name.utf8.count) else { return false }
    return isLabelText(name)
  }

  static func isLabelValue(_ text: String) -> Bool { text.isEmpty || (text.utf8.count <= 63 && isLabelText(text)) }

  /// Key of a ConfigMap or Secret, which becomes a file's name.
  static func isConfigKey(_ text: String) -> Bool {
    (1...253).contains(text.utf8.count) && text != "." && !text.hasPrefix("..")
      && text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
  }

  /// Name of an environment variable: printable ASCII but `=`.
  static func isVariable(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (0x20...0x7e).contains($0) && $0 != UInt8(ascii: "=") }
  }

  static func isIPv4(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        (1...3).contains(part.utf8.count) && part.utf8.allSatisfy { (48...57).contains($0) } && Int(part).map { $0 <= 255 } == true
          && (part.utf8.count == 1 || !part.hasPrefix("0"))
      }
  }

  private static func isDashed(_ text: some StringProtocol) -> Bool {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, isLowerOrDigit(first), isLowerOrDigit(last) else { return false }
    return bytes.allSatisfy { isLowerOrDigit($0) || $0 == UInt8(ascii: "-") }
  }

  private static func isLabelText(_ text: some StringProtocol) -> Bool {
    let bytes = Array(text.utf8)
    guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else { return false }
    return bytes.allSatisfy {
      isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
    }
  }

  private static func isLower(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }

  private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
    isLower(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    isLowerOrDigit(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
  }
}

extension ObjectReader {
  /// A required string that `rule` allows; `what` says in the error what it should have been.
  func requiredName(_ field: String, _ rule: (String) -> Bool, _ what: String) -> String? {
    guard let name = requiredString(field) else { return nil }
    guard rule(name) else {
      error(field, "\"\(name.prefix(260))\" is not \(what)")
      return nil
    }
    return name
  }

  func name(_ field: String, _ rule: (String) -> Bool, _ what: String) -> String? {
    has(field) ? requiredName(field, rule, what) : nil
  }

  func requiredLabelName(_ field: String) -> String? { requiredName(field, NameRule.isLabel, labelRule) }

  func requiredObjectName(_ field: String) -> String? { requiredName(field, NameRule.isSubdomain, subdomainRule) }

  /// An absolute path without a colon, which the mount syntax of other tools cannot hold.
  func absolutePath(_ field: String, _ path: String) -> Bool {
    guard path.hasPrefix("/"), !path.utf8.contains(0) else {
      error(field, "must be an absolute path, not \"\(path)\"")
      return false
    }
    return true
  }
}

let labelRule = "a lower-case name: 1 to 63 of a-z, 0-9 and -, which begins and ends with a letter or digit (RFC 1123)"
let subdomainRule =
  "a lower-case name: at most 253 of a-z, 0-9, - and ., which begins and ends with a letter or digit (RFC 1123)"

/// A port by number or by the name that a container gives it.
public enum PortTarget: Sendable, Hashable, CustomStringConvertible {
  case number(UInt16)
  case name(String)

  public var description: String {
    switch self {
    case .number(let number): String(number)
    case .name(let name): name
    }
  }
}

extension ObjectReader {
  func port(_ field: String) -> UInt16? { integer(field, in: 1...65535).map { UInt16($0) } }

  func portTarget(_ field: String) -> PortTarget? {
    guard let (text, isString) = text(field) else { return nil }
    if !isString { return port(field).map { .number($0) } }
    guard NameRule.isPortName(text) else {
      error(field, "\"\(text)\" is neither a port number (without quotes) nor a port's name (1 to 15 of a-z, 0-9 and -)")
      return nil
    }
    return .name(text)
  }
}
