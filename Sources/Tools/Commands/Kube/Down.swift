internal import ArgumentParser
internal import Glibc
internal import KubeManifests

struct KubeDownCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "down", abstract: "Take down what manifests say, or objects by name.",
    discussion: """
      An argument is a file, - for standard input, an object as KIND/NAME (deployment/web), or a name alone. Pods stop \
      within their grace periods. Volumes of PersistentVolumeClaims stay, unless --volumes is given.
      """)

  @OptionGroup var global: GlobalOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Namespace of objects that are given by name.", valueName: "name"))
  var namespace: String = "default"

  @Flag(help: "Also remove the volumes of PersistentVolumeClaims, with all that is in them.")
  var volumes = false

  @Argument(help: ArgumentHelp("Manifests or names of objects.", valueName: "file|name"))
  var arguments: [String]

  func run() throws {
    let engine = try global.engine()
    let player = try global.player(engine)
    var keys: [ObjectKey] = []
    for argument in arguments {
      if argument == "-" || isFile(argument) {
        let file = try ManifestFile(argument)
        keys += try Manifest.keys(in: file.bytes, file: file.name)
      } else {
        keys += try player.keys(named: argument, namespace: namespace)
      }
    }
    let found = Set(try player.down(keys, volumes: volumes))
    for key in keys where !found.contains(key) { printError("\(key) was not played here") }
    guard !found.isEmpty || keys.isEmpty else { throw Failure("nothing of \(arguments.joined(separator: ", ")) was played here") }
  }

  private func isFile(_ argument: String) -> Bool {
    argument.hasSuffix(".yaml") || argument.hasSuffix(".yml") || argument.hasSuffix(".json") || access(argument, F_OK) == 0
  }
}
