internal import BuildGraph
internal import Content
internal import DockerfileSyntax
internal import ImageSpec
internal import Snapshots
internal import Synchronization
internal import SystemPackage

/// Builds an image from a Dockerfile: only the stages that it needs, side by side where they do not need each other,
/// each step looked up by what it is made of before it is made.
public final class Solver: Sendable {
  let environment: BuildEnvironment
  let options: BuildOptions
  let input: BuildInput
  let log: ProgressLog
  let results = StepResults()
  let slots = Slots(processors)
  let known: KnownDigests?
  let networks: StepNetworks
  private let sources = Mutex<[String: SourceTree]>([:])

  public init(_ input: BuildInput, _ options: BuildOptions, _ environment: BuildEnvironment, progress: @escaping BuildProgress) {
    self.input = input
    self.options = options
    self.environment = environment
    log = ProgressLog(progress)
    known = input.place.map { KnownDigests(environment.builds.appending("digests").appending($0)) }
    networks = StepNetworks(environment.network) { [log] in log.warn($0) }
  }

  /// Builds the target. Nothing is named yet: `commit` and the exports take the result from here.
  public func build() async throws -> BuildResult {
    let plan = try BuildPlan(input.dockerfile, options.request)
    let (lowered, images) = try await lower(plan)
    warnOfUnusedArguments(lowered)
    let promises = Dictionary(uniqueKeysWithValues: lowered.keys.map { ($0, Promise<BuiltStage>()) })
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for index in lowered.keys.sorted() {
          guard let stage = lowered[index], let promise = promises[index] else { continue }
          group.addTask {
            do {
              await promise.fulfill(.success(try await self.build(stage, promises, images)))
            } catch {
              await promise.fulfill(.failure(error))
              throw error
            }
          }
        }
        try await group.waitForAll()
      }
    } catch {
      known?.save()
      throw error
    }
    known?.save()
    guard let target = lowered[plan.target], let promise = promises[plan.target] else {
      throw BuildError.input("the target stage was not built")
    }
    let built = try await promise.value()
    return BuildResult(stage: built, config: config(of: target, built), epoch: options.epoch)
  }

  private func warnOfUnusedArguments(_ stages: [Int: LoweredStage]) {
    var used = Set(PredefinedArguments.platforms(options.request).keys)
    used.formUnion(PredefinedArguments.proxies)
    used.formUnion([PredefinedArguments.sourceDateEpoch, PredefinedArguments.sandboxHostname])
    for stage in stages.values { used.formUnion(stage.usedArguments) }
    for instruction in input.dockerfile.globalArguments {
      guard case .arg(let declarations) = instruction.kind else { continue }
      used.formUnion(declarations.map(\.name))
    }
    let unused = options.request.arguments.keys.filter { !used.contains($0) }.sorted()
    if !unused.isEmpty { log.warn("One or more build-args \(unused) were not consumed") }
  }

  private func config(of target: LoweredStage, _ built: BuiltStage) -> ImageConfig {
    var config = target.state.config
    if !options.request.labels.isEmpty {
      var container = config.config ?? ContainerConfig()
      container.labels = (container.labels ?? [:]).merging(options.request.labels) { $1 }
      config.config = container
    }
    config.created = options.epoch.map { Timestamp.text($0) } ?? built.created
    config.history = built.history
    return config
  }

  // MARK: - Images

  private typealias Images = [BuildPlan.Base: BaseImage]

  /// Looks images up, and makes steps of stages. What an image's ONBUILD says may need further stages and images.
  private func lower(_ plan: BuildPlan) async throws -> (stages: [Int: LoweredStage], images: [BuildPlan.Base: BaseImage]) {
    var plan = plan
    var images: Images = [:]
    var lowered: [Int: LoweredStage] = [:]
    var triggered: Set<Int> = []
    while true {
      try await fetch(plan.neededImages().filter { images[.image($0.name, $0.platform)] == nil }, plan, &images)
      let stages = try plan.neededStages()
      lowered = [:]
      var isSettled = true
      for index in stages {
        let planned = plan.stage(index)
        let state: ImageState
        let triggers: [String]
        switch planned.base {
        case .scratch: (state, triggers) = (ImageState(scratch: planned.platform), [])
        case .stage(let parent):
          // Stages come after those that they need.
          guard let below = lowered[parent]?.state else { continue }
          (state, triggers) = (ImageState(stage: below), below.triggers)
        case .image(let name, _):
          guard let image = images[planned.base] else { continue }
          state = ImageState(image: image.config)
          triggers = image.config.config?.onBuild ?? []
          _ = name
        }
        if !triggers.isEmpty, triggered.insert(index).inserted {
          let name = planned.stage.base
          plan = plan.addingTriggers(try triggers.map { try Dockerfile.trigger($0, of: name) }, to: index)
          isSettled = false
          break
        }
        lowered[index] = try LoweredStage(plan, stage: index, from: state)
      }
      if isSettled { return (lowered, images) }
    }
  }

  private func fetch(
    _ wanted: [(name: String, platform: Platform, location: SourceRange)], _ plan: BuildPlan, _ images: inout Images
  ) async throws {
    guard !wanted.isEmpty else { return }
    let found = try await withThrowingTaskGroup(of: (BuildPlan.Base, BaseImage).self) { group in
      for image in wanted {
        group.addTask { (.image(image.name, image.platform), try await self.fetch(image, near: plan.stageNear(image.name))) }
      }
      return try await group.reduce(into: Images()) { $0[$1.0] = $1.1 }
    }
    images.merge(found) { $1 }
  }

  private func fetch(
    _ image: (name: String, platform: Platform, location: SourceRange), near: String?
  ) async throws -> BaseImage {
    do {
      let shown = try Reference(parsing: image.name).tagged.description
      return try await log.step("[internal] load metadata for \(shown)") { step in
        try await environment.image(image.name, image.platform, options.pull) { event in
          if let text = TransferText.line(event) { self.log.status(step, text) }
        }
      }
    } catch let error as CancellationError {
      throw error
    } catch {
      throw BuildError.image(name: image.name, location: image.location, error, stageNear: near)
    }
  }

  // MARK: - Stages

  private func build(
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

  private func make(_ vertex: Vertex, _ step: BuildStep, on built: BuiltStage, _ source: BuiltStage?) async throws -> Made {
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
    let taken = try await onThread { [known] in try CopyStep(copy, tree: tree, remote: remote, known: source == nil ? known : nil) }
    let key = CacheKey.step(vertex.operation, on: built.key, sources: try taken.contentKey(), epoch: options.epoch)
    let made = try await reuse(key, else: built, step) { pending, parent in
      try await onThread {
        try taken.write(into: pending, on: parent, environment.snapshots, epoch: self.options.epoch)
      }
    }
    // What follows is keyed by what the files are, not by where they came from.
    if let definition, made.key == key { try environment.snapshots.addKey(Self.cacheKey(definition), to: made.snapshot) }
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
        try await RemoteFile.fetch(url, checksum: copy.checksum, environment.content, environment.registry()) { _, _ in })
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
            try StepRecord(created: epoch.map { Timestamp.text($0) } ?? Timestamp.now(), key: written).write(for: pending)
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

extension BuildEnvironment {
  /// `<root>/builds`
  var builds: FilePath { content.root.appending("builds") }
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
