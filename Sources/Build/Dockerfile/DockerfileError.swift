/// Where something stands in a Dockerfile: lines count from 1.
public struct SourceRange: Hashable, Sendable, CustomStringConvertible {
  /// The file's name as a person gave it.
  public var file: String
  public var firstLine: Int
  public var lastLine: Int

  public init(file: String, firstLine: Int, lastLine: Int) {
    self.file = file
    self.firstLine = firstLine
    self.lastLine = lastLine
  }

  /// `file:line`
  public var description: String { "\(file):\(firstLine)" }
}

/// What is wrong with a Dockerfile, and where.
public struct DockerfileError: Error, Hashable, Sendable, CustomStringConvertible {
  public enum Problem: Hashable, Sendable {
    case unknownInstruction(String, nearest: String?)
    case unknownFlag(instruction: String, flag: String, nearest: String?)
    /// Part of Docker's Dockerfile that Clipper does not build.
    case unsupported(String)
    case malformed(String)
    case expansion(ExpansionError)
    case unknownStage(String, nearest: String?)
  }

  /// nil for the file as a whole.
  public var location: SourceRange?
  public var problem: Problem

  public init(_ problem: Problem, at location: SourceRange?) {
    self.problem = problem
    self.location = location
  }

  public var description: String { (location.map { "\($0): " } ?? "") + message }

  private var message: String {
    switch problem {
    case .unknownInstruction(let name, let nearest):
      "unknown instruction: \(name.prefix(60))" + (nearest.map { " (did you mean \($0)?)" } ?? "")
    case .unknownFlag(let instruction, let flag, let nearest):
      "unknown flag of \(instruction): --\(flag.prefix(60))" + (nearest.map { " (did you mean --\($0)?)" } ?? "")
    case .unsupported(let what): "\(what) is not supported by clipper build"
    case .malformed(let what): what
    case .expansion(let error): error.description
    case .unknownStage(let name, let nearest):
      "no stage named \"\(name.prefix(100))\"" + (nearest.map { " (did you mean \($0)?)" } ?? "")
    }
  }
}

/// What is wrong with a `$` in a Dockerfile.
public enum ExpansionError: Error, Hashable, Sendable, CustomStringConvertible {
  case unterminated(quote: Character)
  case missingBrace
  case missingSlash
  case badSubstitution
  case unsupportedModifier(String)
  case invalidPattern(String, escape: String)
  /// `${name:?message}` or `${name?message}` of a variable that is unset or empty.
  case required(name: String, message: String)
  case tooLong
  case tooDeep

  public var description: String {
    switch self {
    case .unterminated(let quote): "a quote (\(quote)) is not closed"
    case .missingBrace: "syntax error: missing '}'"
    case .missingSlash: "syntax error: missing '/' in ${}"
    case .badSubstitution: "syntax error: bad substitution"
    case .unsupportedModifier(let modifier): "unsupported modifier (\(modifier)) in substitution"
    case .invalidPattern(let pattern, let escape): "invalid pattern (\(pattern)) in substitution: invalid escape '\\\(escape)'"
    case .required(let name, let message): "\(name): \(message)"
    case .tooLong: "a value is longer than 1 MiB after its variables were filled in"
    case .tooDeep: "more than 100 substitutions inside each other"
    }
  }
}
