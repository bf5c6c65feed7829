internal import DockerfileSyntax
public import ImageSpec

/// What a stage has made of its image's configuration so far.
public struct ImageState: Sendable {
  /// Without layers and history.
  public internal(set) var config: ImageConfig
  /// ARG in scope: declared, with a value, in order.
  var arguments: [(name: String, value: String?)] = []
  var hasOwnCommand = false

  public static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  static let defaultShell = ["/bin/sh", "-c"]

  /// From nothing.
  public init(scratch platform: Platform) {
    config = ImageConfig(platform: platform)
    addPath()
  }

  /// From an image. Its triggers are the plan's (`BuildPlan.addingTriggers`) and not the result's.
  public init(image: ImageConfig) {
    config = image
    config.config = image.config ?? ContainerConfig()
    config.config?.onBuild = nil
    config.rootfs = RootFS(diffIDs: [])
    config.history = nil
    config.created = nil
    addPath()
  }

  /// From an earlier stage: its arguments are in scope too.
  public init(stage: ImageState) {
    self = stage
    config.config?.onBuild = nil
    hasOwnCommand = false
  }

  /// From nothing, for an image that is not built: without a default path.
  init(unbuilt platform: Platform) {
    config = ImageConfig(platform: platform)
    config.config = ContainerConfig()
  }

  private mutating func addPath() {
    if !(container.env ?? []).contains(where: { $0.hasPrefix("PATH=") }) {
      container.env = (container.env ?? []) + ["PATH=\(Self.defaultPath)"]
    }
  }

  public internal(set) var container: ContainerConfig {
    get { config.config ?? ContainerConfig() }
    set { config.config = newValue }
  }

  /// ONBUILD triggers that a stage on this one runs first.
  public var triggers: [String] { container.onBuild ?? [] }

  var shell: [String] { container.shell ?? Self.defaultShell }

  var workingDirectory: String { container.workingDir.flatMap { $0.isEmpty ? nil : $0 } ?? "/" }

  /// ENV always wins over ARG. (Dockerfile reference, Using ARG variables)
  var variables: [String: String] {
    var result: [String: String] = [:]
    for argument in arguments { if let value = argument.value { result[argument.name] = value } }
    for entry in container.env ?? [] {
      let name = entry.utf8.prefix { $0 != UInt8(ascii: "=") }
      result[String(decoding: name, as: UTF8.self)] = String(
        decoding: entry.utf8[name.endIndex...].dropFirst(), as: UTF8.self)
    }
    return result
  }

  mutating func setEnvironment(_ name: String, _ value: String) {
    var env = container.env ?? []
    let entry = "\(name)=\(value)"
    if let index = env.firstIndex(where: { $0.utf8.starts(with: "\(name)=".utf8) }) { env[index] = entry } else { env.append(entry) }
    container.env = env
  }

  mutating func setArgument(_ name: String, _ value: String?) {
    arguments.removeAll { $0.name == name }
    arguments.append((name, value))
  }

  /// An absolute path: relative ones begin at the working directory.
  func absolute(_ path: String) -> String {
    path.utf8.first == UInt8(ascii: "/") ? path : (workingDirectory == "/" ? "" : workingDirectory) + "/" + path
  }
}
