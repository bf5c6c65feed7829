internal import DockerfileSyntax
public import ImageSpec

/// A configuration from instructions alone, as `import --change` has them.
///
/// CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are applied in order;
/// what makes files is refused.
public func imageConfig(
  applying changes: [String], to config: ContainerConfig = ContainerConfig()
) throws(ImageChangeError) -> ContainerConfig {
  guard !changes.isEmpty else { return config }
  var state = ImageState(unbuilt: .host)
  state.container = config
  for change in changes {
    do {
      let dockerfile = try Dockerfile(parsing: "FROM scratch\n\(change)\n", file: "--change")
      guard dockerfile.stages.count == 1, let instruction = dockerfile.stages[0].instructions.first,
        dockerfile.stages[0].instructions.count == 1, instruction.kind.isConfiguration
      else { throw ImageChangeError.notAllowed(change) }
      state = try LoweredStage(BuildPlan(dockerfile, BuildRequest()), stage: 0, from: state).state
    } catch let error as ImageChangeError {
      throw error
    } catch var error as DockerfileError {
      // There is no file that a line could be of.
      error.location = nil
      throw .invalid(change, reason: "\(error)")
    } catch { throw .invalid(change, reason: "\(error)") }
  }
  return state.container
}

extension Instruction.Kind {
  fileprivate var isConfiguration: Bool {
    switch self {
    case .cmd, .entrypoint, .env, .expose, .healthcheck, .label, .onBuild, .stopSignal, .user, .volume, .workdir: true
    default: false
    }
  }
}

public enum ImageChangeError: Error, Hashable, Sendable, CustomStringConvertible {
  case notAllowed(String)
  case invalid(String, reason: String)

  public var description: String {
    switch self {
    case .notAllowed(let text):
      "\"\(text.prefix(200))\" is not a valid change: use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, "
        + "STOPSIGNAL, USER, VOLUME or WORKDIR"
    case .invalid(let text, let reason): "change \"\(text.prefix(200))\": \(reason)"
    }
  }
}
