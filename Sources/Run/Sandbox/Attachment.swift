internal import FoundationEssentials
import Glibc
public import Kernel
public import SystemPackage

/// A client of a supervisor: packets of one byte of kind and up to 32 KiB.
public final class Attachment: @unchecked Sendable {
  public enum Event: Sendable {
    case output([UInt8])
    case errorOutput([UInt8])
    case exited(code: Int32, oomKilled: Bool)
    /// Started, or started again.
    case started(pid: UInt32)
  }

  enum Request: UInt8 {
    case stdin = 0x00, resize = 0x01, closeStdin = 0x02, hello = 0x03, stop = 0x04, rotateLog = 0x06
    case kill = 0x07
  }

  /// For poll(2): readable when `receive` has something.
  public let descriptor: CInt
  private let owned: OwnedDescriptor
  /// One reader at a time.
  private var buffer = [UInt8](repeating: 0, count: maximum + 1)

  static let maximum = 32 << 10

  init(_ socket: consuming OwnedDescriptor) {
    descriptor = socket.number
    owned = socket
  }

  func connect(to path: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { buffer in
      guard path.utf8.count < buffer.count else { return false }
      for (index, byte) in path.utf8.enumerated() { buffer[index] = byte }
      return true
    }
    guard fits else { return false }
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
      }
    }
  }

  /// The next event; nil when the supervisor is gone.
  public func receive() throws -> Event? {
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 { return nil }
      if count < 0 {
        switch Errno.current {
        case .interrupted: continue
        case .connectionReset: return nil
        case let error: throw SupervisionError.system(operation: "hear from", path: "the supervisor", error)
        }
      }
      let body = Array(buffer[1..<count])
      switch buffer[0] {
      case 0x81: return .output(body)
      case 0x82: return .errorOutput(body)
      case 0x83:
        struct Exit: Decodable {
          let exitCode: Int32
          let oomKilled: Bool?
        }
        guard let exit = try? JSONDecoder().decode(Exit.self, from: Data(body)) else { continue }
        return .exited(code: exit.exitCode, oomKilled: exit.oomKilled ?? false)
      case 0x84 where body.count >= 4:
        return .started(pid: body.prefix(4).reduce(0) { $0 << 8 | UInt32($1) })
      default: continue
      }
    }
  }

  /// Writes to the program's standard input; waits where it does not read.
  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, Self.maximum)
      try send(.stdin, Array(rest[..<count]))
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  public func closeStdin() throws { try send(.closeStdin, []) }

  public func resize(rows: UInt16, columns: UInt16) throws {
    try send(.resize, [UInt8(rows >> 8), UInt8(rows & 255), UInt8(columns >> 8), UInt8(columns & 255)])
  }

  public func kill(_ signal: Int32) throws { try send(.kill, [UInt8(truncatingIfNeeded: signal)]) }

  func send(_ request: Request, _ body: [UInt8]) throws {
    let packet = [request.rawValue] + body
    while Glibc.send(descriptor, packet, packet.count, CInt(MSG_NOSIGNAL)) < 0 {
      switch Errno.current {
      case .interrupted: continue
      case .brokenPipe, .connectionReset, .socketNotConnected: throw SupervisionError.notRunning
      case let error: throw SupervisionError.system(operation: "speak to", path: "the supervisor", error)
      }
    }
  }

  func shutDownWriting() { shutdown(descriptor, 1 /* SHUT_WR */) }

  /// Reads until the container has ended or the supervisor has closed the connection.
  func drain() throws {
    while let event = try receive() {
      if case .exited = event { return }
    }
  }
}
