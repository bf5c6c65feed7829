public enum IgnoreFileError: Error, Hashable, Sendable, CustomStringConvertible {
  case emptyException(file: String, line: Int)
  case pattern(file: String, line: Int, GlobError)

  public var description: String {
    switch self {
    case .emptyException(let file, let line): "\(file):\(line): illegal exclusion pattern: \"!\" with nothing after it"
    case .pattern(let file, let line, let error): "\(file):\(line): \(error)"
    }
  }
}

/// A `.dockerignore`: which files of a context are not part of it. The last pattern that matches decides.
/// (moby, patternmatcher)
public struct IgnoreFile: Sendable {
  /// What the patterns said about a directory, for the files below it.
  public struct Parent: Sendable {
    fileprivate var matched: [Bool] = []
    public init() {}
  }

  private struct Pattern: Sendable {
    enum Form { case exact, prefix, suffix, glob(Glob) }

    var form: Form
    /// Without the stars of a prefix or suffix.
    var text: String
    var isException: Bool

    func matches(_ path: String) -> Bool {
      switch form {
      // By bytes: names that only look the same are different files.
      case .exact: path.utf8.elementsEqual(text.utf8)
      case .prefix: path.utf8.starts(with: text.utf8)
      case .suffix:
        path.utf8.reversed().starts(with: text.utf8.reversed())
          || (text.utf8.first == UInt8(ascii: "/") && path.utf8.elementsEqual(text.utf8.dropFirst()))
      case .glob(let glob): glob.matches(path)
      }
    }
  }

  private let patterns: [Pattern]
  /// Some pattern begins with `!`: something below an ignored directory may still be part of the context.
  public let hasExceptions: Bool

  public init() {
    patterns = []
    hasExceptions = false
  }

  public init(parsing text: String, file: String) throws(IgnoreFileError) {
    var patterns: [Pattern] = []
    var rest = text[...].utf8
    if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
    for (index, line) in rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      // Only at the very beginning of a line does # begin a comment.
      if line.first == UInt8(ascii: "#") { continue }
      var pattern = trimmed(line)
      if pattern.isEmpty { continue }
      let isException = pattern.first == UInt8(ascii: "!")
      if isException { pattern = trimmed(pattern.dropFirst()) }
      guard !pattern.isEmpty else { throw .emptyException(file: file, line: index + 1) }
      var path = cleanPath(String(decoding: pattern, as: UTF8.self))
      if path.utf8.count > 1, path.utf8.first == UInt8(ascii: "/") { path.removeFirst() }
      do { patterns.append(try Self.compile(path, isException)) } catch {
        throw .pattern(file: file, line: index + 1, error)
      }
    }
    self.patterns = patterns
    hasExceptions = patterns.contains { $0.isException }
  }

  public var isEmpty: Bool { patterns.isEmpty }

  private static func compile(_ path: String, _ isException: Bool) throws(GlobError) -> Pattern {
    // The rest of a pattern that only begins or ends with ** is compared as it stands: `**x` ends with x.
    let bytes = path.utf8
    let isPlain = { (part: Substring) in !part.utf8.contains { Array("*?[]\\".utf8).contains($0) } }
    if bytes.starts(with: "**".utf8), isPlain(path.dropFirst(2)) {
      return Pattern(form: .suffix, text: String(path.dropFirst(2)), isException: isException)
    }
    if path.hasSuffix("**"), isPlain(path.dropLast(2)) {
      return Pattern(form: .prefix, text: String(path.dropLast(2)), isException: isException)
    }
    if isPlain(path[...]) { return Pattern(form: .exact, text: path, isException: isException) }
    return Pattern(form: .glob(try Glob(path, crossesDirectories: true)), text: path, isException: isException)
  }

  /// Whether a path, relative to the context, is ignored. A pattern that matches a directory matches all below it.
  ///
  /// - Parameter parent: of the directory that it is in, from the call before; a new one at the top.
  public func ignores(_ path: String, parent: Parent) -> (ignored: Bool, info: Parent) {
    var ignored = false
    var info = Parent()
    info.matched = [Bool](repeating: false, count: patterns.count)
    for (index, pattern) in patterns.enumerated() {
      var matches = !parent.matched.isEmpty && parent.matched[index]
      if !matches {
        // Only what can change the answer is looked at.
        if pattern.isException != ignored { continue }
        matches = pattern.matches(path)
      }
      info.matched[index] = matches
      if matches { ignored = !pattern.isException }
    }
    return (ignored, info)
  }

  /// The same for a path alone, its directories looked at from the top.
  public func ignores(_ path: String) -> Bool {
    var parent = Parent()
    var ignored = false
    var prefix = ""
    for part in path.utf8.split(separator: UInt8(ascii: "/")) {
      prefix += (prefix.isEmpty ? "" : "/") + String(decoding: part, as: UTF8.self)
      (ignored, parent) = ignores(prefix, parent: parent)
    }
    return ignored
  }
}
