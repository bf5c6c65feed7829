import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A connection to a port in the container's network, and over it, for HTTP, one request. In a process of its own,
/// which ends with 0 for success.
struct NetworkProbe {
  private let host: String
  private let port: UInt16
  private let http: HTTPProbe?
  private let timeout: Int64

  init(_ action: ProbeAction, timeout: Int64) {
    switch action {
    case .http(let probe):
      host = probe.host ?? "127.0.0.1"
      port = probe.port
      http = probe
    case .tcp(let probe):
      host = probe.host ?? "127.0.0.1"
      port = probe.port
      http = nil
    case .exec:
      host = ""
      port = 0
      http = nil
    }
    self.timeout = timeout
  }

  func run(_ namespace: CInt, _ output: CInt) -> Never {
    Signals.reset()
    _ = try? Privileges.setParentDeathSignal(SIGKILL)
    do {
      try attempt("join the container's network") { () throws(Errno) in try Namespaces.join(namespace, .network) }
      let socket = try connect()
      if let http { try ask(http, socket.number) }
      _exit(0)
    } catch {
      try? writeAll(output, Array("\(error)".utf8))
      _exit(1)
    }
  }

  private func connect() throws -> OpenFile {
    var v4 = sockaddr_in()
    var v6 = sockaddr_in6()
    let isIPv6 = host.contains(":")
    let socket = OpenFile(
      OwnedDescriptor(
        try attempt("open a socket") { () throws(Errno) in
          try Errno.check(
            Glibc.socket(isIPv6 ? AF_INET6 : AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0))
        }))
    var limit = timeval(tv_sec: Int(timeout / 1_000_000_000), tv_usec: Int(timeout % 1_000_000_000 / 1000))
    for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
      setsockopt(socket.number, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    v4.sin_family = sa_family_t(AF_INET)
    v4.sin_port = port.bigEndian
    v6.sin6_family = sa_family_t(AF_INET6)
    v6.sin6_port = port.bigEndian
    guard (isIPv6 ? inet_pton(AF_INET6, host, &v6.sin6_addr) : inet_pton(AF_INET, host, &v4.sin_addr)) == 1 else {
      throw RuntimeError.usage("a probe's host is \"\(host)\", which is no address")
    }
    try attempt("connect to \(host) port \(port)") { () throws(Errno) in
      let result =
        isIPv6
        ? withUnsafeBytes(of: &v6) { Self.connect(socket.number, $0) }
        : withUnsafeBytes(of: &v4) { Self.connect(socket.number, $0) }
      if result != 0 { throw Errno.current == .nowInProgress ? .timedOut : Errno.current }
    }
    return socket
  }

  private static func connect(_ socket: CInt, _ address: UnsafeRawBufferPointer) -> CInt {
    guard let base = address.baseAddress else { return -1 }
    return Glibc.connect(socket, base.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count))
  }

  private func ask(_ probe: HTTPProbe, _ socket: CInt) throws {
    guard probe.scheme.lowercased() == "http" else {
      throw RuntimeError.unsupported("a probe over \(probe.scheme)", reason: "only http is")
    }
    var headers = probe.headers
    if !headers.keys.contains(where: { $0.lowercased() == "host" }) {
      headers["Host"] = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
    if !headers.keys.contains(where: { $0.lowercased() == "user-agent" }) {
      headers["User-Agent"] = "kube-probe/clipper"
    }
    if !headers.keys.contains(where: { $0.lowercased() == "accept" }) { headers["Accept"] = "*/*" }
    headers["Connection"] = "close"
    let path = probe.path.hasPrefix("/") ? probe.path : "/" + probe.path
    let lines = ["GET \(path) HTTP/1.1"] + headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    try attempt("send a request to \(host) port \(port)") { () throws(Errno) in
      try writeAll(socket, Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8))
    }
    var answer: [UInt8] = []
    while !answer.contains(UInt8(ascii: "\n")), answer.count < 4096 {
      var buffer = [UInt8](repeating: 0, count: 1024)
      let count = read(socket, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw RuntimeError.state("no answer from \(host) port \(port)\(count < 0 ? ": \(Errno.current)" : "")")
      }
      answer += buffer[..<count]
    }
    let line = answer.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
    let words = String(decoding: line, as: UTF8.self).split(separator: " ")
    guard words.count >= 2, words[0].hasPrefix("HTTP/"), let status = Int(words[1]) else {
      throw RuntimeError.state("\(host) port \(port) answered something that is not HTTP")
    }
    guard (200..<400).contains(status) else { throw RuntimeError.state("HTTP probe failed with statuscode: \(status)") }
  }
}
