import Foundation
import Glibc
import Kernel
import SystemPackage
import TestDirectories
import Testing

/// One throw-away host for a test: a store, a run directory and a client configuration of its own.
///
/// The test program itself is started in a network namespace of its own by `make test`, so bridges, addresses and
/// firewall rules stay there.
final class Machine: Sendable {
  let directory: String
  let clipper: String
  let environment: [String: String]

  init() throws {
    clipper = try #require(Self.product("clipper"))
    directory = try makeTestDirectory("clipper-e2e", in: "/var/tmp").string
    var environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("CLIPPER_") }
    environment["CLIPPER_ROOT"] = directory + "/root"
    environment["CLIPPER_RUN_ROOT"] = directory + "/run"
    environment["CLIPPER_RUNTIME"] = Self.product("clipper-runtime")
    environment["DOCKER_CONFIG"] = directory + "/docker"
    environment["HOME"] = directory
    environment["TMPDIR"] = directory
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] { environment[name] = nil }
    self.environment = environment
    try writeFileAtomically(FilePath(directory + "/.close"), Array(Self.closing(directory, clipper, environment).utf8), mode: 0o700)
  }

  deinit {
    var spawn = Spawn("/usr/bin/timeout", ["-k", "5", "60", directory + "/.close"])
    spawn.environment = ["PATH=\(environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin")"]
    if let pid = try? spawn.start() { _ = try? waitForProcess(pid) }
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// Ends all that a machine has started: processes carry its directory in their environment.
  private static func closing(_ directory: String, _ clipper: String, _ environment: [String: String]) -> String {
    """
    #!/bin/bash
    # grep fails where one has ended meanwhile, also when it has found others.
    while processes=$(grep -slzxF 'MACHINE=\(directory)' /proc/[0-9]*/environ); [ -n "$processes" ]; do
      kill -KILL $(grep -o '[0-9]*' <<< "$processes")
      sleep 0.05
    done 2>/dev/null
    export \(environment.filter { $0.key.hasPrefix("CLIPPER_") }.map { "\($0.key)='\($0.value)'" }.joined(separator: " "))
    '\(clipper)' ps -aq | xargs -r '\(clipper)' rm -f -v
    awk '{print $5}' /proc/self/mountinfo | grep '^\(directory)/' | sort -r | xargs -r umount -l
    """
  }

  /// The programs stand beside the test bundle.
  static func product(_ name: String) -> String? {
    let candidates =
      [ProcessInfo.processInfo.environment["CLIPPER_BIN"].map { "\($0)/\(name)" }].compactMap { $0 }
      + [CommandLine.arguments[0], Bundle.main.bundlePath + "/x"].map {
        URL(fileURLWithPath: $0).deletingLastPathComponent().path + "/" + name
      } + [FileManager.default.currentDirectoryPath + "/.build/debug/\(name)"]
    return candidates.first { access($0, X_OK) == 0 }
  }

  struct Output: Sendable {
    let status: Int32
    let out: String
    let err: String
    /// Standard output without the last line's end.
    var line: String { out.hasSuffix("\n") ? String(out.dropLast()) : out }
  }

  /// What every script has at hand. It ends at the first command that fails; but not at one before `&&` or after `!`.
  private static let prelude = """
    set -Eeuo pipefail
    trap 'echo "failed: $BASH_COMMAND" >&2' ERR
    # A command that must fail.
    refused() { if "$@"; then echo "it went through: $*" >&2; exit 1; fi; }
    # grep -q for what comes through a pipe: it reads all, so that who writes sees no broken pipe.
    has() { grep "$@" | cat > /dev/null; }

    """

  private static let place = """
    cd "$MACHINE"
    PATH="$BIN:$PATH"

    """

  /// Runs a shell script in this machine's directory, with `clipper` on the path. It ends at its first command that
  /// fails. Killed after `limit` seconds, so that a hang is a failure and not a hang of the whole run.
  func run(_ script: String, input: String? = nil, limit: Int = 300) throws -> Output {
    let id = UUID().uuidString
    let (outPath, errPath, inPath) = ("\(directory)/.out-\(id)", "\(directory)/.err-\(id)", "\(directory)/.in-\(id)")
    try Data((input ?? "").utf8).write(to: URL(fileURLWithPath: inPath))
    defer { for path in [outPath, errPath, inPath] { unlink(path) } }
    let out = try openat2(AT_FDCWD, outPath, flags: O_RDWR | O_CREAT, mode: 0o600)
    let err = try openat2(AT_FDCWD, errPath, flags: O_RDWR | O_CREAT, mode: 0o600)
    let stdin = try openat2(AT_FDCWD, inPath, flags: O_RDONLY)
    var spawn = Spawn(
      "/usr/bin/timeout", ["-k", "5", "\(limit)", "/bin/bash", "-c", Self.prelude + Self.place + script])
    var environment = environment
    environment["MACHINE"] = directory
    environment["BIN"] = URL(fileURLWithPath: clipper).deletingLastPathComponent().path
    spawn.environment = environment.map { "\($0.key)=\($0.value)" }
    spawn.descriptors = [(stdin.number, 0), (out.number, 1), (err.number, 2)]
    let status = try waitForProcess(spawn.start())
    return Output(
      status: status.code, out: String(decoding: try readFile(FilePath(outPath)), as: UTF8.self),
      err: String(decoding: try readFile(FilePath(errPath)), as: UTF8.self))
  }

  /// Runs a script that must succeed, and returns what it printed.
  @discardableResult
  func succeed(
    _ script: String, input: String? = nil, limit: Int = 300, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Output {
    let output = try run(script, input: input, limit: limit)
    #expect(
      output.status == 0, "\(script)\n→ \(output.status)\n\(output.out.suffix(4000))\n\(output.err.suffix(4000))",
      sourceLocation: sourceLocation)
    return output
  }

  /// Serves a registry that has `base:1` as `team/base:1`, runs a script in the peers' root in the same network, where this
  /// machine's directory is `/machine`, and then another one here.
  func succeedInPeers(
    _ script: String, port: Int, then after: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let tool = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../tools/peers").path
    try write("peer.sh", Self.prelude + script)
    try succeed(
      """
      \(RegistryFlowTests.serve(port: port))
      clipper push base:1 $HOST/team/base:1 >/dev/null
      '\(tool)' in -n -s "$PWD:/machine" bash /machine/peer.sh
      \(after)
      """, sourceLocation: sourceLocation)
  }

  func write(_ name: String, _ text: String) throws {
    let url = URL(fileURLWithPath: directory + "/" + name)
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }

  /// A base image `base:1` of busybox alone, made on the spot: no registry and no mirror is needed.
  func importBusybox() throws {
    try succeed(
      """
      mkdir -p rootfs/bin rootfs/etc rootfs/tmp rootfs/root rootfs/home/app
      chmod 1777 rootfs/tmp
      cp "$(command -v busybox)" rootfs/bin/busybox
      for applet in $(rootfs/bin/busybox --list); do [ "$applet" = busybox ] || ln -sf busybox rootfs/bin/$applet; done
      printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000:app:/home/app:/bin/sh\\n' > rootfs/etc/passwd
      printf 'root:x:0:\\napp:x:1000:\\nextra:x:2000:app\\n' > rootfs/etc/group
      tar -C rootfs -cf rootfs.tar .
      clipper import rootfs.tar base:1
      """)
  }
}

/// What this machine can do. A test that cannot run here says so where it is skipped.
enum Host {
  static let isRoot = geteuid() == 0
  static let hasRuntime = Machine.product("clipper") != nil && Machine.product("clipper-runtime") != nil
  static let runsContainers = isRoot && hasRuntime && has("busybox")
  static let needs: Comment = "needs root, busybox-static, and both programs built: run make test as root"
  static let peers: String = ProcessInfo.processInfo.environment["PEERS_ROOT"] ?? "/var/cache/clipper-peers"
  static let hasPeers = access(peers + "/.ready", F_OK) == 0

  static let hasBoto3 = hasModule("boto3")

  /// A module of Python's.
  static func hasModule(_ name: String) -> Bool {
    guard let pid = try? Spawn("/usr/bin/env", ["python3", "-c", "import \(name)"]).start() else { return false }
    return (try? waitForProcess(pid)) == .exited(0)
  }

  static func has(_ program: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
  }
}
