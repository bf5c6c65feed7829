internal import ArgumentParser
internal import Engine
internal import Glibc
internal import Kernel
internal import KubeManifests
internal import SystemPackage

struct KubeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kube", abstract: "Run Kubernetes manifests on this host.",
    subcommands: [KubePlayCommand.self, KubeDownCommand.self, KubeCheckCommand.self, KubeListCommand.self])
}

/// A manifest's bytes and the name that errors give it.
struct ManifestFile {
  let name: String
  let bytes: [UInt8]

  /// - Parameter argument: a path, or `-` for standard input.
  init(_ argument: String) throws {
    if argument.hasPrefix("http://") || argument.hasPrefix("https://") {
      throw Failure("manifests are read from files: curl -fsSL \(argument) | clipper kube play -", status: 125)
    }
    // One byte more than a manifest may have: the reader says that it is too large.
    let limit = ManifestLimits().bytes + (1 << 20)
    name = argument == "-" ? "stdin" : argument
    do {
      bytes = try argument == "-" ? readAll(STDIN_FILENO, limit: limit) : readFile(FilePath(argument), limit: limit)
    } catch {
      throw Failure("cannot read \(name): \(error)")
    }
  }
}

/// The objects of all files, or everything that is wrong with them. Warnings go to standard error.
func readManifests(_ files: [ManifestFile]) throws -> [KubeObject] {
  let manifests = files.map { Manifest(parsing: $0.bytes, file: $0.name) }
  for problem in manifests.flatMap(\.problems) where problem.severity == .warning { printError(problem.description) }
  let errors = manifests.flatMap(\.errors)
  guard errors.isEmpty else { throw Failure(errors.map(\.description).joined(separator: "\n")) }
  var seen: [ObjectKey: String] = [:]
  for object in manifests.flatMap(\.objects) {
    if let other = seen.updateValue(object.file, forKey: object.key), other != object.file {
      throw Failure("\(object.file): \(object.key) is in \(other) as well")
    }
  }
  return manifests.flatMap(\.objects)
}

extension GlobalOptions {
  /// A player that prints what it does, one line for each object, as kubectl does.
  func player(_ engine: Engine) throws -> Player {
    Player(
      host: try EngineHost(engine), records: try KubeRecords(engine.content), root: engine.locations.root,
      run: engine.locations.run,
      report: { event in
        switch event {
        case .object(let key, let change): printOutput("\(key) \(change.rawValue)\n")
        case .warning(let text): printError("warning: \(text)")
        }
      })
  }
}

/// The table of pods that `kube play` ends with and `kube ls` shows.
func podTable(_ pods: [(pod: HostedPod, status: PodStatus)]) throws -> String {
  let listing = Listing([
    .init("NAMESPACE", "Namespace"), .init("POD", "Name"), .init("READY", "Ready"), .init("STATUS", "Status"),
    .init("RESTARTS", "Restarts"), .init("ADDRESS", "Address"),
  ])
  return try listing.render(pods.map { podRow($0.pod, $0.status) }, format: nil)
}

func podRow(_ pod: HostedPod, _ status: PodStatus) -> [String: Value] {
  [
    "Namespace": .string(pod.namespace), "Name": .string(pod.name), "ID": .string(pod.id),
    "Ready": .string("\(status.readyContainers)/\(status.containers)"), "Status": .string(status.text),
    "Restarts": .string(String(status.restarts)), "Address": .string(pod.address ?? "host"), "Owner": .string(pod.owner),
  ]
}
