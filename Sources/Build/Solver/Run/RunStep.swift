internal import BuildGraph
internal import DockerfileSyntax
internal import FoundationEssentials
internal import Glibc
internal import Kernel
internal import Snapshots
internal import Synchronization
internal import SystemPackage

/// A RUN: its program in a container of its own.
struct RunStep: Sendable {
  let operation: RunOperation
  let options: BuildOptions
  let environment: BuildEnvironment
  let networks: StepNetworks

  init(_ operation: RunOperation, _ options: BuildOptions, _ environment: BuildEnvironment, _ networks: StepNetworks) {
    self.operation = operation
    self.options = options
    self.environment = environment
    self.networks = networks
  }

  /// - Throws: `BuildError.run` where it ends with another status than 0.
  func run(
    in pending: PendingSnapshot, on parent: Snapshot?, title: String, location: SourceRange,
    output: @escaping @Sendable ([UInt8], Bool) -> Void
  ) async throws {
    let process = StepProcess()
    try await withTaskCancellationHandler {
      try await onThread {
        try run(process, in: pending, on: parent, title, location, output)
      }
    } onCancel: {
      process.kill()
    }
  }

  private func run(
    _ process: StepProcess, in pending: PendingSnapshot, on parent: Snapshot?, _ title: String, _ location: SourceRange,
    _ output: (([UInt8], Bool) -> Void)
  ) throws {
    let snapshots = environment.snapshots
    let view = try snapshots.openView(parent)
    let user =
      operation.user.isEmpty || operation.user == "0"
      ? try ImageUsers(root: view.number).identity("0") : try ImageUsers(root: view.number).identity(operation.user)
    let (network, connection) = connect()
    defer { if let connection { networks.give(connection) } }
    let directory = try WorkDirectory(below: environment.builds)
    let bundle = StepBundle(
      operation: operation, options: options, user: user, snapshots: snapshots, network: network,
      gateway: connection?.gateway, directory: directory)
    let mountPoints = try MountPoints(bundle.mounts().map(\.destination), in: view.number)
    _ = consume view
    try bundle.write(pending, on: parent)

    let logFile = directory.path.appending("log.json")
    var spawn = Spawn(
      environment.runtime,
      [
        "--root", environment.runtimeRoot.string, "--log", logFile.string, "--log-format", "json", "run",
        "--die-with-parent",
        "--bundle", directory.path.string, directory.id,
      ])
    if let connection { spawn.descriptors = [(connection.namespace, StepBundle.networkDescriptor)] }
    var tail = OutputTail()
    let status: ExitStatus
    do {
      status = try process.run(spawn) { bytes, isError in
        tail.add(bytes)
        output(Array(bytes), isError)
      }
    } catch {
      // It was killed in the middle: what it has of the machine goes.
      removeContainer(directory.id)
      throw error
    }
    try mountPoints.remove(from: pending.fs)
    guard status != .exited(0) else { return }
    if let reason = Self.startFailure(logFile) {
      removeContainer(directory.id)
      throw BuildError.start(reason)
    }
    throw BuildError.run(
      step: title, location: location, command: operation.arguments.joined(separator: " "), status: status.code,
      tail: tail.lines)
  }

  /// The network that the step gets: its own, or the build's.
  private func connect() -> (RunInstruction.Network, StepNetwork?) {
    let wanted = operation.network == .default ? options.network : operation.network
    guard wanted == .default else { return (wanted, nil) }
    // A machine where no bridge can be made still builds: RUN then has the host's network.
    guard let connection = networks.take() else { return (.host, nil) }
    return (.default, connection)
  }

  private func removeContainer(_ id: String) {
    let spawn = Spawn(environment.runtime, ["--root", environment.runtimeRoot.string, "delete", "--force", id])
    _ = try? spawn.capture(milliseconds: 10_000)
  }

  /// What the runtime says about a container that did not come to run; nil where it ran.
  private static func startFailure(_ file: FilePath) -> String? {
    struct Line: Decodable {
      let level: String
      let msg: String
    }
    guard let bytes = try? readFile(file, limit: 1 << 20) else { return nil }
    let lines = bytes.split(separator: UInt8(ascii: "\n")).compactMap {
      try? JSONDecoder().decode(Line.self, from: Data($0))
    }
    return lines.last { $0.level == "error" }?.msg
  }
}
