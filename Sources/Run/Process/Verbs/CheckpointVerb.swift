import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `checkpoint`: a container's processes as files, by criu.
struct CheckpointVerb {
  private let context: VerbContext
  private let arguments: Arguments
  private let id: String

  private static let flags: [Arguments.Flag] = [
    .option("parent-path", value: "DIR", help: "images of a pre-dump before, relative to --image-path"),
    .flag("pre-dump", help: "save memory only, and leave the container running"),
    .flag("leave-running", help: "leave the container running"),
    .flag("tcp-skip-in-flight", help: "leave out connections that are being made"),
    .option("page-server", value: "ADDRESS:PORT", help: "send memory to criu's page server there"),
  ]

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    arguments = try CheckpointFlags.arguments(words, Self.flags, verb: "checkpoint")
    id = try arguments.id("checkpoint")
  }

  func run() throws -> Int32 {
    let container = try context.root.load(id)
    let status = container.status
    guard status == .running || status == .paused else {
      throw RuntimeError.wrongStatus(id: id, status: status, doing: "checkpoint")
    }
    let bundle = try container.bundle()
    let external = ExternalResources(bundle: bundle)
    try external.check()
    let flags = try CheckpointFlags(arguments, verb: "checkpoint")
    let preDump = arguments.has("pre-dump")
    let options = try options(flags, container, external, preDump: preDump)
    let criu = try Criu(named: context.criu, log: flags.logFile)
    _ = try criu.run(preDump ? .preDump : .dump, options)
    // As runc does: what was saved is not there any more.
    if !preDump, !arguments.has("leave-running") { try context.remove(container) }
    return 0
  }

  private func options(
    _ flags: CheckpointFlags, _ container: Container, _ external: ExternalResources, preDump: Bool
  ) throws -> CriuOptions {
    let pid = container.saved.pid
    var options = try flags.options()
    options.set(.pid, pid)
    options.set(.root, external.bundle.rootPath.string)
    options.set(.leaveRunning, arguments.has("leave-running") || preDump)
    options.set(.skipsInFlight, arguments.has("tcp-skip-in-flight"))
    // The terminal's other end is with whoever has asked for it.
    options.set(.orphanMaster)
    if let cgroup = container.cgroup { options.set(.freezeCgroup, cgroup.path.string) }
    if let parent = arguments["parent-path"] {
      guard !FilePath(parent).isAbsolute else {
        throw RuntimeError.usage("checkpoint: --parent-path is \"\(parent)\": write it relative to --image-path")
      }
      options.set(.parentImage, parent)
    }
    options.set(.tracksMemory, preDump || arguments["parent-path"] != nil)
    if let address = arguments["page-server"] { options.set(.pageServer, try pageServer(address)) }
    for name in try external.namespaces(of: pid) { options.set(.external, name) }
    // A dump of memory alone has no mounts.
    guard !preDump else { return options }
    for name in try external.mounts(of: pid) { options.set(.external, name) }
    for name in try ExternalResources.saveStreams(of: pid, in: flags.images.number) { options.set(.external, name) }
    return options
  }

  private func pageServer(_ text: String) throws -> ProtocolMessage {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, let port = UInt16(parts[1]), port > 0 else {
      throw RuntimeError.usage("checkpoint: --page-server is \"\(text)\": write ADDRESS:PORT")
    }
    var server = ProtocolMessage()
    server.add(1, String(parts[0]))
    server.add(2, CInt(port))
    return server
  }
}
