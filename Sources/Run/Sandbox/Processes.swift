import Glibc
public import Kernel
public import SystemPackage

/// Starts a bundle in the foreground, `clipper-runtime run`.
///
/// - Parameters:
///   - root: the runtime's own directory.
///   - inherit: further descriptors, (number here, number there): for namespaces that config.json names.
/// - Returns: the runtime's process ID; it ends with the container's status. The caller reaps it.
public func startBundle(
  runtime: FilePath, root: FilePath, id: String, bundle: FilePath, stdin: CInt, stdout: CInt, stderr: CInt,
  inherit: [(CInt, CInt)] = []
) throws -> Int32 {
  var spawn = Spawn(runtime, ["--root", root.string, "run", "--bundle", bundle.string, id])
  spawn.descriptors = [(stdin, 0), (stdout, 1), (stderr, 2)] + inherit
  do { return try spawn.start() } catch { throw SupervisionError.runtime(runtime, error) }
}

/// The same, to its end.
public func runBundle(
  runtime: FilePath, root: FilePath, id: String, bundle: FilePath, stdin: CInt, stdout: CInt, stderr: CInt,
  inherit: [(CInt, CInt)] = []
) throws -> ExitStatus {
  try waitForProcess(
    startBundle(
      runtime: runtime, root: root, id: id, bundle: bundle, stdin: stdin, stdout: stdout, stderr: stderr, inherit: inherit))
}

/// The process that keeps a pod's namespaces, `clipper-runtime hold`.
public enum HoldProcess {
  /// - Parameters:
  ///   - hostname: of the new UTS namespace.
  ///   - namespace: a network namespace to be in; nil stays in the host's.
  ///   - pidFile: where its process ID is written.
  ///   - held: descriptors that stay open as long as it lives, such as those of reserved ports.
  public static func start(
    runtime: FilePath, hostname: String, namespace: CInt?, pidFile: FilePath, held: [CInt] = []
  ) throws -> Int32 {
    var arguments = ["hold", "--pid-file", pidFile.string, "--hostname", hostname]
    if namespace != nil { arguments += ["--netns", "/proc/self/fd/3"] } else { arguments += ["--host-network"] }
    var spawn = Spawn(runtime, arguments)
    let null: OwnedDescriptor
    do throws(Errno) { null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR) } catch {
      throw SupervisionError.system(operation: "open", path: "/dev/null", error)
    }
    spawn.descriptors = [(null.number, 0), (null.number, 1)] + (namespace.map { [($0, CInt(3))] } ?? [])
    let kept = (namespace == nil ? 0 : 1) + held.count
    if kept > 0 { spawn.arguments += ["--preserve-fds", "\(kept)"] }
    // The next numbers after those named above, 2 among them.
    for descriptor in held { spawn.descriptors.append((descriptor, CInt(1 + spawn.descriptors.count))) }
    let launcher: Int32
    do { launcher = try spawn.start() } catch { throw SupervisionError.runtime(runtime, error) }
    let status = try waitForProcess(launcher)
    guard status == .exited(0), let pid = pid(in: pidFile) else { throw SupervisionError.silent(runtime, status) }
    return pid
  }

  /// Ends it; one that is gone is fine.
  public static func stop(pidFile: FilePath) {
    guard let pid = pid(in: pidFile), isHold(pid) else { return }
    kill(pid, SIGKILL)
  }

  public static func isRunning(pidFile: FilePath) -> Bool { pid(pidFile: pidFile) != nil }

  /// Its process ID; nil when it is gone.
  public static func pid(pidFile: FilePath) -> Int32? { pid(in: pidFile).flatMap { isHold($0) ? $0 : nil } }

  private static func pid(in file: FilePath) -> Int32? {
    guard let bytes = try? readFile(file, limit: 64) else { return nil }
    return Int32(String(decoding: bytes.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self))
  }

  /// A process ID may have been given to another process since.
  private static func isHold(_ pid: Int32) -> Bool {
    guard let bytes = try? readFile(FilePath("/proc/\(pid)/cmdline"), limit: 1 << 16) else { return false }
    return bytes.split(separator: 0).contains { $0.elementsEqual("hold".utf8) }
  }
}
