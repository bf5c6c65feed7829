/// Why a text is no lifecycle policy. The descriptions have the form of ECR's own, whose clients look for it.
public enum PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Characters of the text.
  case length(Int)
  case notJSON
  case missing([String])
  case unknown([String])
  case wrongType(found: String, allowed: String)
  case notInEnumeration(String, allowed: [String])
  case tooSmall(minimum: Int, found: Int)
  case tooLarge(maximum: Int, found: Int)
  case tooFew(minimum: Int, found: Int)
  case tooMany(maximum: Int, found: Int)
  /// The members of an object do not go together.
  case mismatch(String)

  public var description: String {
    switch self {
    case .length:
      "must have length greater than or equal to \(LifecyclePolicy.lengths.lowerBound) and less than or equal to "
        + "\(LifecyclePolicy.lengths.upperBound)"
    default: "Lifecycle policy validation failure: \(failure)"
    }
  }

  private var failure: String {
    switch self {
    case .length(let found): "a text of \(found) characters"
    case .notJSON: "Could not map policyString into LifecyclePolicy."
    case .missing(let names): "object has missing required properties (\(Self.list(names)))"
    case .unknown(let names):
      "object instance has properties which are not allowed by the schema: \(Self.list(names))"
    case .wrongType(let found, let allowed):
      "instance type (\(found)) does not match any allowed primitive type (allowed: \(Self.list([allowed])))"
    case .notInEnumeration(let value, let allowed):
      "instance value (\"\(value.prefix(80))\") not found in enum (possible values: \(Self.list(allowed)))"
    case .tooSmall(let minimum, let found):
      "numeric instance is lower than the required minimum (minimum: \(minimum), found: \(found))"
    case .tooLarge(let maximum, let found):
      "numeric instance is greater than the required maximum (maximum: \(maximum), found: \(found))"
    case .tooFew(let minimum, let found):
      "array is too short: must have at least \(minimum) elements but instance has \(found) elements"
    case .tooMany(let maximum, let found):
      "array is too long: must have at most \(maximum) elements but instance has \(found) elements"
    case .mismatch(let why): why
    }
  }

  private static func list(_ names: [String]) -> String {
    "[" + names.map { "\"\($0.prefix(80))\"" }.joined(separator: ",") + "]"
  }
}
