internal import Glibc
internal import Kernel
internal import Synchronization
internal import SystemPackage

/// `clipper-runtime run` of one step, which can be killed from another thread.
final class StepProcess: Sendable {
  private enum State {
    case ready
    case running(Int32)
    case ended
    case killed
  }

  private let state = Mutex(State.ready)

  /// Starts it and waits for its end; what it writes goes to `output` as it comes.
  func run(_ spawn: Spawn, output: (UnsafeRawBufferPointer, _ isError: Bool) -> Void) throws -> ExitStatus {
    let null = try opening("open", "/dev/null") { () throws(Errno) in
      try openat2(Kernel.workingDirectory, "/dev/null", flags: O_RDONLY)
    }
    let out = try Self.pipe()
    let error = try Self.pipe()
    defer {
      close(out.read)
      close(error.read)
    }
    var spawn = spawn
    spawn.descriptors = [(null.number, 0), (out.write, 1), (error.write, 2)] + spawn.descriptors
    // Signals of the terminal are for the build, which then ends its steps.
    spawn.newSession = true
    let started: Result<Int32, Errno> = state.withLock { state in
      guard case .ready = state else { return .failure(.canceled) }
      do throws(Errno) {
        let pid = try spawn.start()
        state = .running(pid)
        return .success(pid)
      } catch {
        return .failure(error)
      }
    }
    close(out.write)
    close(error.write)
    let pid: Int32
    switch started {
    case .success(let number): pid = number
    case .failure(.canceled): throw CancellationError()
    case .failure(let error):
      throw BuildError.start("start \(spawn.path): \(error); set CLIPPER_RUNTIME to the path of clipper-runtime")
    }
    Self.relay([(out.read, false), (error.read, true)], output)
    let status = try waitForProcess(pid)
    let wasKilled = state.withLock { state in
      if case .killed = state { return true }
      state = .ended
      return false
    }
    if wasKilled { throw CancellationError() }
    return status
  }

  /// Ends the container with it: its first process dies with the runtime.
  func kill() {
    state.withLock { state in
      switch state {
      case .ready: state = .ended
      case .running(let pid):
        Glibc.kill(pid, SIGKILL)
        state = .killed
      case .ended, .killed: break
      }
    }
  }

  private static func pipe() throws -> (read: CInt, write: CInt) {
    do {
      let (reader, writer) = try makePipe()
      return (reader, writer)
    } catch {
      throw BuildError.system(operation: "open", path: "a pipe", error)
    }
  }

  private static func relay(_ sources: [(CInt, Bool)], _ output: (UnsafeRawBufferPointer, Bool) -> Void) {
    var waiting = sources.map { pollfd(fd: $0.0, events: Int16(POLLIN), revents: 0) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    defer { buffer.deallocate() }
    while waiting.contains(where: { $0.fd >= 0 }) {
      if poll(&waiting, nfds_t(waiting.count), -1) < 0, errno != EINTR { return }
      for index in waiting.indices where waiting[index].fd >= 0 && waiting[index].revents != 0 {
        let count = read(waiting[index].fd, buffer.baseAddress, buffer.count)
        if count > 0 {
          output(UnsafeRawBufferPointer(rebasing: buffer[..<count]), sources[index].1)
        } else if count == 0 || errno != EINTR {
          waiting[index].fd = -1
        }
      }
    }
  }
}

/// The last lines that a step wrote, for its error.
struct OutputTail {
  private var bytes: [UInt8] = []
  private static let limit = 16 << 10
  private static let lineLimit = 20

  mutating func add(_ new: UnsafeRawBufferPointer) {
    bytes.append(contentsOf: new)
    if bytes.count > 2 * Self.limit { bytes.removeFirst(bytes.count - Self.limit) }
  }

  var lines: [String] {
    bytes.suffix(Self.limit).split(separator: UInt8(ascii: "\n")).suffix(Self.lineLimit)
      .map { String(decoding: $0, as: UTF8.self) }
  }
}
