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
  /// Ends when the program has, even where a process that it left behind keeps its output open.
  public func capture(input: [UInt8] = [], limit: Int = 1 << 20, milliseconds: Int) throws -> CapturedRun {
    let stdin = try Stream()
    let stdout = try Stream()
    let stderr = try Stream()

    var spawn = self
    spawn.descriptors = [(stdin.theirs, 0), (stdout.theirs, 1), (stderr.theirs, 2)] + descriptors
    let pid: pid_t
    do { pid = try spawn.start() } catch { throw CaptureError.notStarted(path, error) }
    for stream in [stdin, stdout, stderr] { stream.handOver() }

    do {
      let status = try exchange(pid, input, stdin, stdout, stderr, limit: limit, milliseconds: milliseconds)
      return CapturedRun(status: status, output: stdout.bytes, errorOutput: stderr.bytes)
    } catch {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
      throw error
    }
  }

  private func exchange(
    _ pid: pid_t, _ input: [UInt8], _ stdin: Stream, _ stdout: Stream, _ stderr: Stream, limit: Int, milliseconds: Int
  ) throws -> ExitStatus {
    for stream in [stdin, stdout, stderr] { try stream.makeNonBlocking() }
    let deadline = Self.now() + milliseconds
    var sent = 0
    while true {
      var status: CInt = 0
      let ended = try Errno.retrying { waitpid(pid, &status, WNOHANG) } == pid
      if sent < input.count {
        sent += stdin.send(input[sent...])
        if stdin.isClosed { sent = input.count }
      }
      if sent == input.count { stdin.close() }
      try stdout.drain(limit: limit)
      try stderr.drain(limit: limit)
      guard stdout.bytes.count + stderr.bytes.count <= limit else {
        throw CaptureError.tooMuchOutput(path, limit: limit)
      }
      if ended { return ExitStatus(waitStatus: status) }
      guard Self.now() < deadline else { throw CaptureError.timedOut(path, milliseconds: milliseconds) }
      var polled = [
        pollfd(fd: stdin.number, events: Int16(POLLOUT), revents: 0),
        pollfd(fd: stdout.number, events: Int16(POLLIN), revents: 0),
        pollfd(fd: stderr.number, events: Int16(POLLIN), revents: 0),
      ]
      // Closed streams are -1, which poll skips; the exit itself is looked for every few milliseconds.
      poll(&polled, 3, 5)
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

    var isClosed: Bool { number < 0 }

    func close() {
      descriptor = nil
      number = -1
    }

    /// The program has its end: ours of it goes.
    func handOver() { their = nil }

    func makeNonBlocking() throws {
      try Errno.check(fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK))
    }

    /// How many bytes went; closes itself where nobody reads.
    func send(_ bytes: ArraySlice<UInt8>) -> Int {
      guard !isClosed else { return 0 }
      let count = bytes.withUnsafeBytes { Glibc.send(number, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
      if count < 0, errno != EAGAIN, errno != EINTR { close() }
      return max(count, 0)
    }

    /// Takes in what is there; stops above `limit` bytes, where a program writes faster than it is read.
    func drain(limit: Int) throws {
      guard !isClosed else { return }
      var buffer = [UInt8](repeating: 0, count: 16 << 10)
      while bytes.count <= limit {
        let count = buffer.withUnsafeMutableBytes { read(number, $0.baseAddress, $0.count) }
        if count > 0 {
          bytes.append(contentsOf: buffer[..<count])
        } else if count == 0 {
          close()
          return
        } else if errno == EAGAIN {
          return
        } else if errno != EINTR {
          throw Errno.current
        }
      }
    }
  }
}
