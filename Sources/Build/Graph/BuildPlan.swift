public import DockerfileSyntax
public import ImageSpec

/// Which stages are built, and on what.
///
/// ONBUILD triggers are known only when their image is: `addingTriggers` may add stages and images.
public struct BuildPlan: Sendable {
  public enum Base: Hashable, Sendable {
    case scratch
    case stage(Int)
    case image(String, Platform)
  }

  /// Where COPY takes files from.
  public enum Source: Hashable, Sendable {
    case context
    case stage(Int)
    case image(String)
  }

  public struct PlannedStage: Sendable {
    public let stage: Stage
    public let base: Base
    public let platform: Platform
    /// What the base's ONBUILD recorded, then the stage's own.
    public internal(set) var instructions: [Instruction]
  }

  public let dockerfile: Dockerfile
  public let request: BuildRequest
  /// Index of the stage that is the result.
  public let target: Int
  /// What FROM knows: `ARG` before the first FROM, and the platforms.
  public let globals: [String: String]
  /// Those that `ARG` before the first FROM declared: a stage sees them after `ARG name`.
  let declaredGlobals: [String: String]
  private let all: [PlannedStage]

  public init(_ dockerfile: Dockerfile, _ request: BuildRequest) throws {
    self.dockerfile = dockerfile
    self.request = request
    for (name, value) in request.arguments where PredefinedArguments.unsupported(name, value) {
      throw BuildRequestError.unsupportedArgument(name)
    }
    (globals, declaredGlobals) = try Self.globals(dockerfile, request)
    if let name = request.target {
      guard let stage = dockerfile.stage(name) else {
        throw BuildRequestError.unknownTarget(name, stages: dockerfile.stages.map(\.displayName))
      }
      target = stage.index
    } else {
      target = dockerfile.stages.count - 1
    }
    var all: [PlannedStage] = []
    for stage in dockerfile.stages { all.append(try Self.plan(stage, after: all, globals, request)) }
    self.all = all
  }

  private init(_ plan: BuildPlan, _ all: [PlannedStage]) {
    dockerfile = plan.dockerfile
    request = plan.request
    target = plan.target
    globals = plan.globals
    declaredGlobals = plan.declaredGlobals
    self.all = all
  }

  public func stage(_ index: Int) -> PlannedStage { all[index] }

  /// The stages that the target needs, each after those that it needs.
  public func neededStages() throws(DockerfileError) -> [Int] {
    var needed: Set<Int> = [target]
    for index in all.indices.reversed() where needed.contains(index) {
      if case .stage(let base) = all[index].base { needed.insert(base) }
      for instruction in all[index].instructions {
        if case .stage(let source) = try source(of: instruction, in: index) { needed.insert(source) }
      }
    }
    return needed.sorted()
  }

  /// The images that these stages begin with or copy from.
  public func neededImages() throws(DockerfileError) -> [(name: String, platform: Platform, location: SourceRange)] {
    var seen: Set<Base> = []
    var images: [(name: String, platform: Platform, location: SourceRange)] = []
    for index in try neededStages() {
      if case .image(let name, let platform) = all[index].base, seen.insert(all[index].base).inserted {
        images.append((name, platform, all[index].stage.location))
      }
      for instruction in all[index].instructions {
        guard case .image(let name) = try source(of: instruction, in: index) else { continue }
        if seen.insert(.image(name, all[index].platform)).inserted {
          images.append((name, all[index].platform, instruction.location))
        }
      }
    }
    return images
  }

  /// The plan with a stage's base image's triggers in front of its own instructions.
  public func addingTriggers(_ triggers: [Instruction], to index: Int) -> BuildPlan {
    var all = all
    all[index].instructions = triggers + all[index].instructions
    return BuildPlan(self, all)
  }

  /// Where a COPY takes its files from; the context for all other instructions.
  func source(of instruction: Instruction, in index: Int) throws(DockerfileError) -> Source {
    guard case .copy(let copy) = instruction.kind, let from = copy.from else { return .context }
    let earlier = all[..<index].map(\.stage)
    if let stage = earlier.last(where: { $0.name == from.lowercased() }) { return .stage(stage.index) }
    if let number = Int(from) {
      guard earlier.indices.contains(number) else {
        throw DockerfileError(
          .malformed("COPY --from=\(from): there are \(earlier.count) stages before this one, counted from 0"),
          at: instruction.location)
      }
      return .stage(number)
    }
    if let later = all[index...].map(\.stage).first(where: { $0.name == from.lowercased() }) {
      throw DockerfileError(
        .malformed("COPY --from=\(from): the stage begins at line \(later.location.firstLine); a stage copies from earlier ones"),
        at: instruction.location)
    }
    if from.lowercased() == "scratch" {
      throw DockerfileError(.malformed("COPY --from=scratch: scratch has no files"), at: instruction.location)
    }
    return .image(from)
  }

  /// The stage that was probably meant by the name of an image that is not there.
  public func stageNear(_ name: String) -> String? {
    guard !name.utf8.contains(where: { Array("/:@.".utf8).contains($0) }) else { return nil }
    return nearestName(name, all.compactMap(\.stage.name))
  }

  // MARK: - FROM

  private static func globals(
    _ dockerfile: Dockerfile, _ request: BuildRequest
  ) throws -> (all: [String: String], declared: [String: String]) {
    var values = PredefinedArguments.platforms(request)
    var declared: [String: String] = [:]
    for (name, value) in request.arguments where values[name] != nil { values[name] = value }
    for instruction in dockerfile.globalArguments {
      guard case .arg(let declarations) = instruction.kind else { continue }
      for declaration in declarations {
        if let given = request.arguments[declaration.name] {
          values[declaration.name] = given
        } else if let text = declaration.value {
          values[declaration.name] = try expand(text, values, instruction.escape, instruction.location)
        }
        if let value = values[declaration.name] { declared[declaration.name] = value }
      }
    }
    return (values, declared)
  }

  private static func plan(
    _ stage: Stage, after earlier: [PlannedStage], _ globals: [String: String], _ request: BuildRequest
  ) throws -> PlannedStage {
    let base = try expand(stage.base, globals, stage.escape, stage.location)
    guard !base.isEmpty else {
      throw DockerfileError(.malformed("base name (\(stage.base)) should not be blank"), at: stage.location)
    }
    var platform = request.platform
    if let text = stage.platform {
      let value = try expand(text, globals, stage.escape, stage.location)
      do { platform = try Platform(parsing: value) } catch {
        throw DockerfileError(.malformed("FROM --platform=\(text): \(error)"), at: stage.location)
      }
    }
    if let parent = earlier.last(where: { $0.stage.name == base.lowercased() }) {
      return PlannedStage(
        stage: stage, base: .stage(parent.stage.index), platform: parent.platform, instructions: stage.instructions)
    }
    let planned: Base = base == "scratch" ? .scratch : .image(base, platform)
    return PlannedStage(stage: stage, base: planned, platform: platform, instructions: stage.instructions)
  }
}

func expand(
  _ text: String, _ variables: [String: String], _ escape: UInt8, _ location: SourceRange
) throws(DockerfileError) -> String {
  do { return try ShellLexer(escape: escape).word(text, variables) } catch {
    throw DockerfileError(.expansion(error), at: location)
  }
}
