import Glibc
import Kernel
import SystemPackage
import Testing

@testable import SystemBus

/// A client against the other end of a socket pair, which says what a test tells it to.
struct ConnectionTests {
  private let deadline = BusDeadline(milliseconds: 10_000)
  private let soon = BusDeadline(milliseconds: 50)

  /// The client's end, and the other one with `words` already sent on it.
  private func ends(_ words: [UInt8]) throws -> (CInt, CInt) {
    var ends: [CInt] = [-1, -1]
    try Errno.check(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends))
    try writeAll(ends[1], words)
    return (ends[0], ends[1])
  }

  private let welcome = Array("DATA\r\nOK 1234deadbeef\r\n".utf8)

  private func answer(_ serial: UInt32, _ values: [BusValue] = []) -> [UInt8] {
    var message = BusMessage(.result, serial: 100 + serial)
    message.replySerial = serial
    return message.encoded(values)
  }

  private func failure(_ words: [UInt8], closes: Bool = false, peer: Bool = true, calls: Bool = true) throws
    -> BusError?
  {
    let (ours, theirs) = try ends(words)
    if closes { close(theirs) }
    defer { if !closes { close(theirs) } }
    do throws(BusError) {
      let bus = try BusConnection(OwnedDescriptor(ours), isPeer: peer, soon)
      if calls { _ = try bus.call("a.b", "/", "a.b", "C", [], soon) }
      return nil
    } catch {
      return error
    }
  }

  @Test func signsInAndCalls() throws {
    let (ours, theirs) = try ends(welcome + answer(1, [.string(":1.7")]) + answer(2, [.uint32(5)]))
    defer { close(theirs) }
    let bus = try BusConnection(OwnedDescriptor(ours), isPeer: false, deadline)
    #expect(try bus.call("a.b", "/x", "a.b", "C", [.boolean(true)], deadline) == [.uint32(5)])
    var sent = [UInt8](repeating: 0, count: 4096)
    sent.removeLast(4096 - recv(theirs, &sent, 4096, 0))
    let greeting = Array("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n".utf8)
    #expect(sent.starts(with: greeting))
    let hello = sent[greeting.count...]
    let length = try BusMessage.length(hello.prefix(16))
    #expect(try BusMessage(hello.prefix(length)).member == "Hello")
    let call = try BusMessage(Array(hello.dropFirst(length))[...])
    #expect(call.member == "C")
    #expect(call.path == "/x")
    #expect(try call.values() == [.boolean(true)])
  }

  /// systemd's own socket knows no Hello.
  @Test func aPeerIsNotGreeted() throws {
    let (ours, theirs) = try ends(welcome + answer(1, [.byte(1)]))
    defer { close(theirs) }
    let bus = try BusConnection(OwnedDescriptor(ours), isPeer: true, deadline)
    #expect(try bus.call("a.b", "/x", "a.b", "C", [], deadline) == [.byte(1)])
  }

  @Test func errorsOfTheOtherEndAreItsOwn() throws {
    var error = BusMessage(.error, serial: 9)
    error.replySerial = 1
    error.errorName = "org.x.No"
    #expect(
      try failure(welcome + error.encoded([.string("not today")])) == .reply(name: "org.x.No", message: "not today"))
    #expect(try failure(welcome + error.encoded([])) == .reply(name: "org.x.No", message: ""))
  }

  @Test func signalsThatAreExpectedWait() throws {
    func signal(_ member: String, _ number: UInt32) -> [UInt8] {
      var message = BusMessage(.signal, serial: 50 + number)
      message.path = "/s"
      message.interface = "a.b"
      message.member = member
      return message.encoded([.uint32(number)])
    }
    let words = welcome + answer(1) + answer(2) + signal("Other", 1) + signal("Done", 2) + answer(77) + answer(3)
    let (ours, theirs) = try ends(words + signal("Done", 3))
    defer { close(theirs) }
    let bus = try BusConnection(OwnedDescriptor(ours), isPeer: false, deadline)
    try bus.expect("a.b", "Done", match: "arg0='x'", deadline)
    _ = try bus.call("a.b", "/", "a.b", "C", [], deadline)
    #expect(try bus.signal("waiting", deadline).values == [.uint32(2)])
    #expect(try bus.signal("waiting", deadline).values == [.uint32(3)])
    #expect(throws: BusError.timedOut(doing: "waiting")) { try bus.signal("waiting", soon) }
  }

  @Test func refusalsAndSilenceAreSaid() throws {
    #expect(try failure(Array("REJECTED EXTERNAL\r\n".utf8)) == .refused("REJECTED EXTERNAL"))
    #expect(try failure(Array("DATA\r\nERROR\r\n".utf8)) == .refused("ERROR"))
    #expect(try failure([]) == .timedOut(doing: "signing in"))
    #expect(try failure([], closes: true) == .closed(doing: "signing in"))
    #expect(try failure(welcome) == .timedOut(doing: "calling a.b.C"))
    #expect(try failure(welcome, peer: false) == .timedOut(doing: "calling org.freedesktop.DBus.Hello"))
  }

  @Test func garbageIsSaid() throws {
    for words in [
      Array(repeating: 0x41, count: 5000), welcome + Array(repeating: 0x41, count: 100),
      welcome + [0x6c, 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0],
      welcome + [0x6c, 2, 0, 1, 0, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]] {
      guard case .malformed? = try failure(words) else {
        Issue.record("\(words.prefix(60)) is taken")
        continue
      }
    }
  }

  @Test func addressesAreRead() throws {
    #expect(
      try BusAddress.list("unix:path=/run/a%20b,guid=00;tcp:host=x;unix:abstract=c") == [
        BusAddress(path: "/run/a b"), BusAddress(path: "c", isAbstract: true),
      ])
    for bad in ["", "tcp:host=a", "unix", "unix:path", "unix:path=%zz", "unix:path=a%00"] {
      #expect(throws: BusError.self, "\(bad)") { try BusAddress.list(bad) }
    }
    let variables = ["XDG_RUNTIME_DIR": "/run/user/7"]
    #expect(
      try BusAddress.user { variables[$0] } == [
        BusAddress(path: "/run/user/7/bus"), BusAddress(path: "/run/user/7/systemd/private", isPeer: true),
      ])
    #expect(throws: BusError.self) { try BusAddress.user { _ in nil } }
    #expect(try BusAddress.user { $0 == "DBUS_SESSION_BUS_ADDRESS" ? "unix:path=/x" : nil } == [BusAddress(path: "/x")])
    #expect(try BusAddress.system({ _ in nil }, isRoot: false).count == 1)
    #expect(try BusAddress.system({ _ in nil }, isRoot: true).last?.isPeer == true)
    #expect(throws: BusError.self) {
      try BusConnection([BusAddress(path: "/nonesuch"), BusAddress(path: "nonesuch", isAbstract: true)], soon)
    }
  }

  @Test func abstractSocketsAreReached() throws {
    let name = "clipper-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let listener = OwnedDescriptor(
      try Errno.check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.dropFirst().copyBytes(from: Array(name.utf8)) }
    let size = socklen_t(2 + 1 + name.utf8.count)
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener.number, $0, size) }
    }
    try Errno.check(bound)
    try Errno.check(listen(listener.number, 1))
    // It is accepted by the kernel; nobody answers.
    #expect(throws: BusError.timedOut(doing: "signing in")) {
      try BusConnection([BusAddress(path: name, isAbstract: true)], soon)
    }
  }
}
