internal import ArgumentParser
internal import KubeManifests

struct KubeListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "List the objects that were played here, and their pods.", aliases: ["list"])

  @OptionGroup var global: GlobalOptions

  @Flag(help: "List the pods alone.")
  var pods = false

  @Flag(name: .shortAndLong, help: "Print names alone: KIND/NAME, or with --pods the pods' names.")
  var quiet = false

  @Option(help: ArgumentHelp("json, or a template such as {{.Name}}.", valueName: "format"))
  var format: String?

  func run() throws {
    let player = try global.player(try global.engine())
    let found = try player.pods()
    if pods {
      if quiet { return printOutput(found.map { $0.pod.name + "\n" }.joined()) }
      guard let format else { return printOutput(try podTable(found)) }
      let listing = Listing([.init("POD", "Name"), .init("STATUS", "Status")])
      return printOutput(try listing.render(found.map { podRow($0.pod, $0.status) }, format: format))
    }
    let records = try player.objects()
    if quiet { return printOutput(records.map { "\($0.key.kind.short)/\($0.key.name)\n" }.joined()) }
    let listing = Listing([
      .init("NAMESPACE", "Namespace"), .init("KIND", "Kind"), .init("NAME", "Name"), .init("READY", "Ready"),
      .init("ADDRESS", "Address"), .init("NODE PORTS", "NodePorts"),
    ])
    let rows = records.map { record -> [String: Value] in
      let own = found.filter { $0.pod.namespace == record.key.namespace && $0.pod.owner == "\(record.key.kind.short)/\(record.key.name)" }
      return [
        "Namespace": .string(record.key.namespace), "Kind": .string(record.key.kind.rawValue), "Name": .string(record.key.name),
        "Ready": .string(own.isEmpty ? "" : "\(own.count { isWell($0.status, record.key.kind) })/\(own.count)"),
        "Address": .string(record.address ?? ""), "NodePorts": .string(record.nodePorts.map(String.init).joined(separator: ",")),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }

  /// A job's pods are to end, the others to run.
  private func isWell(_ status: PodStatus, _ kind: ObjectKind) -> Bool { kind == .job ? status.succeeded : status.isReady }
}
