public import DockerfileSyntax
internal import ImageSpec

/// One stage as steps, and what becomes of the image's configuration.
public struct LoweredStage: Sendable {
  public struct Entry: Hashable, Sendable {
    /// For the image's history.
    public var createdBy: String
    /// The step that made files; nil where only the configuration changed.
    public var vertex: Int?
  }

  public private(set) var index: Int
  public private(set) var stage: Stage
  public private(set) var base: BuildPlan.Base
  public internal(set) var vertices: [Vertex] = []
  public internal(set) var history: [Entry] = []
  /// After the last instruction.
  public internal(set) var state: ImageState
  /// Names of `--build-arg` that this stage has used.
  public internal(set) var usedArguments: Set<String> = []

  public init(_ plan: BuildPlan, stage index: Int, from state: ImageState) throws(DockerfileError) {
    let planned = plan.stage(index)
    self.index = index
    stage = planned.stage
    base = planned.base
    self.state = state
    for instruction in planned.instructions {
      var lowering = InstructionLowering(plan: plan, stage: self, instruction: instruction)
      try lowering.run()
      self = lowering.stage
    }
  }
}

/// Applies one instruction to a stage.
struct InstructionLowering {
  let plan: BuildPlan
  var stage: LoweredStage
  let instruction: Instruction

  mutating func run() throws(DockerfileError) {
    switch instruction.kind {
    case .arg(let declarations): try arguments(declarations)
    case .env(let pairs):
      // All see the values from before the instruction.
      let expanded = try expand(pairs)
      for pair in expanded { stage.state.setEnvironment(pair.key, pair.value) }
      commit("ENV " + expanded.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
    case .label(let pairs):
      let expanded = try expand(pairs)
      var labels = stage.state.container.labels ?? [:]
      for pair in expanded { labels[pair.key] = pair.value }
      stage.state.container.labels = labels
      commit("LABEL " + expanded.map { "\($0.key)=\($0.value)" }.joined(separator: " "))
    case .run(let run): try lower(run)
    case .copy(let copy): try lower(copy, isAdd: false)
    case .add(let add): try lower(add, isAdd: true)
    case .workdir(let path): try workdir(path)
    case .user(let text):
      let user = try expand(text)
      guard !user.isEmpty else { throw malformed("USER is empty after its variables were filled in") }
      stage.state.container.user = user
      commit("USER \(user)")
    case .entrypoint(let command):
      stage.state.container.entrypoint = nonEmptyArguments(of: command)
      // A command that the base image had is meant for its own entrypoint.
      if !stage.state.hasOwnCommand { stage.state.container.cmd = nil }
      commit("ENTRYPOINT " + json(arguments(of: command)))
    case .cmd(let command):
      stage.state.container.cmd = nonEmptyArguments(of: command)
      stage.state.hasOwnCommand = true
      commit("CMD " + json(arguments(of: command)))
    case .expose(let words): try expose(words)
    case .volume(let paths):
      var volumes = stage.state.container.volumes ?? [:]
      let expanded = try paths.map { path throws(DockerfileError) in try expand(path) }
      for path in expanded {
        guard !path.isEmpty else { throw malformed("VOLUME specified can not be an empty string") }
        volumes[path] = EmptyObject()
      }
      stage.state.container.volumes = volumes
      commit("VOLUME [\(expanded.joined(separator: " "))]")
    case .stopSignal(let text):
      let signal = try expand(text)
      guard isSignal(signal) else { throw malformed("STOPSIGNAL \(signal): no such signal; use a name such as SIGTERM or a number") }
      stage.state.container.stopSignal = signal
      commit("STOPSIGNAL \(signal)")
    case .shell(let shell):
      stage.state.container.shell = shell
      commit("SHELL [\(shell.joined(separator: " "))]")
    case .healthcheck(let check): healthcheck(check)
    case .onBuild(let trigger):
      stage.state.container.onBuild = (stage.state.container.onBuild ?? []) + [trigger]
      commit("ONBUILD \(trigger)")
    case .maintainer(let name):
      stage.state.config.author = name
      commit("MAINTAINER \(name)")
    }
  }

  // MARK: - Configuration

  private mutating func arguments(_ declarations: [ArgDeclaration]) throws(DockerfileError) {
    var shown: [String] = []
    for declaration in declarations {
      let name = try expand(declaration.name)
      var value: String?
      if let given = plan.request.arguments[name] {
        value = given
        stage.usedArguments.insert(name)
      } else if let text = declaration.value {
        value = try expand(text)
      } else {
        value = plan.declaredGlobals[name] ?? PredefinedArguments.platforms(plan.request)[name]
      }
      stage.state.setArgument(name, value)
      shown.append(value.map { "\(name)=\($0)" } ?? name)
    }
    commit("ARG " + shown.joined(separator: " "))
  }

  private mutating func expose(_ words: [String]) throws(DockerfileError) {
    var ports = stage.state.container.exposedPorts ?? [:]
    var shown: [String] = []
    for word in words {
      let expanded: [String]
      do { expanded = try ShellLexer(escape: instruction.escape).words(word, stage.state.variables) } catch {
        throw DockerfileError(.expansion(error), at: instruction.location)
      }
      for text in expanded {
        guard let range = ExposedPorts(text) else {
          throw malformed("EXPOSE \(text): write a port or a range of them, with /tcp, /udp or /sctp, for example 8080/tcp")
        }
        for port in range.names { ports[port] = EmptyObject() }
        shown.append(range.description)
      }
    }
    stage.state.container.exposedPorts = ports
    commit("EXPOSE [\(shown.joined(separator: " "))]")
  }

  private mutating func healthcheck(_ check: HealthcheckInstruction?) {
    guard let check else {
      stage.state.container.healthcheck = Healthcheck(test: ["NONE"])
      return commit("HEALTHCHECK NONE")
    }
    var health =
      switch check.command {
      case .shell(let text): Healthcheck(test: ["CMD-SHELL", text])
      case .exec(let arguments): Healthcheck(test: ["CMD"] + arguments)
      }
    health.interval = check.interval == 0 ? nil : check.interval
    health.timeout = check.timeout == 0 ? nil : check.timeout
    health.startPeriod = check.startPeriod == 0 ? nil : check.startPeriod
    health.startInterval = check.startInterval == 0 ? nil : check.startInterval
    health.retries = check.retries == 0 ? nil : check.retries
    stage.state.container.healthcheck = health
    commit(instruction.text)
  }

  // MARK: - Files

  private mutating func lower(_ run: RunInstruction) throws(DockerfileError) {
    let arguments: [String]
    var script: RunOperation.Script?
    switch run.body {
    case .command(let command): arguments = self.arguments(of: command)
    case .script(let name, let content):
      let path = "/dev/pipes/\(name)"
      arguments = [path]
      script = RunOperation.Script(path: path, content: content)
    }
    let variables = stage.state.variables
    var proxies: [String] = []
    // A proxy that ARG or ENV declares is a variable like others, cached and shown.
    for name in PredefinedArguments.proxies where variables[name] == nil {
      if let value = plan.request.arguments[name] {
        proxies.append("\(name)=\(value)")
        stage.usedArguments.insert(name)
      }
    }
    let hostname = plan.request.arguments[PredefinedArguments.sandboxHostname]
    if hostname != nil { stage.usedArguments.insert(PredefinedArguments.sandboxHostname) }
    let operation = RunOperation(
      arguments: arguments, script: script, environment: variables.map { "\($0.key)=\($0.value)" }.sorted(),
      proxies: proxies, user: stage.state.container.user ?? "", workingDirectory: stage.state.workingDirectory,
      network: run.network, hostname: hostname)
    let shown = stage.state.arguments.map { "\($0.name)=\(variables[$0.name] ?? "")" }
    let prefix = shown.isEmpty ? [] : ["|\(shown.count)"] + shown
    commit("RUN " + (prefix + arguments).joined(separator: " "), .run(operation))
  }

  private mutating func workdir(_ text: String) throws(DockerfileError) {
    let path = try expand(text)
    guard !path.isEmpty else { throw malformed("WORKDIR is empty after its variables were filled in") }
    let absolute = cleanPath(stage.state.absolute(path))
    stage.state.container.workingDir = absolute
    if absolute == "/" { return commit("WORKDIR /") }
    let operation = DirectoryOperation(path: absolute, user: stage.state.container.user ?? "")
    commit("WORKDIR \(absolute)", .makeDirectory(operation))
  }

  private mutating func lower(_ copy: CopyInstruction, isAdd: Bool) throws(DockerfileError) {
    let name = isAdd ? "ADD" : "COPY"
    let sources = try copySources(copy, isAdd: isAdd)
    let text = try expand(copy.destination)
    guard !text.isEmpty else { throw malformed("\(name): the destination is empty after its variables were filled in") }
    let isDirectory = text == "." || text == ".." || text.hasSuffix("/") || text.hasSuffix("/.") || text.hasSuffix("/..")
    var destination = cleanPath(stage.state.absolute(text))
    if isDirectory, destination != "/" { destination += "/" }
    var operation = CopyOperation(
      sources: sources, from: try plan.source(of: instruction, in: stage.index), destination: destination, owner: nil,
      mode: nil, unpacks: isAdd && copy.unpack != false, unpacksRemote: isAdd && copy.unpack == true, checksum: nil)
    var shown = [name]
    if let from = copy.from { shown.append("--from=\(from)") }
    if let text = copy.chown {
      let owner = try expand(text)
      guard !owner.isEmpty, !owner.hasPrefix(":"), owner.split(separator: ":", omittingEmptySubsequences: false).count <= 2 else {
        throw malformed("\(name) --chown=\(text): write user, or user:group, as names or numbers")
      }
      operation.owner = owner
      shown.append("--chown=\(owner)")
    }
    if let text = copy.chmod {
      let mode = try expand(text)
      guard let change = FileModeChange(mode) else {
        throw malformed("\(name) --chmod=\(mode): write an octal mode such as 755, or a symbolic one such as u=rwX,go=rX")
      }
      operation.mode = change
      shown.append("--chmod=\(mode)")
    }
    if let text = copy.checksum { operation.checksum = try checksum(text, sources) }
    shown += sources.map(\.shown) + [text]
    commit(shown.joined(separator: " "), .copy(operation))
  }

  private func copySources(_ copy: CopyInstruction, isAdd: Bool) throws(DockerfileError) -> [CopySource] {
    var sources: [CopySource] = []
    for source in copy.sources {
      let text = try expand(source)
      guard !text.isEmpty else { throw malformed("the source \(source) is empty after its variables were filled in") }
      if isAdd, Self.isGit(text) { throw DockerfileError(.unsupported("ADD of a git repository (\(text))"), at: instruction.location) }
      if text.lowercased().hasPrefix("http://") || text.lowercased().hasPrefix("https://") {
        guard isAdd else { throw malformed("source can't be a URL for COPY: \(text); use ADD") }
        sources.append(.url(text))
        continue
      }
      // Nothing above the root of the source can be named.
      sources.append(.path(String(cleanPath("/" + text).dropFirst())))
    }
    for file in copy.files {
      var content = file.text
      if file.expands {
        do { content = try ShellLexer.content(content, stage.state.variables) } catch {
          throw DockerfileError(.expansion(error), at: instruction.location)
        }
      }
      sources.append(.file(name: file.name, content: content))
    }
    return sources
  }

  private func checksum(_ text: String, _ sources: [CopySource]) throws(DockerfileError) -> String {
    let checksum = try expand(text)
    guard sources.count == 1, case .url = sources[0] else {
      throw malformed("ADD --checksum is for one http(s) source")
    }
    do { return try Digest(parsing: checksum).description } catch {
      throw malformed("ADD --checksum=\(checksum): \(error)")
    }
  }

  private static func isGit(_ text: String) -> Bool {
    let path = text.prefix { $0 != "#" }
    return text.hasPrefix("git@") || text.hasPrefix("git://") || text.hasPrefix("ssh://")
      || (path.hasSuffix(".git") && (path.hasPrefix("http://") || path.hasPrefix("https://")))
  }

  // MARK: - Parts

  private func arguments(of command: CommandLine) -> [String] {
    switch command {
    case .exec(let arguments): arguments
    case .shell(let text): stage.state.shell + [text]
    }
  }

  /// `[]` takes away what the base image had.
  private func nonEmptyArguments(of command: CommandLine) -> [String]? {
    let arguments = arguments(of: command)
    return arguments.isEmpty ? nil : arguments
  }

  private func expand(_ text: String) throws(DockerfileError) -> String {
    try BuildGraph.expand(text, stage.state.variables, instruction.escape, instruction.location)
  }

  private func expand(_ pairs: [KeyValue]) throws(DockerfileError) -> [KeyValue] {
    var result: [KeyValue] = []
    for pair in pairs {
      let key = try expand(pair.key)
      guard !key.isEmpty else { throw malformed("a name is empty after its variables were filled in: \(pair.key)") }
      result.append(KeyValue(key: key, value: try expand(pair.value)))
    }
    return result
  }

  private mutating func commit(_ createdBy: String, _ operation: Operation? = nil) {
    if let operation {
      stage.vertices.append(Vertex(operation: operation, text: instruction.text, location: instruction.location))
    }
    stage.history.append(
      LoweredStage.Entry(createdBy: createdBy, vertex: operation == nil ? nil : stage.vertices.count - 1))
  }

  private func json(_ strings: [String]) -> String {
    "[" + strings.map { "\"" + $0.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] } + "\"" }.joined(separator: " ") + "]"
  }

  private func malformed(_ message: String) -> DockerfileError { DockerfileError(.malformed(message), at: instruction.location) }
}

extension CopySource {
  var shown: String {
    switch self {
    case .path(let path): path.isEmpty ? "." : path
    case .file(let name, _): "<<\(name)"
    case .url(let url): url
    }
  }
}
