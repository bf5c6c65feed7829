internal import CKernel
import Glibc
public import SystemPackage

/// What a program that ran to its end has said.
public struct CapturedRun: Sendable {
  public let status: ExitStatus
  public let output: [UInt8]
  public let errorOutput: [UInt8]
}

public enum CaptureError: Error, Equatable, CustomStringConvertible {
  case notStarted(FilePath, Errno)
  /// It was killed.
  case timedOut(FilePath, milliseconds: Int)
  case tooMuchOutput(FilePath, limit: Int)

  public var description: String {
    switch self {
    case .notStarted(let path, let error): "cannot start \(path): \(error)"
    case .timedOut(let path, let milliseconds): "\(path) did not end within \(milliseconds) ms and was killed"
    case .tooMuchOutput(let path, let limit): "\(path) wrote more than \(limit) bytes and was killed"
    }
  }
}

extension Spawn {
  /// Runs the program with `input` as its standard input, and collects what it writes.
  ///
  /// Ends when the program has, even where a process that it left behind keeps its output open. One that is killed takes
  /// its process group along where it has one of its own.
  ///
  /// - Parameters:
  ///   - limit: bytes of both outputs together.
  ///   - discardsMore: what is written beyond the limit is read and forgotten, instead of an error.
  public func capture(
    input: [UInt8] = [], limit: Int = 1 << 20, discardsMore: Bool = false, milliseconds: Int
  ) throws -> CapturedRun {
    let stdin = try Stream()
    let stdout = try Stream()
    let stderr = try Stream()

    var spawn = self
    spawn.descriptors = [(stdin.theirs, 0), (stdout.theirs, 1), (stderr.theirs, 2)] + descriptors
    let pid: pid_t
    do { pid = try spawn.start() } catch { throw CaptureError.notStarted(path, error) }
    for stream in [stdin, stdout, stderr] { stream.handOver() }

    do {
      var exchange = Exchange(
        path: path, stdin: stdin, stdout: stdout, stderr: stderr, input: input[...], limit: limit,
        discardsMore: discardsMore)
      let status = try exchange.run(pid, milliseconds: milliseconds)
      return CapturedRun(status: status, output: stdout.bytes, errorOutput: stderr.bytes)
    } catch {
      kill(newGroup || newSession ? -pid : pid, SIGKILL)
      _ = try? waitForProcess(pid)
      throw error
    }
  }

  /// Bytes to and from a program until it ends.
  private struct Exchange {
    let path: FilePath
    let stdin: Stream
    let stdout: Stream
    let stderr: Stream
    var input: ArraySlice<UInt8>
    let limit: Int
    let discardsMore: Bool

    mutating func run(_ pid: pid_t, milliseconds: Int) throws -> ExitStatus {
      for stream in [stdin, stdout, stderr] { try stream.makeNonBlocking() }
      let process = try openProcess(pid)
      let deadline = Spawn.now() + milliseconds
      while true {
        sendInput()
        // Closed streams are -1, which poll skips.
        var polled = [
          pollfd(fd: process.number, events: Int16(POLLIN), revents: 0),
          pollfd(fd: stdin.number, events: Int16(POLLOUT), revents: 0),
          pollfd(fd: stdout.number, events: Int16(POLLIN), revents: 0),
          pollfd(fd: stderr.number, events: Int16(POLLIN), revents: 0),
        ]
        let rest = CInt(clamping: max(deadline - Spawn.now(), 0))
        let ready = try Errno.retrying { poll(&polled, 4, rest) }
        try takeOutput()
        if polled[0].revents != 0 { return try waitForProcess(pid) }
        guard ready > 0, Spawn.now() < deadline else {
          throw CaptureError.timedOut(path, milliseconds: milliseconds)
        }
      }
    }

    private mutating func sendInput() {
      if !input.isEmpty { input = input.dropFirst(stdin.send(input)) }
      if input.isEmpty { stdin.close() }
    }

    private func takeOutput() throws {
      for (stream, other) in [(stdout, stderr), (stderr, stdout)] {
        let more = try stream.drain(limit: max(limit - other.bytes.count, 0))
        guard !more || discardsMore else { throw CaptureError.tooMuchOutput(path, limit: limit) }
      }
    }
  }

  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }

  /// One of the program's three streams.
  private final class Stream {
    private var descriptor: OwnedDescriptor?
    private var their: OwnedDescriptor?
    private(set) var bytes: [UInt8] = []
    /// Our end, -1 once it is closed.
    private(set) var number: CInt
    let theirs: CInt

    /// Sockets instead of a pipe: sending to a program that went away is then an error and not SIGPIPE.
    init() throws(Errno) {
      var ends: [CInt] = [-1, -1]
      try Errno.check(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends))
      number = ends[0]
      theirs = ends[1]
      descriptor = OwnedDescriptor(ends[0])
      their = OwnedDescriptor(ends[1])
    }

    private var isClosed: Bool { number < 0 }

    func close() {
      descriptor = nil
      number = -1
    }

    /// The program has its end: ours of it goes.
    func handOver() { their = nil }

    func makeNonBlocking() throws {
      try Errno.check(fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK))
    }

    /// How many bytes went; all, and it closes itself, where nobody reads.
    func send(_ bytes: ArraySlice<UInt8>) -> Int {
      guard !isClosed else { return bytes.count }
      let count = bytes.withUnsafeBytes { Glibc.send(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      if count < 0, errno != EAGAIN, errno != EINTR {
        close()
        return bytes.count
      }
      return max(count, 0)
    }

    /// Takes in what is there. true: there was more than `limit` bytes, which is forgotten.
    func drain(limit: Int) throws -> Bool {
      guard !isClosed else { return false }
      var buffer = [UInt8](repeating: 0, count: 16 << 10)
      var more = false
      // A program may write faster than it is read: its end is looked for in between.
      for _ in 0..<64 {
        let count = buffer.withUnsafeMutableBytes { read(number, $0.baseAddress, $0.count) }
        if count > 0 {
          let room = max(limit - bytes.count, 0)
          bytes.append(contentsOf: buffer[..<min(count, room)])
          more = more || count > room
        } else if count == 0 {
          close()
          return more
        } else if errno == EAGAIN {
          return more
        } else if errno != EINTR {
          throw Errno.current
        }
      }
      return more
    }
  }
}
