internal import ArgumentParser
internal import Engine
internal import Glibc
internal import Kernel

/// Keeps the terminal of a program that its user has left with the detach keys: without somebody at its other end the
/// program would be hung up.
struct DrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain", abstract: "Keep a terminal.", shouldDisplay: false)

  private static let terminal: CInt = 3

  /// Hands a terminal on to a process of its own.
  static func hand(_ terminal: CInt, _ engine: Engine) throws {
    var spawn = Spawn(engine.locations.clipper, ["container", "drain"])
    let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
    spawn.descriptors = [(null.number, 0), (null.number, 1), (null.number, 2), (terminal, Self.terminal)]
    spawn.newSession = true
    _ = try spawn.start()
  }

  func run() throws {
    var buffer = [UInt8](repeating: 0, count: 32 << 10)
    while true {
      var waiting = pollfd(fd: Self.terminal, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, -1) >= 0 || errno == EINTR else { return }
      let count = read(Self.terminal, &buffer, buffer.count)
      if count == 0 || count < 0 && errno != EAGAIN && errno != EINTR { return }
    }
  }
}
