import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// The program run by an ordinary user, who exists in a mount namespace of the test's alone: with lines of its own in
/// /etc/passwd, /etc/subuid and /etc/subgid.
final class RootlessHost: Sendable {
  enum Caller {
    /// The user, in the machine's first user namespace.
    case user
    /// Root of a user namespace that the user has made, with the ranges of /etc/subuid and a mount namespace: what
    /// `podman unshare` gives.
    case namespaceRoot
    /// The same, mapped alone and in the machine's mount namespace: what `unshare --map-root-user` gives.
    case loneNamespaceRoot
  }

  let host: RuntimeHost
  static let user: UInt32 = 64242
  /// First of the user's further IDs.
  static let range: UInt32 = 700_000

  private static let programs = ["/usr/bin/unshare", "/usr/bin/setpriv", "/bin/mount", "/bin/sh"]

  static let isAble: Bool = {
    guard RuntimeHost.isAble else { return false }
    guard programs.allSatisfy({ (path: String) in access(path, X_OK) == 0 }) else {
      print("SKIPPED: rootless containers: unshare, setpriv and mount are needed (Debian: util-linux)")
      return false
    }
    guard
      let run = try? Spawn("/usr/bin/setpriv", ["--reuid", "64242", "--clear-groups", "unshare", "--user", "true"])
        .capture(milliseconds: 30_000), run.status == .exited(0)
    else {
      print("SKIPPED: rootless containers: the kernel lets ordinary users make no user namespaces")
      return false
    }
    return true
  }()

  static let mapsRanges: Bool = {
    guard isAble else { return false }
    if access("/usr/bin/newuidmap", X_OK) == 0, access("/usr/bin/newgidmap", X_OK) == 0 { return true }
    print("SKIPPED: rootless containers with ranges of IDs: newuidmap is not installed (Debian: uidmap)")
    return false
  }()

  init() throws {
    host = try RuntimeHost(forAll: true)
    try makeDirectories(runtimeDirectory, mode: 0o700)
    try makeDirectories(host.directory.appending("etc"))
    try own(host.directory)
  }

  var runtimeDirectory: FilePath { host.directory.appending("run") }

  deinit {
    // As the user: what another one says about processes is not believed by root.
    let state = runtimeDirectory.appending("clipper/runtime")
    for name in (try? directoryEntries(of: state)) ?? [] where !name.hasPrefix(".") {
      _ = try? runtime("delete", "--force", name)
    }
  }

  /// Gives a tree to the user.
  func own(_ path: FilePath) throws {
    try Errno.check(lchown(path.string, Self.user, Self.user))
    var status = stat()
    guard lstat(path.string, &status) == 0, status.isDirectory else { return }
    for name in try directoryEntries(of: path) { try own(path.appending(name)) }
  }

  /// What `spec --rootless` writes, around a command.
  func config(_ arguments: [String]) -> RuntimeConfig {
    var config = host.config(arguments)
    config.process?.noNewPrivileges = true
    config.makeRootless(user: Self.user, group: Self.user)
    return config
  }

  func bundle(_ id: String, _ arguments: [String], _ change: (inout RuntimeConfig) -> Void = { _ in }) throws
    -> FilePath
  {
    var config = config(arguments)
    // Tests run side by side, with containers of the same names.
    config.linux?.cgroupsPath = "\(host.directory.lastComponent?.string ?? "")-\(id)"
    change(&config)
    let bundle = host.directory.appending(id)
    try makeDirectories(bundle)
    try host.write(bundle.appending("config.json"), String(decoding: try JSONText.encode(config), as: UTF8.self))
    try own(bundle)
    return bundle
  }

  /// A command as the user: `before` is a part of a shell script that root runs in the test's mount namespace.
  func command(
    _ arguments: [String], as caller: Caller = .user, before: String = "", environment: [String]? = nil,
    input: String = ""
  ) throws -> RuntimeHost.Result {
    let script = """
      set -e
      mount -t tmpfs tmpfs \(host.directory)/etc
      mkdir \(host.directory)/etc/upper \(host.directory)/etc/work
      mount -t overlay -o lowerdir=/etc,upperdir=\(host.directory)/etc/upper,workdir=\(host.directory)/etc/work etc /etc
      echo 'tester:x:\(Self.user):\(Self.user)::/:/bin/sh' >> /etc/passwd
      echo 'tester:\(Self.range):65536' > /etc/subuid
      echo 'tester:\(Self.range):65536' > /etc/subgid
      \(before)
      exec /usr/bin/setpriv --reuid \(Self.user) --regid \(Self.user) --clear-groups "$@"
      """
    let inner: [String] =
      switch caller {
      case .user: []
      case .namespaceRoot: ["unshare", "--user", "--map-root-user", "--map-auto", "--mount"]
      case .loneNamespaceRoot: ["unshare", "--user", "--map-root-user"]
      }
    var spawn = Spawn(
      "/usr/bin/unshare",
      ["--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh"] + inner + arguments)
    spawn.environment =
      environment ?? ["PATH=/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR=\(runtimeDirectory)"]
    let run = try spawn.capture(input: Array(input.utf8), milliseconds: 60_000)
    return RuntimeHost.Result(
      status: run.status.code, output: String(decoding: run.output, as: UTF8.self),
      errorOutput: String(decoding: run.errorOutput, as: UTF8.self))
  }

  func runtime(_ arguments: String..., as caller: Caller = .user, before: String = "") throws -> RuntimeHost.Result {
    try command([host.program.string] + arguments, as: caller, before: before)
  }

  /// `run` of a shell script in a container of its own.
  func shell(
    _ script: String, as caller: Caller = .user, before: String = "",
    _ change: (inout RuntimeConfig) -> Void = { _ in }
  ) throws -> RuntimeHost.Result {
    let id = "c\(UInt64.random(in: 0...UInt64.max))"
    let bundle = try bundle(id, ["sh", "-c", script], change)
    return try runtime("run", "--bundle", bundle.string, id, as: caller, before: before)
  }
}

extension RuntimeConfig {
  /// The user as root, and further IDs from 1 on.
  mutating func mapRanges() {
    let mappings = [
      LinuxIDMapping(containerID: 0, hostID: RootlessHost.user, size: 1),
      LinuxIDMapping(containerID: 1, hostID: RootlessHost.range, size: 65536),
    ]
    linux?.uidMappings = mappings
    linux?.gidMappings = mappings
  }

  /// In the caller's user namespace.
  mutating func shareUserNamespace() {
    linux?.uidMappings = nil
    linux?.gidMappings = nil
    linux?.namespaces?.removeAll { $0.type == .user }
  }
}
