/// One line of a statement's Condition: an operator, a key, and values. (IAM, JSON policy elements: Condition operators)
struct Condition: Sendable {
  enum Quantifier: String, Sendable { case any = "ForAnyValue", all = "ForAllValues" }

  let key: ConditionKey
  let quantifier: Quantifier?
  /// Whether a request that lacks the key passes.
  let ifExists: Bool
  let test: ConditionTest

  /// All lines of a Condition, every one of which must hold.
  static func parse(_ reader: PolicyReader, _ version: PolicyDocument.Version) throws(PolicyError) -> [Condition] {
    var conditions: [Condition] = []
    for (name, operatorReader) in try reader.members() {
      var name = name[...]
      var quantifier: Quantifier?
      if let colon = name.firstIndex(of: ":") {
        quantifier = Quantifier(rawValue: String(name[..<colon]))
        guard quantifier != nil else {
          throw operatorReader.failure("only ForAnyValue: and ForAllValues: stand before an operator")
        }
        name = name[name.index(after: colon)...]
      }
      let ifExists = name.hasSuffix("IfExists")
      if ifExists { name = name.dropLast("IfExists".count) }
      guard let kind = ConditionOperator(rawValue: String(name)), !(ifExists && kind == .null) else {
        throw operatorReader.failure("this operator is not known")
      }
      for (keyName, keyReader) in try operatorReader.members() {
        guard let key = ConditionKey(keyName) else {
          throw keyReader.failure("this key is not supported; \(ConditionKey.list) are")
        }
        guard kind.fits(key.kind) else { throw keyReader.failure("\(kind.rawValue) does not fit \(key)") }
        guard quantifier != nil || !key.hasSeveralValues || kind == .null else {
          throw keyReader.failure("\(key) has several values: put ForAnyValue: or ForAllValues: before the operator")
        }
        conditions.append(
          Condition(
            key: key, quantifier: quantifier, ifExists: ifExists,
            test: try ConditionTest(kind, keyReader, version)))
      }
    }
    return conditions
  }

  func holds(_ request: AccessRequest) -> Bool {
    let values = key.values(in: request)
    if case .null(let isAbsent) = test { return (values == nil) == isAbsent }
    guard let values else {
      switch quantifier {
      case .all: return true
      case .any: return ifExists
      // What is not there differs from every value.
      case nil: return ifExists || test.isNegated
      }
    }
    switch quantifier {
    case .all: return values.allSatisfy { test.holds($0, request) }
    case .any, nil: return values.contains { test.holds($0, request) }
    }
  }
}

enum ConditionOperator: String, Sendable, CaseIterable {
  case stringEquals = "StringEquals"
  case stringNotEquals = "StringNotEquals"
  case stringEqualsIgnoreCase = "StringEqualsIgnoreCase"
  case stringNotEqualsIgnoreCase = "StringNotEqualsIgnoreCase"
  case stringLike = "StringLike"
  case stringNotLike = "StringNotLike"
  case arnEquals = "ArnEquals"
  case arnNotEquals = "ArnNotEquals"
  case arnLike = "ArnLike"
  case arnNotLike = "ArnNotLike"
  case numericEquals = "NumericEquals"
  case numericNotEquals = "NumericNotEquals"
  case numericLessThan = "NumericLessThan"
  case numericLessThanEquals = "NumericLessThanEquals"
  case numericGreaterThan = "NumericGreaterThan"
  case numericGreaterThanEquals = "NumericGreaterThanEquals"
  case dateEquals = "DateEquals"
  case dateNotEquals = "DateNotEquals"
  case dateLessThan = "DateLessThan"
  case dateLessThanEquals = "DateLessThanEquals"
  case dateGreaterThan = "DateGreaterThan"
  case dateGreaterThanEquals = "DateGreaterThanEquals"
  case bool = "Bool"
  case ipAddress = "IpAddress"
  case notIpAddress = "NotIpAddress"
  case null = "Null"

  /// Whether the operator can hold for a key of this kind at all: one that never does is a mistake of its writer.
  func fits(_ kind: ConditionKey.Kind) -> Bool {
    switch self {
    case .null: true
    case .bool: kind == .bool
    case .ipAddress, .notIpAddress: kind == .address
    case .arnEquals, .arnNotEquals, .arnLike, .arnNotLike: kind == .arn
    case .stringEquals, .stringNotEquals, .stringEqualsIgnoreCase, .stringNotEqualsIgnoreCase, .stringLike,
      .stringNotLike:
      kind == .text || kind == .arn || kind == .bool
    default: rawValue.hasPrefix("Date") ? kind == .date || kind == .number : kind == .number
    }
  }
}

/// An operator with its values, ready to be held against a request's.
enum ConditionTest: Sendable {
  case text([PolicyText], ignoresCase: Bool, isNegated: Bool)
  case arn([ARNPattern], isNegated: Bool)
  case number([Double], Comparison)
  case bool(Bool)
  case address([AddressBlock], isNegated: Bool)
  case null(Bool)

  enum Comparison: String, Sendable {
    case equal = "Equals"
    case unequal = "NotEquals"
    case less = "LessThan"
    case lessOrEqual = "LessThanEquals"
    case greater = "GreaterThan"
    case greaterOrEqual = "GreaterThanEquals"

    func holds(_ left: Double, _ right: Double) -> Bool {
      switch self {
      case .equal, .unequal: left == right
      case .less: left < right
      case .lessOrEqual: left <= right
      case .greater: left > right
      case .greaterOrEqual: left >= right
      }
    }
  }

  var isNegated: Bool {
    switch self {
    case .text(_, _, let isNegated), .arn(_, let isNegated), .address(_, let isNegated): isNegated
    case .number(_, let comparison): comparison == .unequal
    case .bool, .null: false
    }
  }

  init(_ kind: ConditionOperator, _ reader: PolicyReader, _ version: PolicyDocument.Version) throws(PolicyError) {
    let values = try Self.values(reader)
    let isNegated = kind.rawValue.contains("Not")
    switch kind {
    case .stringEquals, .stringNotEquals, .stringEqualsIgnoreCase, .stringNotEqualsIgnoreCase, .stringLike,
      .stringNotLike:
      let ignoresCase = kind.rawValue.hasSuffix("IgnoreCase")
      let hasWildcards = kind == .stringLike || kind == .stringNotLike
      self = .text(
        try Self.each(values) { text throws(PolicyTextError) in
          try PolicyText(text, hasWildcards: hasWildcards, version)
        }, ignoresCase: ignoresCase, isNegated: isNegated)
    case .arnEquals, .arnNotEquals, .arnLike, .arnNotLike:
      self = .arn(
        try Self.each(values) { text throws(PolicyTextError) in try ARNPattern(text, version) }, isNegated: isNegated)
    case .ipAddress, .notIpAddress:
      self = .address(
        try Self.each(values) { text throws(PolicyTextError) in
          guard let block = AddressBlock(text) else {
            throw PolicyTextError(
              "\"\(text.prefix(60))\" is no address and no block like 192.0.2.0/24 or 2001:db8::/32")
          }
          return block
        }, isNegated: isNegated)
    case .bool, .null:
      guard values.count == 1, let flag = ["true": true, "false": false][values[0].text.lowercased()] else {
        throw reader.failure("one of true and false")
      }
      self = kind == .bool ? .bool(flag) : .null(flag)
    default:
      let isDate = kind.rawValue.hasPrefix("Date")
      guard let comparison = Comparison(rawValue: String(kind.rawValue.dropFirst(isDate ? 4 : 7))) else {
        throw reader.failure("this operator is not known")
      }
      self = .number(
        try Self.each(values) { text throws(PolicyTextError) in
          guard let number = isDate ? PolicyTime.seconds(text) : Double(text), number.isFinite else {
            throw PolicyTextError(
              "\"\(text.prefix(60))\" is no \(isDate ? "time; write 2026-01-31T12:00:00Z or seconds since 1970" : "number")"
            )
          }
          return number
        }, comparison)
    }
  }

  /// Whether one value of a request passes.
  func holds(_ value: String, _ request: AccessRequest) -> Bool {
    switch self {
    case .text(let patterns, let ignoresCase, let isNegated):
      return patterns.contains { pattern in
        guard ignoresCase else { return pattern.matches(value, request) }
        return pattern.wildcards(request).map { Wildcards(tokens: $0.tokens.map(Self.lowercased)) }?
          .matches(value.lowercased()) ?? false
      } != isNegated
    case .arn(let patterns, let isNegated): return patterns.contains { $0.matches(value, request) } != isNegated
    case .number(let numbers, let comparison):
      guard let number = Double(value) else { return false }
      return numbers.contains { comparison.holds(number, $0) } != (comparison == .unequal)
    case .bool(let flag): return value == (flag ? "true" : "false")
    case .address(let blocks, let isNegated):
      // An address that cannot be read is in no block.
      guard let address = AddressBlock(String(value.prefix { $0 != "%" })) else { return isNegated }
      return blocks.contains { $0.contains(address) } != isNegated
    case .null: return false
    }
  }

  private static func lowercased(_ token: Wildcards.Token) -> Wildcards.Token {
    (0x41...0x5a).contains(token) ? token + 0x20 : token
  }

  /// Texts; numbers and booleans count as what they are written like.
  private static func values(_ reader: PolicyReader) throws(PolicyError) -> [(text: String, reader: PolicyReader)] {
    var found: [(text: String, reader: PolicyReader)] = []
    for reader in try reader.list() {
      switch reader.node.value {
      case .string(let text), .number(let text): found.append((text, reader))
      case .bool(let flag): found.append((flag ? "true" : "false", reader))
      default: throw reader.failure("a value is a text, a number, true or false")
      }
    }
    guard !found.isEmpty else { throw reader.failure("the list is empty") }
    return found
  }

  private static func each<Result>(
    _ values: [(text: String, reader: PolicyReader)], _ body: (String) throws(PolicyTextError) -> Result
  ) throws(PolicyError) -> [Result] {
    var results: [Result] = []
    for (text, reader) in values {
      do throws(PolicyTextError) { results.append(try body(text)) } catch { throw reader.failure(error.message) }
    }
    return results
  }
}
