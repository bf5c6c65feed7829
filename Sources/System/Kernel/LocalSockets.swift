internal import CKernel
import Glibc
public import SystemPackage

/// AF_UNIX sockets that keep the boundaries of messages.
public enum LocalSockets {
  /// Two connected ends. (socketpair(2), SOCK_SEQPACKET)
  public static func pair(nonBlocking: Bool = false) throws(Errno) -> (CInt, CInt) {
    var ends: [CInt] = [-1, -1]
    try Errno.check(
      socketpair(
        AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue | (nonBlocking ? SOCK_NONBLOCK.rawValue : 0)), 0,
        &ends))
    return (ends[0], ends[1])
  }

  /// A socket that takes connections at `name` in `directory`, of any length: it is reached by way of /proc/self/fd.
  public static func listen(in directory: CInt, _ name: String, mode: UInt32 = 0o600) throws(Errno) -> OwnedDescriptor {
    let listener = try make()
    unlinkat(directory, name, 0)
    try withAddress("/proc/self/fd/\(directory)/\(name)") { address, size throws(Errno) in
      try Errno.check(bind(listener.number, address, size))
    }
    try Errno.check(fchmodat(directory, name, mode, 0))
    try Errno.check(Glibc.listen(listener.number, 16))
    return listener
  }

  public static func connect(in directory: CInt, _ name: String) throws(Errno) -> OwnedDescriptor {
    let client = try make()
    try withAddress("/proc/self/fd/\(directory)/\(name)") { address, size throws(Errno) in
      try Errno.retrying { Glibc.connect(client.number, address, size) }
    }
    return client
  }

  /// A stream socket's connection, as for a console socket. (connect(2))
  ///
  /// - Parameters:
  ///   - abstract: the name is one of the abstract namespace. (unix(7))
  ///   - nonBlocking: a listener whose queue is full is EAGAIN, and the socket stays non-blocking.
  public static func connectStream(
    _ path: String, abstract: Bool = false, nonBlocking: Bool = false
  ) throws(Errno) -> OwnedDescriptor {
    let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | (nonBlocking ? SOCK_NONBLOCK.rawValue : 0)
    let client = OwnedDescriptor(try Errno.check(socket(AF_UNIX, CInt(kind), 0)))
    try withAddress(path, abstract: abstract) { address, size throws(Errno) in
      try Errno.retrying { Glibc.connect(client.number, address, size) }
    }
    return client
  }

  /// A socket that takes single messages at `name` in `directory`. (unix(7), SOCK_DGRAM)
  public static func bindDatagram(in directory: CInt, _ name: String, mode: UInt32) throws(Errno) -> OwnedDescriptor {
    let socket = try datagramSocket()
    unlinkat(directory, name, 0)
    try withAddress("/proc/self/fd/\(directory)/\(name)") { address, size throws(Errno) in
      try Errno.check(bind(socket.number, address, size))
    }
    try Errno.check(fchmodat(directory, name, mode, 0))
    return socket
  }

  /// One message to a path, or to an abstract name after `@`. (unix(7))
  public static func sendDatagram(_ bytes: [UInt8], to path: String) throws(Errno) {
    let socket = try datagramSocket()
    let isAbstract = path.hasPrefix("@")
    try withAddress(isAbstract ? "\0" + path.dropFirst() : path) { address, size throws(Errno) in
      // An abstract name is as long as the address says.
      let length = isAbstract ? socklen_t(MemoryLayout<sa_family_t>.size + path.utf8.count) : size
      _ = try Errno.retrying { sendto(socket.number, bytes, bytes.count, CInt(MSG_NOSIGNAL), address, length) }
    }
  }

  private static func datagramSocket() throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)))
  }

  /// - Parameter dropsProgramPages: for a wait that may be long; as the function of that name, and nothing of Swift
  ///   runs after it that would bring them back.
  public static func accept(
    _ listener: CInt, nonBlocking: Bool, dropsProgramPages: Bool = false
  ) throws(Errno) -> OwnedDescriptor {
    let flags = CInt(SOCK_CLOEXEC.rawValue | (nonBlocking ? SOCK_NONBLOCK.rawValue : 0))
    return OwnedDescriptor(
      try Errno.retrying {
        dropsProgramPages ? kernel_accept4_without_program(listener, flags) : kernel_accept4(listener, flags)
      })
  }

  /// Sends one message with descriptors, at most 8, beside it; a receiver that has gone is EPIPE.
  public static func send(_ socket: CInt, _ bytes: [UInt8], descriptors: [CInt] = []) throws(Errno) {
    let count = try Errno.retrying {
      kernel_send_with_descriptors(socket, bytes, bytes.count, descriptors, CInt(descriptors.count), CInt(MSG_NOSIGNAL))
    }
    guard count == bytes.count else { throw .ioError }
  }

  /// One message of at most `limit` bytes; empty at the end of the connection. The descriptors are the caller's to close.
  public static func receive(_ socket: CInt, limit: Int) throws(Errno) -> (bytes: [UInt8], descriptors: [CInt]) {
    var bytes = [UInt8](repeating: 0, count: limit)
    var descriptors = [CInt](repeating: -1, count: 8)
    var number: CInt = 0
    let count = try Errno.retrying { kernel_receive_with_descriptors(socket, &bytes, limit, &descriptors, &number, 0) }
    bytes.removeLast(limit - Int(count))
    descriptors.removeLast(8 - Int(number))
    return (bytes, descriptors)
  }

  private static func make() throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0)))
  }

  private static func withAddress(
    _ path: String, abstract: Bool = false, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Void
  ) throws(Errno) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = (abstract ? [0] : []) + Array(path.utf8)
    // An abstract name is as long as the address says, zeros included.
    let size =
      abstract
      ? MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path) + bytes.count
      : MemoryLayout<sockaddr_un>.size
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .fileNameTooLong }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let failure = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer -> Errno? in
        do throws(Errno) {
          try body(pointer, socklen_t(size))
          return nil
        } catch {
          return error
        }
      }
    }
    if let failure { throw failure }
  }
}
