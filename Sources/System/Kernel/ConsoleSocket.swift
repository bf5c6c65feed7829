internal import CKernel
import Glibc
public import SystemPackage

/// Where a runtime sends the terminal of a process that it starts. (runtime-spec's `--console-socket`, as runc has it)
public struct ConsoleSocket: ~Copyable, Sendable {
  private let listener: OwnedDescriptor

  /// Listens at `name` in an open directory.
  public init(in directory: CInt, _ name: String) throws(Errno) {
    listener = try Self.listener(in: directory, name)
  }

  private static func listener(in directory: CInt, _ name: String) throws(Errno) -> OwnedDescriptor {
    let listener = OwnedDescriptor(try Errno.check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array("/proc/self/fd/\(directory)/\(name)".utf8)
    guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .fileNameTooLong }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    let number = listener.number
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try Errno.check(bound)
    try Errno.check(listen(number, 1))
    return listener
  }

  /// The terminal's master. Waits for the runtime to connect, at most so long; then `Errno.timedOut`.
  public func receive(milliseconds: CInt) throws(Errno) -> OwnedDescriptor {
    var ready = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
    guard try Errno.retrying({ poll(&ready, 1, milliseconds) }) > 0 else { throw .timedOut }
    let number = listener.number
    let connection = OwnedDescriptor(try Errno.retrying { accept(number, nil, nil) })
    _ = fcntl(connection.number, F_SETFD, FD_CLOEXEC)
    let (_, descriptors) = try LocalSockets.receive(connection.number, limit: 4096)
    guard let first = descriptors.first else { throw .badFileDescriptor }
    for other in descriptors.dropFirst() { close(other) }
    return OwnedDescriptor(first)
  }
}
