import Dispatch
import Glibc
import Kernel
import Synchronization
import SystemPackage

/// A web server that remembers what it was sent and answers with given statuses, one connection each.
final class WebhookReceiver: Sendable {
  struct Request: Sendable {
    var line = ""
    var headers: [String: String] = [:]
    var body: [UInt8] = []
  }

  let port: UInt16
  private let listener: CInt
  private let received = Mutex<[Request]>([])

  var requests: [Request] { received.withLock { $0 } }

  init(_ statuses: [Int]) throws {
    let number = try Errno.check(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    try withUnsafeMutablePointer(to: &address) { pointer in
      try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        _ = try Errno.check(bind(number, pointer, size))
        _ = try Errno.check(listen(number, 8))
        _ = try Errno.check(getsockname(number, pointer, &size))
      }
    }
    listener = number
    port = UInt16(bigEndian: address.sin_port)
    DispatchQueue.global().async { [weak self] in
      for status in statuses {
        let connection = accept(number, nil, nil)
        guard connection >= 0 else { return }
        self?.answer(connection, status)
        close(connection)
      }
    }
  }

  deinit {
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private func answer(_ connection: CInt, _ status: Int) {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    var request = Request()
    while true {
      let count = read(connection, &buffer, buffer.count)
      guard count > 0 else { return }
      bytes += buffer[..<count]
      let (head, body) = Loopback.split(bytes)
      guard head.utf8.count + 4 <= bytes.count else { continue }
      let lines = head.split(separator: "\r\n").map(String.init)
      request.line = lines.first ?? ""
      for line in lines.dropFirst() {
        let halves = line.split(separator: ":", maxSplits: 1)
        request.headers[halves[0].lowercased()] = halves.count == 2 ? String(halves[1].drop { $0 == " " }) : ""
      }
      request.body = Array(body)
      if body.count >= request.headers["content-length"].flatMap({ Int($0) }) ?? 0 { break }
    }
    received.withLock { $0.append(request) }
    let location = status == 302 ? "Location: http://127.0.0.1:1/\r\n" : ""
    try? writeAll(connection, Array("HTTP/1.1 \(status) x\r\n\(location)Content-Length: 0\r\nConnection: close\r\n\r\n".utf8))
  }
}
