import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Where a container's program says that it is ready, for whoever has started the runtime. (sd_notify(3))
///
/// The container gets a socket of its own, and only its readiness goes on: the caller's would let it change what the
/// service manager believes of the host's service.
///
/// `<root>/<id>/notify/notify.sock`, in the container `/run/notify/notify.sock`
struct NotifySocket {
  /// The caller's: a path, or a name after `@`.
  private let caller: String
  private let directory: FilePath
  private static let place = "/run/notify"
  private static let name = "notify.sock"

  /// nil where the caller has none.
  ///
  /// - Parameter container: the container's place in the state directory.
  init?(_ container: FilePath) {
    guard let variable = getenv("NOTIFY_SOCKET") else { return nil }
    caller = String(cString: variable)
    guard caller.hasPrefix("/") || caller.hasPrefix("@") else { return nil }
    directory = container.appending("notify")
  }

  /// The bundle with the socket's directory in it.
  func offer(in bundle: Bundle) throws -> Bundle {
    try attempt("make \(directory)") { () throws(Errno) in
      try Errno.check(mkdir(directory.string, 0o755))
      try Errno.check(chmod(directory.string, 0o755))
    }
    var config = bundle.config
    config.mounts =
      (config.mounts ?? []) + [
        ContainerMount(
          destination: Self.place, type: "bind", source: directory.string,
          options: ["bind", "nosuid", "noexec", "nodev", "ro"])
      ]
    let environment = config.process?.env ?? []
    config.process?.env = environment + ["NOTIFY_SOCKET=\(Self.place)/\(Self.name)"]
    return Bundle(bundle, config: config)
  }

  /// Before the program runs; nil for a container that was created without a socket.
  func listen() throws -> OpenFile? {
    do throws(Errno) {
      let place = try openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY)
      // A user namespace's root writes to it as well.
      return OpenFile(try LocalSockets.bindDatagram(in: place.number, Self.name, mode: 0o777))
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw RuntimeError.call(doing: "listen in \(directory)", error, .other)
    }
  }

  /// Takes one message. true: it was the one that is waited for, and the caller knows.
  func forward(_ listener: OpenFile, pid: Int32) throws -> Bool {
    let (bytes, descriptors) = try attempt("hear from the container's program") { () throws(Errno) in
      try LocalSockets.receive(listener.number, limit: 64 << 10)
    }
    // A barrier's: closing it is the answer.
    for descriptor in descriptors { close(descriptor) }
    guard bytes.split(separator: UInt8(ascii: "\n")).contains(where: { $0.elementsEqual("READY=1".utf8) }) else {
      return false
    }
    try attempt("tell \(caller) that the container is ready") { () throws(Errno) in
      try LocalSockets.sendDatagram(Array("READY=1\nMAINPID=\(pid)\n".utf8), to: caller)
    }
    return true
  }

  /// Until the container is ready or has ended.
  func wait(_ listener: OpenFile, for process: CInt, pid: Int32) throws {
    while true {
      var waiting = [
        pollfd(fd: process, events: Int16(POLLIN), revents: 0),
        pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0),
      ]
      _ = try attempt("wait for the container") { () throws(Errno) in try Errno.retrying { poll(&waiting, 2, -1) } }
      if waiting[1].revents != 0, try forward(listener, pid: pid) { return }
      if waiting[0].revents != 0 { return }
    }
  }
}
