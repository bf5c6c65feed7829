/// One instruction as text: continued lines joined, comments left out, with the heredocs that follow it.
struct LogicalLine {
  var text: String
  var location: SourceRange
  var heredocs: [Heredoc] = []
}

/// Cuts a Dockerfile into instructions. (Dockerfile reference, Format)
struct LineReader {
  private let file: String
  /// Each with its newline.
  private let lines: [Substring.UTF8View]
  private var index = 0
  private(set) var directives = Directives()

  init(_ text: String, file: String) {
    self.file = file
    var lines: [Substring.UTF8View] = []
    var rest = text[...].utf8
    if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
    while !rest.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n")).map { rest.index(after: $0) } ?? rest.endIndex
      lines.append(rest[..<end])
      rest = rest[end...]
    }
    self.lines = lines
  }

  mutating func readAll() throws(DockerfileError) -> [LogicalLine] {
    try readDirectives()
    var result: [LogicalLine] = []
    while let line = try readLine() { result.append(line) }
    return result
  }

  private mutating func readDirectives() throws(DockerfileError) {
    while index < lines.count {
      let location = SourceRange(file: file, firstLine: index + 1, lastLine: index + 1)
      guard try directives.read(trimmed(lines[index]), at: location) else { return }
      index += 1
    }
  }

  private mutating func readLine() throws(DockerfileError) -> LogicalLine? {
    while index < lines.count {
      let first = index + 1
      let start = withoutNewline(lines[index]).drop(while: isSpace)
      index += 1
      if start.isEmpty || start.first == UInt8(ascii: "#") { continue }
      var (text, isComplete) = continuation(start)
      while !isComplete, index < lines.count {
        let next = withoutNewline(lines[index])
        index += 1
        let content = next.drop(while: isSpace)
        // Comments and empty lines inside of a continued instruction do not end it.
        if content.isEmpty || content.first == UInt8(ascii: "#") { continue }
        let (more, ends) = continuation(next)
        text += more
        isComplete = ends
      }
      if trimmed(text).isEmpty { continue }
      var line = LogicalLine(text: text, location: SourceRange(file: file, firstLine: first, lastLine: index))
      if InstructionParser.takesHeredocs(text) {
        for heredoc in Heredoc.announced(in: text) { line.heredocs.append(try content(of: heredoc, line.location)) }
        line.location.lastLine = index
      }
      return line
    }
    return nil
  }

  private mutating func content(of heredoc: Heredoc, _ location: SourceRange) throws(DockerfileError) -> Heredoc {
    var heredoc = heredoc
    let name = Array(heredoc.name.utf8)
    var content: [UInt8] = []
    while index < lines.count {
      let line = lines[index]
      index += 1
      var candidate = withoutNewline(line)
      if heredoc.stripsTabs { candidate = candidate.drop { $0 == UInt8(ascii: "\t") } }
      if candidate.elementsEqual(name) {
        heredoc.content = String(decoding: content, as: UTF8.self)
        return heredoc
      }
      content += line
    }
    throw DockerfileError(.malformed("the heredoc \(heredoc.name) is not ended: no line is only its name"), at: location)
  }

  /// The line without an escape at its end, and whether it is the last one. Two escapes are a plain one.
  private func continuation(_ line: Substring.UTF8View) -> (text: String, isComplete: Bool) {
    var end = line
    while let last = end.last, last == 0x20 || last == 0x09 { end = end.dropLast() }
    guard end.last == directives.escape, end.dropLast().last != directives.escape else {
      return (String(decoding: line, as: UTF8.self), true)
    }
    return (String(decoding: end.dropLast(), as: UTF8.self), false)
  }

  private func withoutNewline(_ line: Substring.UTF8View) -> Substring.UTF8View {
    var line = line
    while let last = line.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { line = line.dropLast() }
    return line
  }
}
