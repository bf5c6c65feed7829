internal import BuildGraph
internal import DockerfileSyntax
internal import ImageSpec

extension Solver {
  typealias Images = [BuildPlan.Base: BaseImage]

  /// Looks images up, and makes steps of stages. What an image's ONBUILD says may need further stages and images.
  func lower(_ plan: BuildPlan) async throws -> (
    stages: [Int: LoweredStage], images: [BuildPlan.Base: BaseImage]
  ) {
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
        group.addTask {
          (.image(image.name, image.platform), try await self.fetch(image, near: plan.stageNear(image.name)))
        }
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
}
