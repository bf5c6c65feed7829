internal import BuildSolver
internal import Content
internal import DockerfileSyntax
internal import Engine
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// One `clipper build`: from its context to its outputs.
struct BuildSession {
  let engine: Engine
  let options: BuildOptions
  let names: [Reference]
  let outputs: [OutputOption]
  let style: ProgressStyle
  let iidFile: String?

  func run(context: String, file: String?) async throws {
    let display = makeBuildDisplay(style)
    let builds = engine.locations.root.appending("builds")
    var input: BuildInput?
    do {
      let read = try BuildInput.read(context: context, file: file, input: STDIN_FILENO, builds: builds)
      input = read
      let solver = Solver(read, options, environment(builds), progress: { display.take($0) })
      let image = try await interruptible { try await finish(solver, try await solver.build()) }
      display.finish(nil)
      if let image {
        if style == .quiet { printOutput("\(image.id)\n") }
        if let iidFile { try writeFileAtomically(FilePath(iidFile), Array("\(image.id)".utf8)) }
      }
    } catch is CancellationError {
      display.finish("canceled")
      throw Failure("build canceled", status: 130)
    } catch {
      display.finish("\(error)")
      if !style.isForPrograms { explain(error, input) }
      throw Failure("failed to build: \(error)")
    }
  }

  /// What a step that failed wrote last, and the lines of the Dockerfile.
  private func explain(_ error: any Error, _ input: BuildInput?) {
    var location = (error as? DockerfileError)?.location
    if let error = error as? BuildError {
      location = error.location
      if case .run(let step, _, _, _, let tail) = error {
        printError("------\n > \(step):" + tail.map { "\n\($0)" }.joined() + "\n------")
      }
    }
    if let location, let excerpt = input?.excerpt(around: location) { printError(excerpt) }
  }

  /// Ctrl-C cancels the build, which ends its steps and throws what they have made away.
  private func interruptible<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws
    -> Value
  {
    let signals = StopSignals(onHangUp: {})
    return try await withThrowingTaskGroup(of: Value?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        await signals.wait()
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next() else { throw CancellationError() }
      if let value = first { return value }
      group.cancelAll()
      while let rest = try await group.next() { if rest != nil { break } }
      throw CancellationError()
    }
  }

  private func environment(_ builds: FilePath) -> BuildEnvironment {
    let engine = engine
    return BuildEnvironment(
      content: engine.content, snapshots: engine.snapshots, runtime: engine.locations.runtime,
      runtimeRoot: engine.locations.run.appending("runtime"),
      image: { name, platform, pull, progress in
        let image = try await engine.ensureImage(
          name, pull: pull ? .always : .missing, platform: platform, progress: progress)
        let reference = (try? Reference(parsing: name).tagged.description) ?? name
        return BaseImage(manifest: image.manifest, config: image.config, name: "\(reference)@\(image.target.digest)")
      },
      registry: { engine.registry },
      network: {
        let directory = try WorkDirectory(below: builds)
        let connection = try engine.connectBuild(owner: directory.id)
        return StepNetwork(
          namespace: connection.namespace, gateway: connection.gateway, holding: [connection, directory])
      })
  }

  private func finish(_ solver: Solver, _ result: BuildResult) async throws -> CommittedImage? {
    var image: CommittedImage?
    let targets = outputs.isEmpty ? [try OutputOption(parsing: "type=image")] : outputs
    for output in targets {
      switch output.kind {
      case .local, .tar: try await solver.export(result, to: output.destination, asArchive: output.kind == .tar)
      case .image, .oci, .docker:
        let given = names + (try output.names.map { try Reference(parsing: $0).tagged })
        if output.isStore {
          image = try await solver.commit(result, names: given)
          continue
        }
        let written = try await solver.write(result)
        image = image ?? written
        try archive(written, given, output)
      }
    }
    return image
  }

  private func archive(_ image: CommittedImage, _ names: [Reference], _ output: OutputOption) throws {
    if output.destination == nil, Terminal.outputIsTerminal {
      throw Failure("refusing to write an archive to a terminal: name a file by dest=, or redirect")
    }
    let target = try OutputFile(output.destination)
    do {
      try engine.save(image.manifest, names: names, format: output.kind == .oci ? .oci : .docker) {
        try target.write($0)
      }
      try target.commit()
    } catch {
      target.discard()
      throw error
    }
  }
}
