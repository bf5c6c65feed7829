/// How bad a vulnerability is, in ECR's words. (botocore, ecr, FindingSeverity)
public enum Severity: String, Hashable, Sendable, Codable, CaseIterable, Comparable {
  case undefined = "UNDEFINED"
  case informational = "INFORMATIONAL"
  case low = "LOW"
  case medium = "MEDIUM"
  case high = "HIGH"
  case critical = "CRITICAL"

  private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

  public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

  /// The ratings of CVSS. (CVSS v4.0 specification, 6; v2 knows nothing above high)
  public init(score: Double, version: CVSS.Version) {
    switch score {
    case ..<0.1: self = .informational
    case ..<4: self = .low
    case ..<7: self = .medium
    case ..<9: self = .high
    default: self = version == .v2 ? .high : .critical
    }
  }

  /// What distributors and GitHub call it; nil for words that rate nothing.
  init?(word: String) {
    switch word.lowercased() {
    case "critical": self = .critical
    case "high", "important": self = .high
    case "medium", "moderate": self = .medium
    case "low": self = .low
    case "negligible", "unimportant", "none": self = .informational
    default: return nil
    }
  }
}
