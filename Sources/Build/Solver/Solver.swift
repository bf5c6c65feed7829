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
  let sources = Mutex<[String: SourceTree]>([:])

  public init(
    _ input: BuildInput, _ options: BuildOptions, _ environment: BuildEnvironment, progress: @escaping BuildProgress
  ) {
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
}

extension BuildEnvironment {
  /// `<root>/builds`
  var builds: FilePath { content.root.appending("builds") }
}
