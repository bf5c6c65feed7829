public import ArgumentParser
internal import BuildGraph
internal import BuildSolver
internal import Content
internal import DockerfileSyntax
internal import Engine
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import SystemPackage

public struct BuildCommand: AsyncParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "build", abstract: "Build an image from a Dockerfile.",
    discussion: """
      PATH is the directory whose files the Dockerfile may copy; - reads an archive of them, or a Dockerfile alone, \
      from standard input.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Name of the image; several times for several.", valueName: "name"))
  var tag: [String] = []
  @Option(name: .shortAndLong, help: "The Dockerfile, - for standard input. Otherwise PATH/Dockerfile.")
  var file: String?
  @Option(help: "Build this stage, by name or number; otherwise the last.") var target: String?
  @Option(help: ArgumentHelp("Set an ARG; NAME alone takes it from the environment.", valueName: "name=value"))
  var buildArg: [String] = []
  @Option(help: ArgumentHelp("Add a label to the image.", valueName: "name=value")) var label: [String] = []
  @Flag(help: "Make every step anew.") var noCache = false
  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Fetch base images even where they are here.")
  var pull = false
  @Option(help: "What the image is for: os/arch[/variant].") var platform: [String] = []
  @Option(help: "Network of RUN: default, none or host.") var network: String?
  @Option(help: ArgumentHelp("Add a line to /etc/hosts during RUN.", valueName: "name:address")) var addHost: [String] =
    []
  @Option(help: "Bytes of /dev/shm during RUN, such as 128m.") var shmSize: String?
  @Option(name: .shortAndLong, help: "Bytes that a RUN may use, such as 2g.") var memory: String?
  @Option(help: ArgumentHelp("Limit of RUN's processes, such as nofile=1024:2048.", valueName: "name=soft[:hard]"))
  var ulimit: [String] = []
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "type=image|oci|docker|local|tar[,dest=PATH]; a directory alone, or - for an archive on standard output.",
      valueName: "output"))
  var output: [String] = []
  @Flag(help: "Keep the image in the store beside what --output says.") var load = false
  @Option(help: "How progress is shown: auto, plain, json, quiet or tty.") var progress: ProgressStyle = .auto
  @Flag(name: .shortAndLong, help: "Print the image's ID only.") var quiet = false
  @Option(help: ArgumentHelp("Write the image's ID to this file.", valueName: "file")) var iidfile: String?

  // Docker's, not built yet: refused by name instead of as unknown.
  @Option(help: .hidden) var cacheFrom: [String] = []
  @Option(help: .hidden) var cacheTo: [String] = []
  @Option(help: .hidden) var secret: [String] = []
  @Option(help: .hidden) var ssh: [String] = []
  @Option(help: .hidden) var buildContext: [String] = []
  @Option(help: .hidden) var allow: [String] = []
  @Option(help: .hidden) var annotation: [String] = []
  @Option(help: .hidden) var attest: [String] = []
  @Option(help: .hidden) var sbom: String?
  @Option(help: .hidden) var provenance: String?
  @Option(help: .hidden) var metadataFile: String?
  @Option(help: .hidden) var noCacheFilter: [String] = []
  @Flag(help: .hidden) var push = false
  @Flag(help: .hidden) var squash = false

  @Argument(help: "The build context.") var path: String

  public init() {}

  public mutating func run() async throws {
    try refuseUnsupported()
    // What an image's directories are must not depend on who builds it.
    umask(0o022)
    let options = try buildOptions()
    let names = try tag.map { try Reference(parsing: $0).tagged }
    var outputs = try output.map { try OutputOption(parsing: $0) }
    if load, !outputs.isEmpty, !outputs.contains(where: \.isStore) {
      outputs.append(try OutputOption(parsing: "type=image"))
    }
    if outputs.filter(\.writesStandardOutput).count > 1 { throw Failure("only one output can go to standard output") }
    let engine = try global.engine()
    let session = BuildSession(
      engine: engine, options: options, names: names, outputs: outputs, style: quiet ? .quiet : progress,
      iidFile: iidfile)
    do {
      try await session.run(context: path, file: file)
    } catch {
      try await engine.shutdown()
      throw error
    }
    try await engine.shutdown()
  }

  private func refuseUnsupported() throws {
    let given: [(String, Bool)] = [
      ("--cache-from", !cacheFrom.isEmpty), ("--cache-to", !cacheTo.isEmpty), ("--secret", !secret.isEmpty),
      ("--ssh", !ssh.isEmpty), ("--build-context", !buildContext.isEmpty), ("--allow", !allow.isEmpty),
      ("--annotation", !annotation.isEmpty), ("--attest", !attest.isEmpty),
      ("--sbom", sbom.map { $0 != "false" } ?? false), ("--provenance", provenance.map { $0 != "false" } ?? false),
      ("--metadata-file", metadataFile != nil), ("--no-cache-filter", !noCacheFilter.isEmpty),
      ("--push", push), ("--squash", squash),
    ]
    if let (name, _) = given.first(where: \.1) {
      let instead = name == "--push" ? ": build with -t, then clipper push" : ""
      throw Failure("\(name) is not supported by clipper build\(instead)", status: 125)
    }
    if platform.count > 1 || platform.contains(where: { $0.contains(",") }) {
      throw Failure(
        "several platforms in one build are not supported by clipper build: build each by itself", status: 125)
    }
  }

  private func buildOptions() throws -> BuildOptions {
    var request = BuildRequest()
    request.target = target
    for text in buildArg {
      let (name, value) = Self.split(text)
      if let value = value ?? Self.variable(name) { request.arguments[name] = value }
    }
    // Docker's command line hands these on from its own environment.
    if request.arguments[PredefinedArguments.sourceDateEpoch] == nil {
      request.arguments[PredefinedArguments.sourceDateEpoch] = Self.variable(PredefinedArguments.sourceDateEpoch)
    }
    for text in label {
      let (name, value) = Self.split(text)
      guard !name.isEmpty else { throw Failure("invalid label \"\(text)\": write name=value", status: 125) }
      request.labels[name] = value ?? ""
    }
    if let platform = platform.first { request.platform = try Platform(parsing: platform) }
    var options = BuildOptions(request: request)
    options.noCache = noCache
    options.pull = pull
    if let network {
      guard let parsed = RunInstruction.Network(rawValue: network == "bridge" ? "default" : network) else {
        throw Failure(
          "network \"\(network)\" is not supported by clipper build: use default, none or host", status: 125)
      }
      options.network = parsed
    }
    options.extraHosts = try addHost.map { text in
      guard let separator = text.firstIndex(where: { $0 == ":" || $0 == "=" }), separator != text.startIndex else {
        throw Failure("bad format for add-host: \"\(text)\"; write name:address", status: 125)
      }
      let address = String(text[text.index(after: separator)...])
      // It becomes a line of a file.
      guard !address.isEmpty, !text.contains(where: \.isWhitespace) else {
        throw Failure("invalid address in add-host: \"\(text)\"", status: 125)
      }
      return (String(text[..<separator]), address)
    }
    options.shmSize = try shmSize.map { try Self.bytes($0, "--shm-size") }
    options.memory = try memory.map { try Self.bytes($0, "--memory") }
    options.limits = try ulimit.map(Self.limit)
    if let text = request.arguments[PredefinedArguments.sourceDateEpoch], !text.isEmpty {
      guard let seconds = Int64(text), seconds >= 0 else { throw BuildRequestError.invalidEpoch(text) }
      options.epoch = seconds
    }
    return options
  }

  private static func split(_ text: String) -> (String, String?) {
    guard let separator = text.firstIndex(of: "=") else { return (text, nil) }
    return (String(text[..<separator]), String(text[text.index(after: separator)...]))
  }

  private static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// `2g`, `128m`, `64k`, `1024`
  private static func bytes(_ text: String, _ option: String) throws -> Int64 {
    let units: [Character: Int64] = ["b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40]
    var digits = text.lowercased()[...]
    if digits.hasSuffix("ib") {
      digits = digits.dropLast(2)
    } else if digits.count > 1, digits.hasSuffix("b") {
      digits = digits.dropLast()
    }
    var unit: Int64 = 1
    if let last = digits.last, let known = units[last] {
      unit = known
      digits = digits.dropLast()
    }
    guard let number = Double(digits), number >= 0, number * Double(unit) < 9e18 else {
      throw Failure("\(option): \"\(text)\" is no size; write for example 512m", status: 125)
    }
    return Int64(number * Double(unit))
  }

  private static func limit(_ text: String) throws -> (name: String, soft: UInt64, hard: UInt64) {
    let (name, value) = split(text)
    let numbers = (value ?? "").split(separator: ":").map { $0 == "-1" ? UInt64.max : UInt64($0) }
    guard !name.isEmpty, (1...2).contains(numbers.count), let soft = numbers[0], let hard = numbers.last ?? nil else {
      throw Failure("invalid ulimit \"\(text)\": write for example nofile=1024:2048", status: 125)
    }
    return ("RLIMIT_\(name.uppercased())", soft, hard)
  }
}

enum ProgressStyle: String, ExpressibleByArgument, CaseIterable {
  case auto, plain, json, rawjson, quiet, tty, none

  var isForPrograms: Bool { self == .json || self == .rawjson }
}
