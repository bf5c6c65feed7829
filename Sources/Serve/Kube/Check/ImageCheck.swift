public import ImageSpec

/// Whether an image runs under Kubernetes' restricted Pod Security Standard, and what to change.
/// (Kubernetes, concepts/security/pod-security-standards, Restricted)
public struct ImageCheck: Sendable, Hashable, Codable {
  public enum Level: String, Sendable, Codable {
    /// The image does not run under the standard as it is.
    case failure
    /// It runs; this is worth knowing or changing.
    case advice
    case pass
  }

  public struct Finding: Sendable, Hashable, Codable {
    public var level: Level
    /// What was looked at: `user`, `program`, …
    public var subject: String
    public var message: String
    /// What to write instead; nil where nothing has to change.
    public var fix: String?
  }

  public private(set) var findings: [Finding] = []

  public var passes: Bool { !findings.contains { $0.level == .failure } }

  /// - Parameter files: what the image's file system holds, where it could be looked at.
  public init(_ config: ImageConfig, platform: Platform = .host, files: ImageFiles? = nil) {
    let container = config.config ?? ContainerConfig()
    checkPlatform(config, platform)
    checkUser(container.user)
    checkProgram(container)
    checkPorts(container)
    checkVolumes(container, files)
    checkHealth(container)
    if let files { checkFiles(files) }
  }

  private mutating func add(_ level: Level, _ subject: String, _ message: String, _ fix: String? = nil) {
    findings.append(Finding(level: level, subject: subject, message: message, fix: fix))
  }

  private mutating func checkPlatform(_ config: ImageConfig, _ platform: Platform) {
    if config.os != "linux" {
      add(.failure, "platform", "the image is for \(config.platform), and pods here run on Linux", "build it with --platform linux/\(platform.architecture)")
    } else if !platform.runs(config.platform) {
      add(.failure, "platform", "the image is for \(config.platform) and this machine is \(platform)", "build it with --platform \(platform)")
    } else {
      add(.pass, "platform", "\(config.platform)")
    }
  }

  private mutating func checkUser(_ text: String?) {
    let parts = (text ?? "").split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let user = parts.first ?? ""
    do throws(NonRootRule.Violation) {
      try NonRootRule.check(runAsNonRoot: true, runAsUser: nil, imageUser: text)
    } catch {
      let why =
        switch error {
        case .imageUserIsName(let name): "the user is the name \"\(name)\", and the kubelet can only tell from a number that it is not root"
        default: user.isEmpty ? "no user is set, so it runs as root" : "the user is root"
        }
      return add(.failure, "user", "\(why): runAsNonRoot refuses it", "USER 65532:65532, or another number that is not 0, as the last USER")
    }
    if parts.count == 2, parts[1] == "0" || parts[1] == "root" {
      add(.advice, "user", "the user is \(user), but the group is root's", "USER \(user):\(user)")
    } else {
      add(.pass, "user", text ?? "")
    }
  }

  private mutating func checkProgram(_ container: ContainerConfig) {
    let program = (container.entrypoint ?? []) + (container.cmd ?? [])
    guard let first = program.first, !first.isEmpty else {
      return add(
        .failure, "program", "neither ENTRYPOINT nor CMD is set, so a pod without a command does not start",
        "ENTRYPOINT [\"/path/to/program\"]")
    }
    let isShell = program.count >= 3 && program[1] == "-c" && (first.split(separator: "/").last ?? "").hasSuffix("sh")
    if isShell, !program[2].trimmingPrefix(while: { $0 == " " }).hasPrefix("exec ") {
      add(
        .advice, "program", "a shell is process 1 and does not hand SIGTERM on, so the pod stops only after its grace period",
        "ENTRYPOINT [\"program\", \"argument\"], the exec form")
    } else {
      add(.pass, "program", program.joined(separator: " "))
    }
  }

  private mutating func checkPorts(_ container: ContainerConfig) {
    let low = (container.exposedPorts ?? [:]).keys.compactMap { key in Int(key.prefix { $0 != "/" }) }.filter { $0 < 1024 }.sorted()
    guard !low.isEmpty else { return }
    let names = low.map(String.init).joined(separator: ", ")
    add(
      .advice, "ports", "a user that is not root cannot listen on \(names) where the node keeps ports below 1024 for root",
      "listen on a port from 1024 on, and let the Service map \(names) to it")
  }

  private mutating func checkVolumes(_ container: ContainerConfig, _ files: ImageFiles?) {
    for volume in (container.volumes ?? [:]).keys.sorted() {
      add(
        .advice, "volumes", "VOLUME \(volume) says nothing to Kubernetes: what is written there is lost with the container",
        "mount a volume at \(volume) in the pod")
    }
    let mounted = Set((container.volumes ?? [:]).keys)
    let written = (files?.writable ?? []).filter { !mounted.contains($0) }
    if !written.isEmpty {
      add(
        .advice, "root", "the user owns \(Self.list(written)), which cannot be written with readOnlyRootFilesystem: true",
        "mount an emptyDir where the program writes")
    }
  }

  private mutating func checkHealth(_ container: ContainerConfig) {
    guard let test = container.healthcheck?.test, let first = test.first, first != "NONE" else { return }
    add(
      .advice, "health", "Kubernetes does not read HEALTHCHECK",
      "livenessProbe: {exec: {command: \(first == "CMD" ? Array(test.dropFirst()) : ["/bin/sh", "-c"] + test.dropFirst())}}")
  }

  private mutating func checkFiles(_ files: ImageFiles) {
    guard !files.privileged.isEmpty else { return add(.pass, "files", "none is setuid, setgid or has capabilities") }
    add(
      .advice, "files",
      "\(Self.list(files.privileged)) \(files.privileged.count == 1 ? "is" : "are") setuid, setgid or \(files.privileged.count == 1 ? "has" : "have") capabilities, "
        + "which allowPrivilegeEscalation: false switches off",
      "leave them out, or RUN chmod a-s on them, if the program needs none of them")
  }

  private static func list(_ paths: [String]) -> String {
    paths.count <= 4 ? paths.joined(separator: ", ") : paths.prefix(3).joined(separator: ", ") + " and \(paths.count - 3) more"
  }

  /// The security context that the standard wants beside the image.
  public static let securityContext = """
    securityContext:
      runAsNonRoot: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
    """
}
