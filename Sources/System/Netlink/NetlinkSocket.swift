internal import CKernel
import Glibc
internal import Kernel
public import SystemPackage

/// A netlink request that the kernel refused.
public struct NetlinkError: Error, Equatable, CustomStringConvertible {
  public let operation: String
  public let errno: Errno
  /// The kernel's own explanation, where it gives one. (NLMSGERR_ATTR_MSG)
  public let explanation: String?

  public init(operation: String, errno: Errno, explanation: String? = nil) {
    self.operation = operation
    self.errno = errno
    self.explanation = explanation
  }

  public var description: String { "\(operation): \(errno)" + (explanation.map { " (\($0))" } ?? "") }
}

/// A socket to one netlink family, in the network namespace of the thread that opened it.
final class NetlinkSocket {
  static let route: CInt = 0
  static let netfilter: CInt = 12

  private let descriptor: CInt
  private var sequence: UInt32 = 0
  /// Of the request whose answers are awaited; earlier ones may still have some in the queue.
  private var firstSequence: UInt32 = 0

  init(_ family: CInt) throws(NetlinkError) {
    descriptor = socket(16 /* AF_NETLINK */, CInt(SOCK_RAW.rawValue) | O_CLOEXEC, family)
    guard descriptor >= 0 else { throw NetlinkError(operation: "open a netlink socket", errno: .current, explanation: nil) }
    var on: CInt = 1
    // SOL_NETLINK: NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK
    for option in [10, 11, 12] as [CInt] { setsockopt(descriptor, 270, option, &on, socklen_t(MemoryLayout<CInt>.size)) }
    var size: CInt = 1 << 20
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
  }

  deinit { close(descriptor) }

  /// Sends one request and waits for its acknowledgement.
  func request(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) {
    try transact([message], acknowledged: 1, operation)
  }

  /// Sends messages in one call and waits for the acknowledgements of `acknowledged` of them: the first error is thrown
  /// after all have arrived.
  func transact(_ messages: [NetlinkMessage], acknowledged: Int, _ operation: String) throws(NetlinkError) {
    var bytes: [UInt8] = []
    firstSequence = sequence + 1
    for var message in messages {
      sequence += 1
      message.setSequence(sequence)
      bytes += message.bytes
    }
    try send(bytes, operation)
    var failure: NetlinkError?
    var pending = acknowledged
    while pending > 0 {
      for reply in try receive(operation) where reply.type == 2 /* NLMSG_ERROR */ {
        pending -= 1
        let code: Int32 = reply.body.number(0) ?? -EIO
        if code != 0, failure == nil {
          failure = NetlinkError(operation: operation, errno: Errno(rawValue: -code), explanation: Self.explanation(reply))
          // A batch that fails is answered once for the message at fault and not at all for the rest.
          if messages.count > acknowledged { pending = 0 }
        }
      }
    }
    if let failure { throw failure }
  }

  /// Asks for a list. A dump that a change has interrupted is asked for again. (NLM_F_DUMP_INTR)
  func dump(_ message: NetlinkMessage, _ operation: String) throws(NetlinkError) -> [(type: UInt16, body: [UInt8])] {
    for _ in 0..<16 {
      var message = message
      sequence += 1
      firstSequence = sequence
      message.setSequence(sequence)
      try send(message.bytes, operation)
      var replies: [(UInt16, [UInt8])] = []
      var interrupted = false
      var done = false
      while !done {
        for reply in try receive(operation) {
          if reply.flags & 0x10 != 0 { interrupted = true }
          switch reply.type {
          case 3 /* NLMSG_DONE */: done = true
          case 2:
            let code: Int32 = reply.body.number(0) ?? -EIO
            if code != 0 {
              throw NetlinkError(operation: operation, errno: Errno(rawValue: -code), explanation: Self.explanation(reply))
            }
            done = true
          default: replies.append((reply.type, reply.body))
          }
        }
      }
      if !interrupted { return replies }
    }
    throw NetlinkError(operation: operation, errno: .interrupted, explanation: "the list kept changing")
  }

  private func send(_ bytes: [UInt8], _ operation: String) throws(NetlinkError) {
    let descriptor = descriptor
    do throws(Errno) {
      try Errno.retrying { Glibc.send(descriptor, bytes, bytes.count, 0) }
    } catch {
      throw NetlinkError(operation: operation, errno: error, explanation: nil)
    }
  }

  private typealias Reply = (type: UInt16, flags: UInt16, body: [UInt8])

  private func receive(_ operation: String) throws(NetlinkError) -> [Reply] {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    var count = 0
    while true {
      count = recv(descriptor, &buffer, buffer.count, 0)
      if count >= 0 { break }
      guard errno == EINTR else { throw NetlinkError(operation: operation, errno: .current, explanation: nil) }
    }
    var replies: [Reply] = []
    var position = 0
    while position + 16 <= count {
      let length = Int(buffer.number(position, as: UInt32.self) ?? 0)
      guard length >= 16, position + length <= count else { break }
      let answered: UInt32 = buffer.number(position + 8) ?? 0
      if (firstSequence...sequence).contains(answered) {
        replies.append((
          buffer.number(position + 4) ?? 0, buffer.number(position + 6) ?? 0,
          Array(buffer[(position + 16)..<(position + length)])
        ))
      }
      position += (length + 3) & ~3
    }
    return replies
  }

  /// The text after the echoed header of an error. (NLM_F_ACK_TLVS)
  private static func explanation(_ reply: Reply) -> String? {
    guard reply.flags & 0x200 != 0, let text = reply.body.attribute(1, from: 20) else { return nil }
    return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }
}
