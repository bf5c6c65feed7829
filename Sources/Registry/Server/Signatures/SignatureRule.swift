public import Signatures

/// What images of some repositories must be signed with. All rules that a repository falls under must hold.
public struct SignatureRule: Hashable, Sendable, Codable {
  /// When a rule is looked at.
  public enum Stage: String, Hashable, Sendable, Codable, CaseIterable {
    /// A tag is pointed at an image.
    case push
    /// A manifest is fetched.
    case pull
  }

  public enum Mode: String, Hashable, Sendable, Codable, CaseIterable {
    /// What does not hold is refused.
    case enforce
    /// It is let through, with a `Warning` that clients show and a line in the log.
    case warn
  }

  public struct Key: Hashable, Sendable, Codable {
    public let name: String
    public let pem: String

    public init(name: String, pem: String) {
      self.name = name
      self.pem = pem
    }
  }

  /// Patterns of repositories' names, with `*` for any characters.
  public var repositories: [String]
  public var keys: [Key]
  /// How many of the keys must have signed.
  public var required: Int
  /// Patterns of tags that may be on images without signatures: those that wait for one.
  public var exemptTags: [String]
  public var stages: Set<Stage>
  public var mode: Mode

  public init(
    repositories: [String], keys: [Key], required: Int = 1, exemptTags: [String] = [],
    stages: Set<Stage> = Set(Stage.allCases), mode: Mode = .enforce
  ) {
    self.repositories = repositories
    self.keys = keys
    self.required = required
    self.exemptTags = exemptTags
    self.stages = stages
    self.mode = mode
  }

  /// The keys, parsed. Throws `SignatureRuleError` for a rule that could not be meant.
  public func checked() throws -> [VerificationKey] {
    guard !repositories.isEmpty else { throw SignatureRuleError.noRepositories }
    guard (1...100).contains(keys.count) else { throw SignatureRuleError.keyCount(keys.count) }
    guard (1...keys.count).contains(required) else { throw SignatureRuleError.required(required, keys: keys.count) }
    guard !stages.isEmpty else { throw SignatureRuleError.noStages }
    let patterns = repositories + exemptTags
    guard patterns.count <= 100, patterns.allSatisfy({ (1...255).contains($0.utf8.count) }) else {
      throw SignatureRuleError.patterns
    }
    let parsed = try keys.map { key in
      do throws(SignatureError) { return try VerificationKey(pem: key.pem) } catch { throw SignatureRuleError.key(key.name, error) }
    }
    // One key under two names would count twice.
    guard Set(parsed).count == parsed.count, Set(keys.map(\.name)).count == keys.count else {
      throw SignatureRuleError.keyTwice
    }
    return parsed
  }

  func covers(_ repository: String) -> Bool { Self.matches(repository, repositories) }
  func exempts(_ tag: String) -> Bool { Self.matches(tag, exemptTags) }

  private static func matches(_ text: String, _ patterns: [String]) -> Bool {
    patterns.contains { TagMutability.matches(Array(text.utf8), pattern: Array($0.utf8)) }
  }
}

public enum SignatureRuleError: Error, Hashable, Sendable, CustomStringConvertible {
  case noRepositories
  case keyCount(Int)
  case required(Int, keys: Int)
  case noStages
  case patterns
  case key(String, SignatureError)
  case keyTwice

  public var description: String {
    switch self {
    case .noRepositories: "a signature policy names the repositories that it is for"
    case .keyCount(let count): "a signature policy has 1 to 100 keys, not \(count)"
    case .required(let required, let keys): "\(required) of \(keys) keys cannot be required"
    case .noStages: "a signature policy holds at push, at pull or at both"
    case .patterns: "a signature policy has at most 100 patterns of 1 to 255 bytes"
    case .key(let name, let error): "the key \"\(name.prefix(80))\": \(error)"
    case .keyTwice: "two keys of a signature policy are the same, or have the same name"
    }
  }
}
