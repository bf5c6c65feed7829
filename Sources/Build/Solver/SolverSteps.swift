internal import BuildGraph
internal import Content
internal import DockerfileSyntax
internal import ImageSpec
internal import Snapshots
internal import Synchronization
internal import SystemPackage

extension Solver {
  func build(
    _ stage: LoweredStage, _ promises: [Int: Promise<BuiltStage>], _ images: [BuildPlan.Base: BaseImage]
  ) async throws -> BuiltStage {
    var built: BuiltStage
    let title = StepTitle(stage, isOnly: input.dockerfile.stages.count == 1)
    switch stage.base {
    case .scratch: built = .scratch
    case .stage(let index):
      guard let promise = promises[index] else { throw BuildError.input("stage \(index) is not planned") }
      built = try await promise.value()
    case .image(let name, _):
      guard let image = images[stage.base] else { throw BuildError.input("\(name) was not looked up") }
      built = BuiltStage(image)
      let step = log.begin(title.text("FROM \(image.name)", 1))
      log.end(step, .done)
    }
    for entry in stage.history {
      guard let index = entry.vertex else {
        built.history.append(
          History(created: date(built.created), createdBy: entry.createdBy, comment: Self.comment, emptyLayer: true))
        continue
      }
      try Task.checkCancellation()
      let vertex = stage.vertices[index]
      try await run(vertex, title.text(vertex.text, index + 2), &built, promises, images)
      built.history.append(History(created: date(built.created), createdBy: entry.createdBy, comment: Self.comment))
    }
    return built
  }

  private static let comment = "clipper"

  private func date(_ created: String?) -> String? { options.epoch.map { Timestamp.text($0) } ?? created }

  // MARK: - Steps

  /// Looks a step up, or makes it.
  private func run(
    _ vertex: Vertex, _ title: String, _ built: inout BuiltStage, _ promises: [Int: Promise<BuiltStage>],
    _ images: [BuildPlan.Base: BaseImage]
  ) async throws {
    var source: BuiltStage?
    if case .copy(let copy) = vertex.operation {
      // Another stage's step begins when its files are there.
      switch copy.from {
      case .context: break
      case .stage(let index): source = try await promises[index]?.value()
      case .image(let name):
        source = images.first { if case .image(name, _) = $0.key { true } else { false } }.map { BuiltStage($0.value) }
      }
    }
    let step = log.begin(title)
    do {
      let made = try await make(vertex, step, on: built, source)
      built.key = made.key
      built.files = .snapshot(made.snapshot)
      built.layers.append(.snapshot(made.snapshot))
      built.created = StepRecord(made.snapshot, environment.snapshots)?.created ?? built.created
      log.end(step, made.isCached ? .cached : .done)
    } catch let error as CancellationError {
      log.end(step, .canceled)
      throw error
    } catch let error as BuildError {
      if Task.isCancelled {
        log.end(step, .canceled)
        throw CancellationError()
      }
      let located = error.located(title, vertex.location)
      log.end(step, .failed(error.summary))
      throw located
    } catch {
      log.end(step, .failed("\(error)"))
      throw BuildError.step(title, location: vertex.location, error)
    }
  }

  private typealias Made = (key: CacheKey, snapshot: Snapshot, isCached: Bool)

  private func make(_ vertex: Vertex, _ step: BuildStep, on built: BuiltStage, _ source: BuiltStage?) async throws
    -> Made
  {
    switch vertex.operation {
    case .run(let run):
      let key = CacheKey.step(vertex.operation, on: built.key, sources: runSurroundings(run), epoch: options.epoch)
      return try await reuse(key, else: built, step) { pending, parent in
        try await RunStep(run, self.options, self.environment, self.networks)
          .run(in: pending, on: parent, title: step.name, location: vertex.location) { bytes, isError in
            self.log.output(step, bytes, isError: isError)
          }
        return true
      }
    case .makeDirectory(let directory):
      let key = CacheKey.step(vertex.operation, on: built.key, epoch: options.epoch)
      return try await reuse(key, else: built, step) { pending, parent in
        try await onThread { try DirectoryStep(directory).write(into: pending, on: parent, self.environment.snapshots) }
        return true
      }
    case .copy(let copy): return try await self.copy(copy, vertex, step, on: built, source)
    }
  }

  /// What else a RUN's result may depend on.
  private func runSurroundings(_ run: RunOperation) -> String {
    var text = run.network == .default && options.network != .default ? "network \(options.network.rawValue)" : ""
    for host in options.extraHosts { text += "\nhost \(host.name) \(host.address)" }
    return text
  }

  private func copy(
    _ copy: CopyOperation, _ vertex: Vertex, _ step: BuildStep, on built: BuiltStage, _ source: BuiltStage?
  ) async throws -> Made {
    var definition: CacheKey?
    if let source, copy.checksum == nil {
      // The same paths of the same files: nothing has to be read to know it.
      definition = CacheKey.step(
        vertex.operation, on: built.key, sources: "from \(source.key) \(copy.sources)", epoch: options.epoch)
      if let definition, !options.noCache, let found = try find(definition),
        let record = StepRecord(found, environment.snapshots)
      {
        return (record.key, found, true)
      }
    }
    let remote = try await fetch(copy, step)
    let environment = environment
    let tree = try await onThread { try self.tree(of: copy, source) }
    let taken = try await onThread { [known] in
      try CopyStep(copy, tree: tree, remote: remote, known: source == nil ? known : nil)
    }
    let key = CacheKey.step(vertex.operation, on: built.key, sources: try taken.contentKey(), epoch: options.epoch)
    let made = try await reuse(key, else: built, step) { pending, parent in
      try await onThread {
        try taken.write(into: pending, on: parent, environment.snapshots, epoch: self.options.epoch)
      }
    }
    // What follows is keyed by what the files are, not by where they came from.
    if let definition, made.key == key {
      try environment.snapshots.addKey(Self.cacheKey(definition), to: made.snapshot)
    }
    return made
  }

  private func tree(of copy: CopyOperation, _ source: BuiltStage?) throws -> SourceTree? {
    switch copy.from {
    case .context:
      let needsContext = copy.sources.contains { if case .path = $0 { true } else { false } }
      guard needsContext else { return nil }
      guard let tree = input.tree else {
        throw BuildError.context("there is no build context: the Dockerfile came alone on standard input")
      }
      return tree
    case .stage, .image:
      guard let source else { return nil }
      if let tree = sources.withLock({ $0[source.key.hex] }) { return tree }
      let snapshots = environment.snapshots
      let tree = SourceTree(try snapshots.openView(source.files.snapshot(snapshots)), isContext: false)
      sources.withLock { $0[source.key.hex] = tree }
      return tree
    }
  }

  private func fetch(_ copy: CopyOperation, _ step: BuildStep) async throws -> [RemoteFile] {
    var files: [RemoteFile] = []
    for source in copy.sources {
      guard case .url(let url) = source else { continue }
      files.append(
        try await RemoteFile.fetch(url, checksum: copy.checksum, environment.content, environment.registry()) { _, _ in
        })
    }
    return files
  }

  // MARK: - Cache

  private static func cacheKey(_ key: CacheKey) -> String { "build:\(key)" }

  private func find(_ key: CacheKey) throws -> Snapshot? { try environment.snapshots.find(Self.cacheKey(key)) }

  /// The snapshot of a key, from this build, from an earlier one, or made now.
  ///
  /// - Parameter body: makes it; false where what it made is not what the key says.
  private func reuse(
    _ key: CacheKey, else built: BuiltStage, _ step: BuildStep,
    _ body: @escaping @Sendable (PendingSnapshot, Snapshot?) async throws -> Bool
  ) async throws -> Made {
    if let snapshot = await results.claim(key) { return (key, snapshot, true) }
    var finished: Snapshot?
    var madeKey = key
    do {
      if !options.noCache, let found = try find(key) {
        await results.finish(key, found)
        return (key, found, true)
      }
      let snapshots = environment.snapshots
      let files = built.files
      await slots.take()
      do {
        try Task.checkCancellation()
        let (parent, pending) = try await onThread { () -> (Snapshot?, PendingSnapshot) in
          let parent = try files.snapshot(snapshots)
          return (parent, try snapshots.begin(parent: parent))
        }
        do {
          if try await !body(pending, parent) {
            // Nobody can ask for this one again.
            madeKey = CacheKey.changed(key)
          }
          try Task.checkCancellation()
          let epoch = options.epoch
          let written = madeKey
          finished = try await onThread {
            if let epoch { try LayerDates.clamp(pending.fs, to: epoch) }
            try StepRecord(created: epoch.map { Timestamp.text($0) } ?? Timestamp.now(), key: written).write(
              for: pending)
            return try pending.commit(keys: [Self.cacheKey(written)])
          }
        } catch {
          pending.discard()
          throw error
        }
      } catch {
        await slots.give()
        throw error
      }
      await slots.give()
    } catch {
      await results.finish(key, nil)
      throw error
    }
    await results.finish(key, madeKey == key ? finished : nil)
    guard let finished else { throw CancellationError() }
    return (madeKey, finished, false)
  }
}

/// `[name 2/5] RUN make`
struct StepTitle {
  private let prefix: String
  private let total: Int

  init(_ stage: LoweredStage, isOnly: Bool) {
    prefix = isOnly ? "" : stage.stage.displayName + " "
    total = stage.vertices.count + 1
  }

  func text(_ instruction: String, _ number: Int) -> String {
    let digits = String(number)
    let padding = String(repeating: " ", count: max(0, String(total).utf8.count - digits.utf8.count))
    let line = instruction.split(whereSeparator: \.isNewline).joined(separator: " ")
    return "[\(prefix)\(padding)\(digits)/\(total)] \(line)"
  }
}

extension BuildError {
  func located(_ step: String, _ location: SourceRange) -> BuildError {
    switch self {
    case .run, .image, .step: self
    default: .step(step, location: location, self)
    }
  }

  /// Without place and step: they are said around it.
  var summary: String {
    if case .run(_, _, let command, let status, _) = self {
      return "process \"\(command)\" did not complete successfully: exit code: \(status)"
    }
    return description
  }
}
