import Glibc
import Synchronization

/// A request as a test sees it.
struct FakeRequest: Sendable {
  var method: String
  /// With the query.
  var target: String
  /// Names in lower case.
  var headers: [String: String]
  var body: [UInt8] = []

  var path: String { String(target.prefix { $0 != "?" }) }
  var query: String { String(target.drop { $0 != "?" }.dropFirst()) }
}

struct FakeAnswer: Sendable {
  var status = 200
  var headers: [(String, String)] = []
  var body: [UInt8] = []
  /// Closes the connection after so many bytes of the body.
  var hangUpAfter: Int?
  /// Comes before it does so: for a test to wait until the bytes have arrived, as a client may drop those that it has
  /// not looked at when the connection breaks.
  var beforeHangUp: (@Sendable () -> Void)?

  init(_ status: Int = 200, _ headers: [(String, String)] = [], _ body: [UInt8] = [], hangUpAfter: Int? = nil) {
    self.status = status
    self.headers = headers
    self.body = body
    self.hangUpAfter = hangUpAfter
  }

  init(_ status: Int, _ headers: [(String, String)] = [], text: String) { self.init(status, headers, Array(text.utf8)) }
}

/// A plain HTTP/1.1 server on a free port of loopback, a thread for each connection.
final class FakeServer: Sendable {
  let port: Int
  private let listener: CInt
  private let log = Mutex<[FakeRequest]>([])
  private let handler: @Sendable (FakeRequest) -> FakeAnswer
  /// For a request whose body is still to come: after how many bytes of it the connection is closed; nil takes it all.
  private let cut: @Sendable (FakeRequest) -> Int?

  init(
    cut: @escaping @Sendable (FakeRequest) -> Int? = { _ in nil },
    _ handler: @escaping @Sendable (FakeRequest) -> FakeAnswer
  ) throws {
    self.handler = handler
    self.cut = cut
    listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard bound else { throw FakeServerError.notBound(errno) }
    port = Int(UInt16(bigEndian: address.sin_port))
    Self.thread { [self] in accept() }
  }

  enum FakeServerError: Error { case notBound(Int32) }

  /// `127.0.0.1:<port>`
  var host: String { "127.0.0.1:\(port)" }
  var requests: [FakeRequest] { log.withLock { $0 } }
  func requests(_ method: String, _ part: String) -> [FakeRequest] {
    requests.filter { $0.method == method && $0.target.contains(part) }
  }

  /// No new connections; those that are open end with their clients.
  func stop() {
    shutdown(listener, CInt(SHUT_RDWR))
    close(listener)
  }

  private static func thread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var id = pthread_t()
    let box = Unmanaged.passRetained(Box(body))
    pthread_create(
      &id, nil,
      { argument in
        argument.map { Unmanaged<Box>.fromOpaque($0).takeRetainedValue().body() }
        return nil
      }, box.toOpaque())
    pthread_detach(id)
  }

  private func accept() {
    while true {
      let connection = Glibc.accept(listener, nil, nil)
      if connection < 0 { return }
      Self.thread { [self] in
        serve(connection)
        // A program that another test started may have the descriptor too: closing alone would not hang up.
        shutdown(connection, CInt(SHUT_RDWR))
        close(connection)
      }
    }
  }

  private func serve(_ connection: CInt) {
    var pending: [UInt8] = []
    while let request = readRequest(connection, &pending) {
      log.withLock { $0.append(request) }
      var answer = handler(request)
      let length = answer.body.count
      if request.method == "HEAD" { answer.body = [] }
      var head = "HTTP/1.1 \(answer.status) Status\r\n"
      for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
      if !answer.headers.contains(where: { $0.0.lowercased() == "content-length" }), answer.status != 204 {
        head += "Content-Length: \(length)\r\n"
      }
      head += "\r\n"
      guard send(connection, Array(head.utf8)) else { return }
      if let bytes = answer.hangUpAfter {
        _ = send(connection, Array(answer.body.prefix(bytes)))
        answer.beforeHangUp?()
        return
      }
      guard send(connection, answer.body) else { return }
    }
  }

  private func send(_ connection: CInt, _ bytes: [UInt8]) -> Bool {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  private func readRequest(_ connection: CInt, _ pending: inout [UInt8]) -> FakeRequest? {
    var end: Int?
    while end == nil {
      end = Self.headEnd(pending)
      // A TLS handshake, or nothing that this server speaks.
      if let first = pending.first, !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first) { return nil }
      if end == nil, !Self.fill(connection, &pending) { return nil }
    }
    guard let end, var request = Self.parse(Array(pending[..<end])) else { return nil }
    pending.removeFirst(end + 4)
    let length = Int(request.headers["content-length"] ?? "0") ?? 0
    let limit = cut(request)
    while pending.count < min(length, limit ?? length) { if !Self.fill(connection, &pending) { return nil } }
    if let limit, limit < length {
      request.body = Array(pending.prefix(limit))
      log.withLock { $0.append(request) }
      return nil
    }
    request.body = Array(pending.prefix(length))
    pending.removeFirst(length)
    return request
  }

  private static func fill(_ connection: CInt, _ pending: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let count = recv(connection, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    pending += buffer[..<count]
    return true
  }

  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 4 else { return nil }
    return (0...(bytes.count - 4)).first {
      bytes[$0] == 13 && bytes[$0 + 1] == 10 && bytes[$0 + 2] == 13 && bytes[$0 + 3] == 10
    }
  }

  private static func parse(_ head: [UInt8]) -> FakeRequest? {
    let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n")
    let words = lines.first?.split(separator: " ") ?? []
    guard words.count == 3 else { return nil }
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
    }
    return FakeRequest(method: String(words[0]), target: String(words[1]), headers: headers)
  }
}
