internal import FoundationEssentials
import Glibc
public import Kernel
public import RuntimeSpec
public import SystemPackage

public enum SupervisionError: Error, CustomStringConvertible {
  /// The runtime program cannot be started.
  case runtime(FilePath, Errno)
  /// It ended without a word.
  case silent(FilePath, ExitStatus)
  /// Nobody answers for the container: it is not running.
  case notRunning
  case system(operation: String, path: FilePath, Errno)

  public var description: String {
    switch self {
    case .runtime(let path, let error): "start \(path): \(error); set CLIPPER_RUNTIME to the path of clipper-runtime"
    case .silent(let path, let status): "\(path) ended with status \(status.code) before the container started"
    case .notRunning: "the container is not running"
    case .system(let operation, let path, let error): "\(operation) \(path): \(error)"
    }
  }
}

/// A container whose process is watched by a supervisor, `clipper-runtime supervise`.
///
/// ```
/// <directory>/lock          locked by the supervisor as long as it lives
///             state.json    SupervisedState, replaced as a whole
///             attach.sock   where clients attach
/// ```
public struct SupervisedContainer: Sendable {
  public let directory: FilePath

  public init(directory: FilePath) { self.directory = directory }

  /// Starts a supervisor with its container.
  ///
  /// - Parameters:
  ///   - supervision: its descriptors are filled in here.
  ///   - root: the runtime's own directory.
  ///   - held: descriptors that stay open as long as the container lives; the caller may close its own afterwards.
  ///   - attached: returns a client that gets everything from the first byte on.
  /// - Throws: `StartFailure` for what is wrong with the container, `SupervisionError` for the rest.
  public static func start(
    _ supervision: Supervision, runtime: FilePath, root: FilePath, held: [CInt] = [], attached: Bool = false
  ) throws -> (report: SupervisorReport, attachment: Attachment?) {
    var supervision = supervision
    var descriptors: [(CInt, CInt)] = []
    func pass(_ descriptor: CInt) -> CInt {
      descriptors.append((descriptor, CInt(3 + descriptors.count)))
      return CInt(2 + descriptors.count)
    }
    let ready = try Pair.pipe()
    supervision.readyDescriptor = pass(ready.theirs)
    supervision.heldDescriptors = held.isEmpty ? nil : held.map(pass)
    let attach = attached ? try Pair.packets() : nil
    supervision.attachDescriptor = attach.map { pass($0.theirs) }

    let directory = FilePath(supervision.directory)
    let file = FilePath(supervision.bundle).appending("supervision.json")
    do throws(Errno) {
      try makeDirectories(directory, mode: 0o700)
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      guard let json = try? encoder.encode(supervision) else { throw .invalidArgument }
      try writeFileAtomically(file, Array(json), mode: 0o600)
    } catch {
      throw SupervisionError.system(operation: "prepare the start at", path: directory, error)
    }

    var spawn = Spawn(runtime, ["--root", root.string, "supervise", file.string])
    let null: OwnedDescriptor
    do throws(Errno) { null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR) } catch {
      throw SupervisionError.system(operation: "open", path: "/dev/null", error)
    }
    spawn.descriptors = [(null.number, 0), (null.number, 1)] + descriptors
    spawn.newSession = true
    let pid: Int32
    do { pid = try spawn.start() } catch { throw SupervisionError.runtime(runtime, error) }
    ready.handOver()
    attach?.handOver()

    let line: [UInt8]
    do { line = try readAll(ready.ours, limit: 1 << 20) } catch {
      throw SupervisionError.system(operation: "hear from the supervisor of", path: directory, error)
    }
    // It forks the supervisor and ends: this is only to leave no zombie.
    let status = try waitForProcess(pid)
    guard let report = try? JSONDecoder().decode(SupervisorReport.self, from: Data(line)) else {
      throw SupervisionError.silent(runtime, status)
    }
    if let error = report.error { throw error }
    return (report, attach.map { Attachment(OwnedDescriptor($0.takeOurs())) })
  }

  /// Whether a supervisor lives.
  public var isSupervised: Bool {
    let number = open(directory.appending("lock").string, O_RDWR | O_CLOEXEC)
    guard number >= 0 else { return false }
    defer { close(number) }
    return flock(number, LOCK_SH | LOCK_NB) != 0
  }

  /// What the supervisor last wrote; nil where there was none. Where it was killed, so was the container: then the
  /// status is `exited` with 137.
  public func state() -> SupervisedState? {
    guard let bytes = try? readFile(directory.appending("state.json"), limit: 1 << 20),
      var state = try? JSONDecoder().decode(SupervisedState.self, from: Data(bytes))
    else { return nil }
    if state.status == .exited || isSupervised { return state }
    // It may have ended in between, and written so.
    if let bytes = try? readFile(directory.appending("state.json"), limit: 1 << 20),
      let last = try? JSONDecoder().decode(SupervisedState.self, from: Data(bytes)), last.status == .exited
    {
      return last
    }
    state.status = .exited
    state.exitCode = 137
    state.pid = nil
    state.ready = false
    state.error = state.error ?? "its supervisor was killed"
    return state
  }

  /// Attaches a client. (hello)
  ///
  /// - Throws: `SupervisionError.notRunning`.
  public func attach(stdin: Bool = false, stdout: Bool = false, stderr: Bool = false) throws -> Attachment {
    // A socket's path holds 107 bytes, a root may be longer: reach it through its directory's descriptor.
    let place: OwnedDescriptor
    do throws(Errno) { place = try openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY) } catch {
      throw SupervisionError.notRunning
    }
    let attachment = Attachment(OwnedDescriptor(try Pair.packetSocket()))
    guard attachment.connect(to: "/proc/self/fd/\(place.number)/attach.sock") else { throw SupervisionError.notRunning }
    try attachment.send(
      .hello, Array("{\"stdin\":\(stdin),\"stdout\":\(stdout),\"stderr\":\(stderr)}".utf8))
    return attachment
  }

  /// Asks for an orderly stop, and waits until the container has ended. One that has is fine.
  ///
  /// - Parameters:
  ///   - timeout: seconds until SIGKILL; nil takes the container's own, -1 waits for ever.
  ///   - signal: nil takes the container's own.
  public func stop(timeout: Int? = nil, signal: Int32? = nil) throws {
    let attachment: Attachment
    do { attachment = try attach() } catch SupervisionError.notRunning { return }
    let seconds = timeout.map { UInt32(bitPattern: Int32(clamping: $0)) &- ($0 == -1 ? 1 : 0) } ?? .max
    let body = withUnsafeBytes(of: seconds.bigEndian) { Array($0) } + (signal.map { [UInt8(truncatingIfNeeded: $0)] } ?? [])
    try attachment.send(.stop, body)
    try attachment.drain()
  }

  /// Sends a signal to the container's process 1. SIGKILL and the stop signal end it for good.
  public func kill(_ signal: Int32) throws {
    let attachment = try attach()
    try attachment.send(.kill, [UInt8(truncatingIfNeeded: signal)])
    // The supervisor closes the connection when it has read to its end: then the signal has been sent.
    attachment.shutDownWriting()
    try attachment.drain()
  }

  /// Makes the supervisor open its log anew.
  public func rotateLog() throws { try attach().send(.rotateLog, []) }

  /// Waits for the end of the container, restarts included. nil where it was not running.
  public func wait() throws -> Int32? {
    do {
      let attachment = try attach()
      while let event = try attachment.receive() {
        if case .exited(let code, _) = event { return code }
      }
    } catch SupervisionError.notRunning {}
    return state()?.exitCode
  }
}

/// Two ends of a channel, one of which goes to another process.
private final class Pair {
  private(set) var ours: CInt
  private(set) var theirs: CInt

  private init(_ ours: CInt, _ theirs: CInt) {
    self.ours = ours
    self.theirs = theirs
  }

  static func pipe() throws -> Pair {
    do {
      let (reader, writer) = try makePipe()
      return Pair(reader, writer)
    } catch {
      throw SupervisionError.system(operation: "open", path: "a pipe", error)
    }
  }

  static func packets() throws -> Pair {
    var ends: [CInt] = [0, 0]
    guard socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue) | O_CLOEXEC, 0, &ends) == 0 else {
      throw SupervisionError.system(operation: "open", path: "a pair of sockets", .current)
    }
    return Pair(ends[0], ends[1])
  }

  static func packetSocket() throws -> CInt {
    let number = socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue) | O_CLOEXEC, 0)
    guard number >= 0 else { throw SupervisionError.system(operation: "open", path: "a socket", .current) }
    return number
  }

  func handOver() {
    close(theirs)
    theirs = -1
  }

  func takeOurs() -> CInt {
    defer { ours = -1 }
    return ours
  }

  deinit {
    if ours >= 0 { close(ours) }
    if theirs >= 0 { close(theirs) }
  }
}
