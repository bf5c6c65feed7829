import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import TestDirectories
import Testing

@testable import OCIRuntime

/// A directory with bundles and a state directory of its own, and the built program.
///
/// What these tests prove can only be proved in a container: they need root, the program beside the test bundle, and a
/// statically linked busybox for the root file system.
final class RuntimeHost: Sendable {
  let directory: FilePath
  let program: FilePath
  private static let busybox: FilePath = "/bin/busybox"

  /// Why containers cannot be run here; nil when they can.
  static let obstacle: Comment? = {
    if geteuid() != 0 { return "containers are started by root in these tests" }
    if found == nil { return "clipper-runtime is not built beside the tests" }
    guard let bytes = try? readFile(busybox), !bytes.isEmpty else {
      return "busybox is not installed (Debian: busybox-static)"
    }
    return nil
  }()

  static var isAble: Bool {
    if let obstacle { print("SKIPPED: container tests: \(obstacle)") }
    return obstacle == nil
  }

  /// Whether all controllers sit in one cgroup v2 tree. Suites named `Guest…` need that: `make test-vm` runs them in a
  /// small guest where the machine's own tree is another one.
  static var hasUnifiedTree: Bool {
    guard isAble else { return false }
    let tree = CgroupTree.find()
    if tree?.mount == "/sys/fs/cgroup", tree?.controllers.isSuperset(of: ["memory", "pids", "cpu"]) == true { return true }
    print("SKIPPED: tests of cgroup limits: this machine has no pure cgroup v2 tree; `make test-vm` runs them in a guest")
    return false
  }

  private static let found: FilePath? = {
    let here = FilePath(CommandLine.arguments[0]).removingLastComponent()
    var candidates = [here.appending("clipper-runtime"), FilePath(".build/debug/clipper-runtime")]
    if let path = getenv("CLIPPER_RUNTIME") { candidates.insert(FilePath(String(cString: path)), at: 0) }
    return candidates.first { access($0.string, X_OK) == 0 }
  }()

  /// The program where every user can get to it: the folder that it was built in may be its owner's alone.
  private static let foundByAll: FilePath? = {
    guard let found, let program = try? Bundle.absolute(found), let bytes = try? readFile(program) else { return nil }
    var above = program
    var isOpen = true
    while above.removeLastComponent() {
      var status = stat()
      isOpen = isOpen && stat(above.string, &status) == 0 && status.st_mode & 0o001 != 0
    }
    if isOpen { return program }
    guard (try? writeFileAtomically(FilePath(sharedCopy()), bytes, mode: 0o755)) != nil else { return nil }
    atexit { unlink(RuntimeHost.sharedCopy()) }
    return FilePath(sharedCopy())
  }()

  private static func sharedCopy() -> String { "/var/tmp/clipper-runtime.program.\(getpid())" }

  /// Executable files of a container must not need a dynamic loader that is not in it.
  var isStatic: Bool {
    guard let bytes = try? readFile(program) else { return false }
    // The program header of an interpreter names it.
    return !bytes.prefix(4096).contains("/lib64/ld-linux".utf8)
  }

  /// - Parameter forAll: for tests whose callers are ordinary users.
  init(forAll: Bool = false) throws {
    directory = try makeTestDirectory("clipper-runtime", in: "/var/tmp")
    program = try Bundle.absolute(try #require(forAll ? Self.foundByAll : Self.found))
    chmod(directory.string, 0o755)
    try makeRoot(directory.appending("rootfs"))
  }

  deinit {
    for name in (try? directoryEntries(of: state)) ?? [] where !name.hasPrefix(".") {
      _ = try? runtime("delete", "--force", name)
    }
    try? removeTree(directory)
  }

  var state: FilePath { directory.appending("state") }
  var root: FilePath { directory.appending("rootfs") }

  func makeRoot(_ root: FilePath) throws {
    for path in ["bin", "etc", "proc", "sys", "dev", "tmp", "root"] { try makeDirectories(root.appending(path)) }
    try copy(Self.busybox, root.appending("bin/busybox"))
    let commands = [
      "sh", "cat", "echo", "true", "false", "sleep", "id", "ls", "stat", "mkdir", "mount", "grep", "hostname", "touch",
      "tty", "stty", "head",
      "readlink", "kill", "wc", "dd", "ps", "mknod", "tr", "rm", "nc", "httpd",
    ]
    for command in commands { try Errno.check(symlink("busybox", root.appending("bin/\(command)").string)) }
    try write(root.appending("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
  }

  func copy(_ from: FilePath, _ to: FilePath) throws {
    let bytes = try readFile(from)
    let file = try openat2(workingDirectory, to.string, flags: O_WRONLY | O_CREAT, mode: 0o755)
    try writeAll(file.number, bytes)
  }

  func write(_ path: FilePath, _ text: String) throws {
    let file = try openat2(workingDirectory, path.string, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    try writeAll(file.number, Array(text.utf8))
  }

  func read(_ path: FilePath) throws -> String { String(decoding: try readFile(path), as: UTF8.self) }

  /// Docker's defaults around a command.
  func config(_ arguments: [String]) -> RuntimeConfig {
    let capabilities = LinuxCapabilities(allowing: ["CAP_KILL", "CAP_MKNOD", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN"])
    return RuntimeConfig(
      process: ContainerProcess(args: arguments, env: ["PATH=/bin"], capabilities: capabilities),
      root: ContainerRoot(path: root.string), hostname: "box", mounts: DockerDefaults.mounts(),
      linux: LinuxConfig(
        resources: LinuxResources(devices: DockerDefaults.deviceRules),
        namespaces: [.pid, .network, .ipc, .uts, .mount, .cgroup].map { LinuxNamespace(type: $0) },
        maskedPaths: DockerDefaults.maskedPaths, readonlyPaths: DockerDefaults.readonlyPaths))
  }

  func bundle(_ id: String, _ arguments: [String], _ change: (inout RuntimeConfig) -> Void = { _ in }) throws
    -> FilePath
  {
    var config = config(arguments)
    // Tests run side by side, with containers of the same names.
    config.linux?.cgroupsPath = "\(directory.lastComponent?.string ?? "")-\(id)"
    change(&config)
    let bundle = directory.appending(id)
    try makeDirectories(bundle)
    try write(bundle.appending("config.json"), String(decoding: try JSONText.encode(config), as: UTF8.self))
    return bundle
  }

  struct Result {
    let status: Int32
    let output: String
    let errorOutput: String
    var lines: [String] { output.split(separator: "\n").map { String($0) } }
  }

  @discardableResult
  func runtime(_ arguments: String..., input: String = "", descriptors: [(CInt, CInt)] = []) throws -> Result {
    try runtime(arguments, input: input, descriptors: descriptors)
  }

  func runtime(_ arguments: [String], input: String = "", descriptors: [(CInt, CInt)] = []) throws -> Result {
    var spawn = Spawn(program, ["--root", state.string] + arguments)
    spawn.descriptors = descriptors
    let run = try spawn.capture(input: Array(input.utf8), milliseconds: 30_000)
    return Result(
      status: run.status.code, output: String(decoding: run.output, as: UTF8.self),
      errorOutput: String(decoding: run.errorOutput, as: UTF8.self))
  }

  /// `run` of a command in a container of its own.
  func run(
    _ arguments: [String], input: String = "", _ change: (inout RuntimeConfig) -> Void = { _ in }
  ) throws -> Result {
    let id = "c\(UInt64.random(in: 0...UInt64.max))"
    return try runtime(["run", "--bundle", try bundle(id, arguments, change).string, id], input: input)
  }

  func shell(_ script: String, _ change: (inout RuntimeConfig) -> Void = { _ in }) throws -> Result {
    try run(["sh", "-c", script], change)
  }

  /// Created and started, to be looked at while it runs.
  func started(_ id: String, _ arguments: [String], _ change: (inout RuntimeConfig) -> Void = { _ in }) throws {
    let bundle = try bundle(id, arguments, change)
    try succeed(runtime("create", "--bundle", bundle.string, "--pid-file", directory.appending("\(id).pid").string, id))
    try succeed(runtime("start", id))
  }

  func succeed(_ result: Result, sourceLocation: SourceLocation = #_sourceLocation) throws {
    try #require(result.status == 0, "\(result.errorOutput)", sourceLocation: sourceLocation)
  }

  func status(_ id: String) throws -> RuntimeState.Status {
    try JSONText.decode(RuntimeState.self, Array(try runtime("state", id).output.utf8), name: "state").status
  }
}

/// Waits, at most ten seconds, until something holds.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  for _ in 0..<500 {
    if try condition() { return true }
    usleep(20_000)
  }
  return false
}
