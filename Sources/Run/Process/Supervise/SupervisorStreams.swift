import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Bytes between the program, its log and its clients.
extension Supervisor {
  func writeInput() {
    guard let target = streams?.input ?? streams?.terminal else {
      inputBuffer = []
      return
    }
    while !inputBuffer.isEmpty {
      let count = write(target.number, inputBuffer, inputBuffer.count)
      if count < 0 {
        if errno == EINTR { continue }
        if errno != EAGAIN {
          // The program has closed its end.
          inputBuffer = []
          if streams?.terminal == nil { streams?.input = nil }
        }
        return
      }
      inputBuffer.removeFirst(count)
    }
    if closesInput { streams?.input = nil }
  }

  func readOutput() {
    guard let streams, let file = streams.output else { return }
    if !read(file, .stdout, .stdout) { streams.output = nil }
  }

  func readErrorOutput() {
    guard let streams, let file = streams.errorOutput else { return }
    if !read(file, .stderr, .stderr) { streams.errorOutput = nil }
  }

  func readTerminal() {
    guard let streams, let file = streams.terminal else { return }
    if !read(file, .stdout, .stdout) { streams.terminal = nil }
  }

  /// One piece; false at the end.
  func read(_ file: OpenFile, _ kind: Client.Kind, _ stream: LogFile.Stream) -> Bool {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Client.largest) { buffer in
      let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
      if count < 0 { return errno == EAGAIN || errno == EINTR }
      guard count > 0 else { return false }
      let bytes = Array(buffer[..<count])
      log?.write(bytes[...], stream)
      for client in clients where kind == .stdout ? client.takesStdout : client.takesStderr { client.send(kind, bytes) }
      return true
    }
  }

  /// What is left in the pipes of a program that has ended.
  func drain() {
    guard let streams else { return }
    for (file, kind, stream) in [
      (streams.output, Client.Kind.stdout, LogFile.Stream.stdout), (streams.errorOutput, .stderr, .stderr),
      (streams.terminal, .stdout, .stdout),
    ] {
      guard let file else { continue }
      var available: CInt = 0
      repeat {
        available = 0
        _ = ioctl(file.number, UInt(FIONREAD), &available)
      } while available > 0 && read(file, kind, stream)
    }
    log?.finish()
  }
}
