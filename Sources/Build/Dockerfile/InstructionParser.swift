/// Reads one instruction.
struct InstructionParser {
  enum Parsed {
    case from(base: String, name: String?, platform: String?)
    case instruction(Instruction)
  }

  static let names = [
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
  ]

  private let line: LogicalLine
  private let escape: UInt8
  private let name: String
  private var flags: Flags
  /// What follows the flags.
  private let arguments: Substring.UTF8View

  init(_ line: LogicalLine, escape: UInt8) throws(DockerfileError) {
    self.line = line
    self.escape = escape
    let text = trimmed(line.text[...].utf8)
    let word = text.prefix { !isSpace($0) }
    let written = String(decoding: word, as: UTF8.self)
    name = written.uppercased()
    guard Self.names.contains(name) else {
      throw DockerfileError(.unknownInstruction(written, nearest: nearestName(name, Self.names)), at: line.location)
    }
    var rest = text[word.endIndex...].drop(while: isSpace)
    flags = try Flags(&rest, instruction: name, at: line.location)
    arguments = rest
  }

  /// Whether `<<` in this line announces a heredoc: RUN, COPY and ADD, not in JSON form, also under ONBUILD.
  static func takesHeredocs(_ text: String) -> Bool {
    var words = text.utf8.split(maxSplits: 2, omittingEmptySubsequences: true, whereSeparator: isSpace)
    if words.count > 1, String(decoding: words[0], as: UTF8.self).uppercased() == "ONBUILD" { words.removeFirst() }
    guard let first = words.first, ["RUN", "COPY", "ADD"].contains(String(decoding: first, as: UTF8.self).uppercased()) else {
      return false
    }
    guard words.count > 1 else { return false }
    var rest = text.utf8[words[1].startIndex...]
    guard (try? Flags(&rest, instruction: "", at: SourceRange(file: "", firstLine: 0, lastLine: 0))) != nil else { return true }
    if case .strings = StringArray.parse(String(decoding: rest, as: UTF8.self)) { return false }
    return true
  }

  func parse() throws(DockerfileError) -> Parsed {
    if name == "FROM" { return try from() }
    return .instruction(
      Instruction(kind: try kind(), text: trimmed(line.text), location: line.location, escape: escape))
  }

  private func kind() throws(DockerfileError) -> Instruction.Kind {
    switch name {
    case "RUN": return try run()
    case "COPY", "ADD": return try copy()
    case "HEALTHCHECK": return .healthcheck(try healthcheck())
    case "ONBUILD": return try onBuild()
    default: try flags.check(known: [])
    }
    switch name {
    case "ARG": return .arg(try argumentDeclarations())
    case "ENV": return .env(try keyValues())
    case "LABEL": return .label(try keyValues())
    case "WORKDIR": return .workdir(try oneArgument())
    case "USER": return .user(try oneArgument())
    case "STOPSIGNAL": return .stopSignal(try oneArgument())
    case "MAINTAINER": return .maintainer(try oneArgument())
    case "ENTRYPOINT": return .entrypoint(try commandLine(arguments))
    case "CMD": return .cmd(try commandLine(arguments))
    case "EXPOSE": return .expose(try atLeastOne(WordSplitter.plain(arguments)))
    case "VOLUME":
      let volumes = try atLeastOne(list())
      guard volumes.allSatisfy({ !$0.isEmpty }) else { throw malformed("VOLUME specified can not be an empty string") }
      return .volume(volumes)
    default:
      guard case .exec(let shell) = try commandLine(arguments) else {
        throw malformed("SHELL requires the arguments to be in JSON form: SHELL [\"/bin/sh\", \"-c\"]")
      }
      guard !shell.isEmpty else { throw malformed("SHELL requires at least one argument") }
      return .shell(shell)
    }
  }

  // MARK: - Instructions of their own form

  private func from() throws(DockerfileError) -> Parsed {
    let words = WordSplitter.plain(arguments)
    try flags.check(known: ["platform"])
    var stage: String?
    if words.count == 3, words[1].lowercased() == "as" {
      stage = words[2].lowercased()
      guard let first = stage?.utf8.first, isLetter(first),
        stage?.utf8.allSatisfy({ isLetter($0) || isDigit($0) || Array("-_.".utf8).contains($0) }) == true
      else {
        throw malformed("invalid name for build stage: \"\(words[2])\": it begins with a letter; letters, digits, - _ . follow")
      }
    } else if words.count != 1 {
      throw malformed("FROM requires either one or three arguments: FROM image, or FROM image AS name")
    }
    return .from(base: words[0], name: stage, platform: try flags.string("platform"))
  }

  private func run() throws(DockerfileError) -> Instruction.Kind {
    try flags.check(known: ["network"], unsupported: ["mount", "security", "device"])
    var network = RunInstruction.Network.default
    if let name = try flags.string("network") {
      guard let known = RunInstruction.Network(rawValue: name) else {
        throw malformed("RUN --network is default, none or host, not \"\(name)\"")
      }
      network = known
    }
    let command = try commandLine(arguments)
    if case .shell("") = command { throw malformed("RUN requires at least one argument") }
    if case .exec([]) = command { throw malformed("RUN requires at least one argument") }
    return .run(RunInstruction(body: body(command), network: network))
  }

  /// A heredoc alone is a script; one that is part of a command is the shell's to read.
  private func body(_ command: CommandLine) -> RunInstruction.Body {
    guard case .shell(let text) = command, let first = line.heredocs.first else { return .command(command) }
    if line.heredocs.count == 1, Heredoc(word: text) != nil {
      if first.content.utf8.starts(with: "#!".utf8) { return .script(name: first.name, content: first.text) }
      return .command(.shell(first.text))
    }
    return .command(.shell(line.heredocs.reduce(text) { $0 + "\n" + $1.content + $1.name }))
  }

  private func copy() throws(DockerfileError) -> Instruction.Kind {
    let isAdd = name == "ADD"
    try flags.check(
      known: isAdd ? ["chown", "chmod", "checksum", "unpack"] : ["from", "chown", "chmod"],
      unsupported: isAdd ? ["link", "keep-git-dir", "exclude"] : ["link", "parents", "exclude"])
    let words = try list()
    guard words.count >= 2, let destination = words.last else {
      throw malformed("\(name) requires at least two arguments: the sources and the destination")
    }
    guard Heredoc(word: destination) == nil || line.heredocs.isEmpty else {
      throw malformed("\(name) cannot accept a heredoc as a destination")
    }
    var sources: [String] = []
    var files: [Heredoc] = []
    for word in words.dropLast() {
      if let announced = Heredoc(word: word), let heredoc = line.heredocs.last(where: { $0.name == announced.name }) {
        files.append(heredoc)
      } else {
        sources.append(word)
      }
    }
    let from = try flags.string("from")
    if let from {
      guard !from.isEmpty else { throw malformed("COPY --from needs a stage or an image") }
      guard !from.utf8.contains(UInt8(ascii: "$")) else {
        throw malformed(
          "COPY --from=\(from): variables are not filled in here; name a stage: FROM \(from) AS name, COPY --from=name")
      }
    }
    let parsed = CopyInstruction(
      sources: sources, files: files, destination: destination, from: from, chown: try flags.string("chown"),
      chmod: try flags.string("chmod"), checksum: isAdd ? try flags.string("checksum") : nil,
      unpack: isAdd ? try flags.bool("unpack") : nil)
    return isAdd ? .add(parsed) : .copy(parsed)
  }

  private func healthcheck() throws(DockerfileError) -> HealthcheckInstruction? {
    let word = arguments.prefix { !isSpace($0) }
    let rest = arguments[word.endIndex...].drop(while: isSpace)
    switch String(decoding: word, as: UTF8.self).uppercased() {
    case "":
      throw malformed("HEALTHCHECK requires at least one argument: CMD command, or NONE")
    case "NONE":
      try flags.check(known: [])
      guard rest.isEmpty else { throw malformed("HEALTHCHECK NONE takes no arguments") }
      return nil
    case "CMD":
      try flags.check(known: ["interval", "timeout", "start-period", "start-interval", "retries"])
      let command = try commandLine(rest)
      guard command != .shell(""), command != .exec([]) else { throw malformed("Missing command after HEALTHCHECK CMD") }
      var check = HealthcheckInstruction(command: command)
      check.interval = try duration("interval")
      check.timeout = try duration("timeout")
      check.startPeriod = try duration("start-period")
      check.startInterval = try duration("start-interval")
      if let text = try flags.string("retries") {
        guard let retries = Int32(text), retries >= 0 else {
          throw malformed("HEALTHCHECK --retries is a number from 0 on, not \"\(text)\"")
        }
        check.retries = Int(retries)
      }
      return check
    case let other:
      throw malformed("Unknown type \"\(other)\" in HEALTHCHECK (try CMD)")
    }
  }

  private func duration(_ flag: String) throws(DockerfileError) -> Int64 {
    guard let text = try flags.string(flag) else { return 0 }
    guard let value = parseDuration(text), value == 0 || value >= 1_000_000 else {
      throw malformed("HEALTHCHECK --\(flag) is a duration of at least 1ms such as 30s or 1m30s, not \"\(text)\"")
    }
    return value
  }

  private func onBuild() throws(DockerfileError) -> Instruction.Kind {
    try flags.check(known: [])
    let text = String(decoding: arguments, as: UTF8.self)
    let trigger = text.utf8.prefix { !isSpace($0) }
    switch String(decoding: trigger, as: UTF8.self).uppercased() {
    case "": throw malformed("ONBUILD requires at least one argument")
    case "ONBUILD": throw malformed("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    case let name where name == "MAINTAINER" || name == "FROM": throw malformed("\(name) isn't allowed as an ONBUILD trigger")
    default: break
    }
    // What is wrong with the trigger is said now, not in somebody's later build.
    _ = try InstructionParser(LogicalLine(text: text, location: line.location, heredocs: line.heredocs), escape: escape).parse()
    return .onBuild(trigger: line.heredocs.reduce(text) { $0 + "\n" + $1.content + $1.name })
  }

  // MARK: - Forms that instructions share

  private func commandLine(_ text: Substring.UTF8View) throws(DockerfileError) -> CommandLine {
    let text = String(decoding: text, as: UTF8.self)
    switch StringArray.parse(text) {
    case .strings(let strings): return .exec(strings)
    case .notStrings: throw malformed("when using JSON array syntax, arrays must be comprised of strings only")
    case .text: return .shell(text)
    }
  }

  private func list() throws(DockerfileError) -> [String] {
    switch try commandLine(arguments) {
    case .exec(let strings): strings
    case .shell: WordSplitter.plain(arguments)
    }
  }

  private func keyValues() throws(DockerfileError) -> [KeyValue] {
    let words = try atLeastOne(WordSplitter.quoted(arguments, escape: escape))
    let equals = UInt8(ascii: "=")
    // The old form: a name, a space, and all the rest is the value.
    if !words[0].utf8.contains(equals) {
      let key = arguments.prefix { !isSpace($0) }
      let value = arguments[key.endIndex...].drop(while: isSpace)
      guard !value.isEmpty else { throw malformed("\(name) must have two arguments") }
      return [KeyValue(key: String(decoding: key, as: UTF8.self), value: String(decoding: value, as: UTF8.self))]
    }
    var result: [KeyValue] = []
    for word in words {
      guard let index = word.utf8.firstIndex(of: equals) else {
        throw malformed("can't find = in \"\(word)\": it must be of the form name=value")
      }
      guard index > word.startIndex else { throw malformed("\(name) names can not be blank") }
      result.append(KeyValue(key: String(word[..<index]), value: String(word[word.utf8.index(after: index)...])))
    }
    return result
  }

  private func argumentDeclarations() throws(DockerfileError) -> [ArgDeclaration] {
    var result: [ArgDeclaration] = []
    for word in try atLeastOne(WordSplitter.quoted(arguments, escape: escape)) {
      guard let index = word.utf8.firstIndex(of: UInt8(ascii: "=")) else {
        result.append(ArgDeclaration(name: word))
        continue
      }
      guard index > word.startIndex else { throw malformed("ARG names can not be blank") }
      result.append(ArgDeclaration(name: String(word[..<index]), value: String(word[word.utf8.index(after: index)...])))
    }
    return result
  }

  private func oneArgument() throws(DockerfileError) -> String {
    guard !arguments.isEmpty else { throw malformed("\(name) requires exactly one argument") }
    return String(decoding: arguments, as: UTF8.self)
  }

  private func atLeastOne(_ words: [String]) throws(DockerfileError) -> [String] {
    guard !words.isEmpty else { throw malformed("\(name) requires at least one argument") }
    return words
  }

  private func malformed(_ message: String) -> DockerfileError { DockerfileError(.malformed(message), at: line.location) }
}
