public import DockerfileSyntax
public import ImageSpec

/// A configuration from instructions alone, as `import --change` has them.
///
/// CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR are applied in order;
/// what makes files is refused.
public func imageConfig(applying changes: [String]) throws -> ContainerConfig {
  guard !changes.isEmpty else { return ContainerConfig() }
  let file = "--change"
  let dockerfile = try Dockerfile(parsing: "FROM scratch\n" + changes.joined(separator: "\n") + "\n", file: file)
  for instruction in dockerfile.stages.flatMap(\.instructions) {
    switch instruction.kind {
    case .cmd, .entrypoint, .env, .expose, .healthcheck, .label, .onBuild, .stopSignal, .user, .volume, .workdir: break
    default: throw ImageChangeError.notAllowed(instruction.text)
    }
  }
  guard dockerfile.stages.count == 1 else { throw ImageChangeError.notAllowed("FROM") }
  let plan = try BuildPlan(dockerfile, BuildRequest())
  var config = try LoweredStage(plan, stage: 0, from: ImageState(scratch: .host)).state.container
  // The default path is for images that are built.
  config.env = config.env?.filter { $0 != "PATH=\(ImageState.defaultPath)" }
  if config.env?.isEmpty == true { config.env = nil }
  return config
}

public enum ImageChangeError: Error, Hashable, Sendable, CustomStringConvertible {
  case notAllowed(String)

  public var description: String {
    switch self {
    case .notAllowed(let text):
      "\"\(text)\" is not a valid change: use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, "
        + "VOLUME or WORKDIR"
    }
  }
}
