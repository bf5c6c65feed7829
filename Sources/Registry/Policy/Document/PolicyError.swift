/// Why a text is not a policy: where, and what is wrong there.
public struct PolicyError: Error, Hashable, Sendable, CustomStringConvertible {
  /// From 1.
  public let line: Int
  /// `Statement[0].Condition.StringLike`; empty for the text as a whole.
  public let path: String
  public let message: String

  init(line: Int, path: String, _ message: String) {
    self.line = line
    self.path = path
    self.message = message
  }

  public var description: String { "line \(line)\(path.isEmpty ? "" : ", \(path)"): \(message)" }
}
