public import ImageSpec
public import Lifecycle

/// A repository and its settings.
public struct Repository: Hashable, Sendable {
  public let id: Int64
  public let name: String
  /// Milliseconds since 1970.
  public let created: Int64
  public var mutability: TagMutability
  /// ECR's resource tags.
  public var labels: [String: String]
}

/// Whether a tag may be pointed at another image.
public struct TagMutability: Hashable, Sendable, Codable {
  public enum Rule: String, Hashable, Sendable, CaseIterable, Codable {
    case mutable = "MUTABLE"
    case immutable = "IMMUTABLE"
    case mutableExcept = "MUTABLE_WITH_EXCLUSION"
    case immutableExcept = "IMMUTABLE_WITH_EXCLUSION"

    public var hasExclusions: Bool { self == .mutableExcept || self == .immutableExcept }
  }

  public var rule: Rule
  /// Patterns of tags with `*` for any characters, to which the opposite applies.
  public var exclusions: [String]

  public init(_ rule: Rule = .mutable, exclusions: [String] = []) {
    self.rule = rule
    self.exclusions = exclusions
  }

  public func isImmutable(_ tag: String) -> Bool {
    let isExcluded = exclusions.contains { Self.matches(Array(tag.utf8), pattern: Array($0.utf8)) }
    return switch rule {
    case .mutable: false
    case .immutable: true
    case .mutableExcept: isExcluded
    case .immutableExcept: !isExcluded
    }
  }

  /// Time grows with the product of the lengths at most: a hostile pattern costs nothing.
  static func matches(_ text: [UInt8], pattern: [UInt8]) -> Bool {
    var textIndex = 0, patternIndex = 0
    var star: (pattern: Int, text: Int)?
    while textIndex < text.count {
      if patternIndex < pattern.count, pattern[patternIndex] == UInt8(ascii: "*") {
        star = (patternIndex, textIndex)
        patternIndex += 1
      } else if patternIndex < pattern.count, pattern[patternIndex] == text[textIndex] {
        patternIndex += 1
        textIndex += 1
      } else if let (lastStar, lastText) = star {
        patternIndex = lastStar + 1
        textIndex = lastText + 1
        star = (lastStar, lastText + 1)
      } else {
        return false
      }
    }
    return pattern[patternIndex...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}

/// A manifest of one repository, as the database knows it.
public struct StoredManifest: Hashable, Sendable {
  /// Grows in push order.
  public let id: Int64
  public let digest: Digest
  public let mediaType: MediaType
  /// Bytes of the manifest itself.
  public let size: Int64
  public let artifactType: String?
  public let subject: Digest?
  public let annotations: [String: String]?
  /// Bytes of all that it names (of the largest image where it is an index).
  public let contentSize: Int64
  /// Milliseconds since 1970.
  public let pushed: Int64
  public let pulled: Int64?
  public let storageClass: StorageClass
  /// When it was last archived; nil where it never was.
  public let archived: Int64?
  /// When it was last restored; nil where it never was.
  public let activated: Int64?
  /// In order; empty where they were not asked for.
  public var tags: [String]
}

/// A manifest with its bytes, ready to be sent.
public struct ManifestContent: Sendable {
  public let digest: Digest
  public let mediaType: MediaType
  public let bytes: [UInt8]
}

/// What became of a pushed manifest.
public struct PutResult: Sendable {
  public let digest: Digest
  public let mediaType: MediaType
  public let subject: Digest?
  /// False where the repository had this manifest already.
  public let isNew: Bool
  /// False where every tag pointed at it already (or none was given).
  public let tagsChanged: Bool
  /// The repository had it in its archive.
  public let isRestored: Bool
  /// What a person should know although it was done.
  public var warnings: [String] = []
}
