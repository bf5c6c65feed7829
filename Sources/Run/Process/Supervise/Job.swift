import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A probe or a lifecycle hook that runs: a process of its own in every case, so that the supervisor never waits.
final class Job {
  enum Purpose {
    case probe(Int)
    case postStart
    case preStop
  }

  struct Outcome {
    let code: Int32
    /// At most 4096 bytes, docker's bound.
    let output: [UInt8]
    let started: Timestamp
    let timedOut: Bool
  }

  let purpose: Purpose
  let process: OpenFile
  /// On the monotonic clock.
  private(set) var deadline: Int64
  private(set) var output: OpenFile?
  private let pid: Int32
  private let started: Timestamp
  private var bytes: [UInt8] = []
  private var timedOut = false

  init(
    _ action: ProbeAction, _ purpose: Purpose, timeout: Int64, bundle: Bundle, container: Container,
    context: VerbContext
  ) throws {
    self.purpose = purpose
    started = Timestamp.now()
    deadline = Timestamp.monotonic() + max(timeout, 1_000_000)
    let (reader, writer) = try Streams.pipe(readerIsOurs: true)
    output = reader
    switch action {
    case .exec(let arguments): pid = try Self.execute(arguments, writer, bundle, container, context)
    case .http, .tcp:
      let namespace = OpenFile(
        try attempt("open the network of container \(container.id)") { () throws(Errno) in
          try openat2(workingDirectory, "/proc/\(container.saved.pid)/ns/net", flags: O_RDONLY)
        })
      switch try attempt("make a process for a probe", .other, { () throws(Errno) in try Cloning.clone() }) {
      case .parent(let made): pid = made
      case .child: NetworkProbe(action, timeout: timeout).run(namespace.number, writer.number)
      }
    }
    let number = pid
    process = OpenFile(try attempt("open process \(number)") { () throws(Errno) in try openProcess(number) })
  }

  private static func execute(
    _ arguments: [String], _ writer: OpenFile, _ bundle: Bundle, _ container: Container, _ context: VerbContext
  ) throws -> Int32 {
    guard var process = bundle.config.process else {
      throw RuntimeError.configuration(property: "process", problem: "is missing")
    }
    process.args = arguments
    process.terminal = nil
    process.consoleSize = nil
    let null = try attempt("open /dev/null") { () throws(Errno) in
      try openat2(workingDirectory, "/dev/null", flags: O_RDONLY)
    }
    var request = ExecRequest(container: container, bundle: bundle, process: process)
    request.streams = (null.number, writer.number, writer.number)
    request.seccompCache = context.root.seccompCache
    request.diesWithParent = true
    return try ExecLaunch(request: request, log: context.log).run().pid
  }

  func readOutput() {
    guard let output else { return }
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(output.number, &buffer, buffer.count)
    if count < 0, errno == EAGAIN || errno == EINTR { return }
    guard count > 0 else {
      self.output = nil
      return
    }
    bytes += buffer[..<min(count, 4096 - bytes.count)]
  }

  func timeOut() {
    timedOut = true
    deadline = .max
    kill(pid, SIGKILL)
  }

  /// Its process has ended.
  func end() -> Outcome {
    readOutput()
    let status = (try? waitForProcess(pid)) ?? .signaled(SIGKILL)
    return Outcome(
      code: timedOut && status.code == 0 ? 1 : status.code, output: bytes, started: started, timedOut: timedOut)
  }

  /// The container is gone, and with it this.
  func abandon() {
    kill(pid, SIGKILL)
    _ = try? waitForProcess(pid)
  }
}
