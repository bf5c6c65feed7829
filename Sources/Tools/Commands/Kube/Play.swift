internal import ArgumentParser
internal import KubeManifests

struct KubePlayCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "play", abstract: "Make what runs here be what manifests say.",
    discussion: """
      Files hold Pods, Deployments, Jobs, Services, ConfigMaps, Secrets and PersistentVolumeClaims. Everything is read, \
      checked and fetched before anything is changed, and what fails half-way is undone. Playing a file again changes \
      what differs and leaves the rest running. A Job runs to its end before the command ends: it fails with the Job.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Wait until the pods are ready.")
  var wait = false

  @Option(help: ArgumentHelp("How long --wait waits.", valueName: "seconds"))
  var timeout: Int = 300

  @Argument(help: ArgumentHelp("Manifests in YAML or JSON; - is standard input.", valueName: "file"))
  var files: [String]

  func validate() throws {
    guard timeout > 0 else { throw ValidationError("--timeout must be at least 1 second") }
  }

  func run() async throws {
    let objects = try readManifests(files.map { try ManifestFile($0) })
    let engine = try global.engine()
    let player = try global.player(engine)
    try await player.play(objects, PlayOptions(wait: wait ? timeout : nil))
    let owners = Set(objects.map { "\($0.key.namespace)/\($0.key.kind.short)/\($0.key.name)" })
    let pods = try player.pods().filter { owners.contains("\($0.pod.namespace)/\($0.pod.owner)") }
    if !pods.isEmpty { printOutput("\n" + (try podTable(pods))) }
  }
}
