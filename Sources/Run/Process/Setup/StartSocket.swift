import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Where a created container waits for `start`. It listens exactly as long as the program has not begun: the socket is
/// close-on-exec and dies with the process, so that a connection is the proof that the container is `created`.
///
/// `<root>/<id>/start.sock`
enum StartSocket {
  static let name = "start.sock"

  /// In the container's process: until somebody says to start. The channel takes the error, if there is one.
  static func wait(_ listener: OpenFile) throws -> SetupChannel {
    // It may be long: what the setup needed and the rest does not is given back, while `create` ends.
    trimHeaps()
    while true {
      let client = try attempt("wait for start") { () throws(Errno) in
        try LocalSockets.accept(listener.number, nonBlocking: false, dropsProgramPages: true)
      }
      let channel = SetupChannel(file: OpenFile(client))
      // A connection that says nothing only looked whether we still wait.
      if let (message, _) = try? channel.receive(), case .proceed = message { return channel }
    }
  }

  /// Starts it; returns when the program runs. false: nobody waits any more.
  ///
  /// - Parameters:
  ///   - silence: what to do about a container that does not answer for a while, every time.
  ///   - hear: gets what the process says on its way, with the descriptors that came along.
  static func start(
    in directory: CInt, silence: () throws -> Void, hear: (SetupMessage, [OpenFile]) throws -> Void
  ) throws -> Bool {
    let client: OwnedDescriptor
    do throws(Errno) { client = try LocalSockets.connect(in: directory, name) } catch {
      if error == .connectionRefused || error == .noSuchFileOrDirectory { return false }
      throw RuntimeError.call(doing: "speak with the container's process", error, .other)
    }
    let number = client.number
    let channel = SetupChannel(file: OpenFile(client))
    try channel.send(.proceed)
    var answer = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
    while poll(&answer, 1, 1000) == 0 { try silence() }
    while let (message, descriptors) = try channel.receive() {
      let files = descriptors.map { OpenFile(OwnedDescriptor($0)) }
      if case .failed(let failure) = message { throw RuntimeError.start(failure) }
      try hear(message, files)
    }
    return true
  }

  static func isWaiting(in directory: CInt) -> Bool {
    do throws(Errno) {
      _ = try LocalSockets.connect(in: directory, name)
      return true
    } catch {
      // EAGAIN: many look at once.
      return error == .resourceTemporarilyUnavailable
    }
  }
}
