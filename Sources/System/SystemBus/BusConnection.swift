import Glibc
public import Kernel
import SystemPackage

/// When waiting ends.
public struct BusDeadline: Sendable {
  private let end: UInt64

  public init(milliseconds: UInt64) { end = Self.now() + milliseconds * 1_000_000 }

  /// For poll(2).
  var remaining: CInt {
    let now = Self.now()
    return now >= end ? 0 : CInt(clamping: (end - now + 999_999) / 1_000_000)
  }

  private static func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// A blocking client of a message bus, as much of one as it takes to ask systemd for units.
///
/// It is written here because the runtime is a static program that starts in a millisecond: libsystemd and libdbus come
/// as shared libraries only (Debian ships no static libsystemd), and what is needed of the protocol is little.
/// (D-Bus Specification 0.43)
public final class BusConnection {
  public struct Signal: Sendable {
    public let path: String
    public let values: [BusValue]
  }

  private let socket: OwnedDescriptor
  private let isPeer: Bool
  private var input: [UInt8] = []
  private var serial: UInt32 = 0
  /// Signals of this name are kept until they are asked for; all others are dropped.
  private var expected: (interface: String, member: String)?
  private var signals: [BusMessage] = []

  /// Of the first address at which somebody listens.
  public convenience init(_ addresses: [BusAddress], _ deadline: BusDeadline) throws(BusError) {
    let (number, isPeer) = try Self.connect(addresses)
    try self.init(OwnedDescriptor(number), isPeer: isPeer, deadline)
  }

  private static func connect(_ addresses: [BusAddress]) throws(BusError) -> (CInt, isPeer: Bool) {
    var failure = BusError.address("", problem: "is empty")
    for address in addresses {
      do throws(Errno) {
        let socket = try LocalSockets.connectStream(address.path, abstract: address.isAbstract, nonBlocking: true)
        return (socket.release(), address.isPeer)
      } catch {
        failure = .connection("\(address)", error)
      }
    }
    throw failure
  }

  /// Over a stream socket that is connected and does not block.
  public init(_ socket: consuming OwnedDescriptor, isPeer: Bool, _ deadline: BusDeadline) throws(BusError) {
    self.socket = socket
    self.isPeer = isPeer
    try authenticate(deadline)
    if !isPeer {
      _ = try call(
        "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", [], deadline)
    }
  }

  // MARK: Calls

  /// Calls a method and waits for what it returns; the other end's refusal is `BusError.reply`.
  public func call(
    _ destination: String, _ path: String, _ interface: String, _ member: String, _ values: [BusValue],
    _ deadline: BusDeadline
  ) throws(BusError) -> [BusValue] {
    let doing = "calling \(interface).\(member)"
    serial += 1
    var message = BusMessage(.call, serial: serial)
    message.path = path
    message.interface = interface
    message.member = member
    message.destination = destination
    let bytes = message.encoded(values)
    guard bytes.count <= BusMessage.limit else { throw .transfer(doing: doing, .messageTooLong) }
    try send(bytes, doing, deadline)
    while true {
      let answer = try receive(doing, deadline)
      guard answer.replySerial == serial else {
        try keep(answer)
        continue
      }
      switch answer.kind {
      case .result: return try answer.values()
      case .error:
        // By custom the first value is the message.
        let text = try? answer.values().first?.text
        throw .reply(name: answer.errorName ?? "an error without a name", message: text ?? "")
      default: continue
      }
    }
  }

  // MARK: Signals

  /// From here on signals of this name are kept for `signal`.
  ///
  /// - Parameter match: further conditions of a match rule, such as `arg2='a.scope'`; a peer sends all it has.
  public func expect(_ interface: String, _ member: String, match: String, _ deadline: BusDeadline) throws(BusError) {
    expected = (interface, member)
    guard !isPeer else { return }
    let rule = "type='signal',interface='\(interface)',member='\(member)'" + (match.isEmpty ? "" : ",\(match)")
    _ = try call(
      "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", [.string(rule)], deadline)
  }

  /// Waits for the next signal that was expected.
  public func signal(_ doing: String, _ deadline: BusDeadline) throws(BusError) -> Signal {
    while signals.isEmpty { try keep(try receive(doing, deadline)) }
    let message = signals.removeFirst()
    return Signal(path: message.path ?? "", values: try message.values())
  }

  private func keep(_ message: BusMessage) throws(BusError) {
    guard message.kind == .signal, let expected, message.interface == expected.interface,
      message.member == expected.member
    else { return }
    guard signals.count < 4096 else { throw .malformed("more signals than can be kept") }
    signals.append(message)
  }

  // MARK: Transfer

  /// (D-Bus Specification, Authentication Protocol, EXTERNAL) Without a user's number, so that the credentials of the
  /// socket decide: in a user namespace we do not know the number that the bus sees. Nothing is waited for in between.
  private func authenticate(_ deadline: BusDeadline) throws(BusError) {
    let doing = "signing in"
    try send(Array("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".utf8), doing, deadline)
    for expected in ["DATA", "OK"] {
      let line = try receiveLine(doing, deadline)
      guard line == expected || line.hasPrefix(expected + " ") else { throw .refused(line) }
    }
  }

  private func receiveLine(_ doing: String, _ deadline: BusDeadline) throws(BusError) -> String {
    while true {
      if let end = input.firstIndex(of: UInt8(ascii: "\n")) {
        let line = input[..<end].filter { $0 != UInt8(ascii: "\r") }
        input.removeSubrange(...end)
        return String(decoding: line, as: UTF8.self)
      }
      guard input.count < 4096 else { throw .malformed("a line of more than 4096 bytes at the beginning") }
      try fill(doing, deadline)
    }
  }

  private func receive(_ doing: String, _ deadline: BusDeadline) throws(BusError) -> BusMessage {
    while input.count < BusMessage.prefix { try fill(doing, deadline) }
    let length = try BusMessage.length(input[..<BusMessage.prefix])
    while input.count < length { try fill(doing, deadline) }
    let message = try BusMessage(input[..<length])
    input.removeSubrange(..<length)
    return message
  }

  private func fill(_ doing: String, _ deadline: BusDeadline) throws(BusError) {
    var buffer = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = recv(socket.number, &buffer, buffer.count, CInt(MSG_DONTWAIT))
      if count > 0 {
        input += buffer[..<count]
        return
      }
      guard count != 0 else { throw .closed(doing: doing) }
      try wait(POLLIN, Errno.current, doing, deadline)
    }
  }

  private func send(_ bytes: [UInt8], _ doing: String, _ deadline: BusDeadline) throws(BusError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(socket.number, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT) | CInt(MSG_NOSIGNAL))
      }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else {
        try wait(POLLOUT, Errno.current, doing, deadline)
      }
    }
  }

  private func wait(_ event: CInt, _ error: Errno, _ doing: String, _ deadline: BusDeadline) throws(BusError) {
    if error == .interrupted { return }
    if error == .brokenPipe || error == .connectionReset { throw .closed(doing: doing) }
    guard error == .resourceTemporarilyUnavailable else { throw .transfer(doing: doing, error) }
    var state = pollfd(fd: socket.number, events: Int16(event), revents: 0)
    let count = poll(&state, 1, deadline.remaining)
    if count == 0 { throw .timedOut(doing: doing) }
    if count < 0, Errno.current != .interrupted { throw .transfer(doing: doing, .current) }
  }
}
