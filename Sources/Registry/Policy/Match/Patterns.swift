/// Action or NotAction: `ecr:Get*`. Case does not count.
struct ActionPattern: Hashable, Sendable {
  private let isNegated: Bool
  private let patterns: [Wildcards]

  init(_ reader: PolicyReader, isNegated: Bool) throws(PolicyError) {
    var patterns: [Wildcards] = []
    for (text, reader) in try reader.strings() {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      let isService = parts.count == 2 && !parts[0].isEmpty && parts[0].utf8.allSatisfy(Self.isLetter)
      guard text == "*" || (isService && !parts[1].isEmpty && parts[1].utf8.allSatisfy(Self.isOfName)) else {
        throw reader.failure(
          "\"\(text.prefix(80))\" is no action; write <service>:<action>, like ecr:GetDownloadUrlForLayer")
      }
      patterns.append(Wildcards(text.lowercased()))
    }
    self.patterns = patterns
    self.isNegated = isNegated
  }

  init(_ patterns: [String]) {
    isNegated = false
    self.patterns = patterns.map { Wildcards($0.lowercased()) }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  private static func isOfName(_ byte: UInt8) -> Bool {
    isLetter(byte) || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?")
  }

  func matches(_ action: ActionName) -> Bool { patterns.contains { $0.matches(action.lowercased) } != isNegated }

  /// Whether each pattern matches one of the actions; what is meant by leaving some out always does.
  func isWithin(_ actions: [ActionName]) -> Bool {
    isNegated || patterns.allSatisfy { pattern in actions.contains { pattern.matches($0.lowercased) } }
  }
}

/// Resource or NotResource: `*`, or ARNs.
struct ResourcePattern: Hashable, Sendable {
  private let isNegated: Bool
  /// nil for `*`.
  private let patterns: [ARNPattern?]

  init(_ reader: PolicyReader, isNegated: Bool, _ version: PolicyDocument.Version) throws(PolicyError) {
    var patterns: [ARNPattern?] = []
    for (text, reader) in try reader.strings() {
      do throws(PolicyTextError) { patterns.append(text == "*" ? nil : try ARNPattern(text, version)) } catch {
        throw reader.failure(error.message)
      }
    }
    self.patterns = patterns
    self.isNegated = isNegated
  }

  private init(_ patterns: [ARNPattern?]) {
    isNegated = false
    self.patterns = patterns
  }

  static let everything = ResourcePattern([nil])

  func matches(_ request: AccessRequest) -> Bool {
    patterns.contains { $0?.matches(request.resource, request) ?? true } != isNegated
  }
}

/// Principal or NotPrincipal. (IAM, AWS JSON policy elements: Principal)
struct PrincipalPattern: Hashable, Sendable {
  private let isNegated: Bool
  private var isEverybody = false
  private var accounts = Set<String>()
  private var arns = Set<String>()

  private init(isEverybody: Bool) {
    isNegated = false
    self.isEverybody = isEverybody
  }

  static let everybody = PrincipalPattern(isEverybody: true)

  init(_ reader: PolicyReader, isNegated: Bool) throws(PolicyError) {
    self.isNegated = isNegated
    if case .string(let text) = reader.node.value {
      guard text == "*" else {
        throw reader.failure("a principal is \"*\" or an object like {\"AWS\": \"123456789012\"}")
      }
      isEverybody = true
    } else {
      let kinds = try reader.members()
      guard !kinds.isEmpty else { throw reader.failure("the principal is empty") }
      for (kind, reader) in kinds {
        switch kind {
        case "AWS": for (text, reader) in try reader.strings() { try insert(text, reader) }
        // No service of AWS calls a registry that is not AWS's: these match nobody, as they match no user there.
        case "Service": for (text, reader) in try reader.strings() { try Self.checkService(text, reader) }
        default:
          throw reader.failure(
            "principals of the kind \"\(kind.prefix(40))\" do not exist here; AWS and Service are taken")
        }
      }
    }
    guard !(isNegated && isEverybody) else { throw reader.failure("NotPrincipal \"*\" is nobody") }
  }

  private mutating func insert(_ text: String, _ reader: PolicyReader) throws(PolicyError) {
    if text == "*" {
      isEverybody = true
      return
    }
    if Self.isAccount(text) {
      accounts.insert(text)
      return
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0] == "arn", parts[2] == "iam" || parts[2] == "sts", Self.isAccount(parts[4]),
      !parts[5].isEmpty
    else {
      throw reader.failure(
        "\"\(text.prefix(160))\" is no principal: an account's twelve digits, or the ARN of an account, user or role")
    }
    guard !text.contains("*"), !text.contains("?") else {
      throw reader.failure(
        "wildcards match no part of a principal's name; use a condition, ArnLike with aws:PrincipalArn")
    }
    if parts[5] == "root" { accounts.insert(String(parts[4])) } else { arns.insert(text) }
  }

  private static func isAccount(_ text: some StringProtocol) -> Bool {
    text.utf8.count == 12 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
  }

  private static func checkService(_ text: String, _ reader: PolicyReader) throws(PolicyError) {
    guard text.hasSuffix(".amazonaws.com") || text.hasSuffix(".amazonaws.com.cn") else {
      throw reader.failure("\"\(text.prefix(80))\" is no service; write ecs.amazonaws.com")
    }
  }

  func reach(_ principal: AccessPrincipal) -> Statement.Reach {
    var reach = Statement.Reach.none
    if isEverybody || (principal.arn.map(arns.contains) ?? false) {
      reach = .principal
    } else if let account = principal.account, accounts.contains(account) {
      reach = .account
    }
    guard isNegated else { return reach }
    return reach == .none ? .principal : .none
  }
}
