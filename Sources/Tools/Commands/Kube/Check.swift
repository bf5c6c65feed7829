internal import ArgumentParser
internal import KubeManifests

struct KubeCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Say what is wrong with manifests, without playing them.",
    discussion: """
      Every mistake is named with its file, line and path: unknown and unsupported fields, wrong types, references to \
      what the files do not hold. Nothing is fetched or changed. The status is 1 where a file cannot be played.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("json prints one object for each problem.", valueName: "format"))
  var format: String?

  @Argument(help: ArgumentHelp("Manifests in YAML or JSON; - is standard input.", valueName: "file"))
  var files: [String]

  func validate() throws {
    guard format == nil || format == "json" else { throw ValidationError("--format is json, or left out") }
  }

  func run() throws {
    let manifests = try files.map { argument in
      let file = try ManifestFile(argument)
      return Manifest(parsing: file.bytes, file: file.name)
    }
    let problems = manifests.flatMap(\.problems) + missing(manifests.flatMap(\.objects))
    let failed = problems.contains { $0.severity == .error }
    if format == "json" {
      for problem in problems { printOutput(try json(problem) + "\n") }
    } else {
      for problem in problems { printError(problem.description) }
      for (file, manifest) in zip(files, manifests) where manifest.errors.isEmpty {
        let count = manifest.objects.count
        printOutput("\(file): \(count) object\(count == 1 ? "" : "s"): \(manifest.objects.map { "\($0.key)" }.joined(separator: ", "))\n")
      }
    }
    if failed { throw ExitCode(1) }
  }

  /// What is not in the files may have been played before: a warning.
  private func missing(_ objects: [KubeObject]) -> [Problem] {
    var surroundings = Surroundings()
    for object in objects { surroundings.add(object, revision: "") }
    return objects.flatMap { object in
      surroundings.check(object).map(\.asWarning)
    }
  }

  private func json(_ problem: Problem) throws -> String {
    try Value.object([
      "severity": .string(problem.severity.rawValue), "file": .string(problem.file), "line": .integer(Int64(problem.line)),
      "path": .string(problem.path), "message": .string(problem.message),
    ]).json()
  }
}
