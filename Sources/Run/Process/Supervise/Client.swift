import Glibc
import Kernel
import SystemPackage

/// An attached client: packets of one byte of kind and up to 32 KiB. (AF_UNIX, SOCK_SEQPACKET)
final class Client {
  enum Request {
    case stdin(ArraySlice<UInt8>)
    case resize(rows: UInt16, columns: UInt16)
    case closeStdin
    case hello(stdin: Bool, stdout: Bool, stderr: Bool)
    /// nil: the container's own timeout and signal; -1 seconds: for ever.
    case stop(seconds: Int?, signal: CInt?)
    case cleansUp
    case rotateLog
    case kill(CInt)
  }

  enum Kind: UInt8 { case stdout = 0x81, stderr = 0x82, exit = 0x83, started = 0x84 }

  static let largest = 32 << 10
  /// What a client may have waiting for it.
  private static let most = 1 << 20
  private static let full = 256 << 10

  let socket: OpenFile
  /// Output waits for it: the one that started the container. Others that do not read are dropped.
  let isPatient: Bool
  var takesStdin: Bool
  var takesStdout: Bool
  var takesStderr: Bool
  var cleansUp = false
  private(set) var isGone = false
  private var queue: [[UInt8]] = []
  private var queued = 0

  init(_ socket: OpenFile, isPatient: Bool) {
    self.socket = socket
    self.isPatient = isPatient
    takesStdin = isPatient
    takesStdout = isPatient
    takesStderr = isPatient
  }

  var hasOutput: Bool { !queue.isEmpty }
  /// Nobody should read more for it.
  var isFull: Bool { isPatient && queued > Self.full }

  func send(_ kind: Kind, _ body: some Collection<UInt8>) {
    guard !isGone else { return }
    queue.append([kind.rawValue] + body)
    queued += body.count + 1
    flush()
    if !isPatient, queued > Self.most { isGone = true }
  }

  func flush() {
    while let packet = queue.first {
      let count = Glibc.send(socket.number, packet, packet.count, CInt(MSG_NOSIGNAL | MSG_DONTWAIT))
      if count < 0 {
        switch Errno.current {
        case .interrupted: continue
        case .wouldBlock, .noBufferSpace: return
        default:
          isGone = true
          queue = []
          queued = 0
          return
        }
      }
      queued -= packet.count
      queue.removeFirst()
    }
  }

  func drop() { isGone = true }

  /// What it sent; nil when there is nothing now. Sets `isGone` at its end.
  func receive() -> Request? {
    var buffer = [UInt8](repeating: 0, count: Self.largest + 1)
    while true {
      let count = recv(socket.number, &buffer, buffer.count, CInt(MSG_DONTWAIT))
      if count == 0 {
        isGone = true
        return nil
      }
      if count < 0 {
        switch Errno.current {
        case .interrupted: continue
        case .wouldBlock: return nil
        default:
          isGone = true
          return nil
        }
      }
      if let request = Self.request(buffer[0], buffer[1..<count]) { return request }
    }
  }

  /// nil for what no version of this protocol has.
  static func request(_ kind: UInt8, _ body: ArraySlice<UInt8>) -> Request? {
    let bytes = Array(body)
    func number(_ range: Range<Int>) -> UInt32 { bytes[range].reduce(0) { $0 << 8 | UInt32($1) } }
    switch kind {
    case 0x00: return .stdin(body)
    case 0x01 where bytes.count == 4: return .resize(rows: UInt16(number(0..<2)), columns: UInt16(number(2..<4)))
    case 0x02: return .closeStdin
    case 0x03:
      struct Hello: Decodable { var stdin: Bool?, stdout: Bool?, stderr: Bool? }
      guard let hello = try? JSONText.decode(Hello.self, bytes, name: "hello") else { return nil }
      return .hello(stdin: hello.stdin ?? false, stdout: hello.stdout ?? false, stderr: hello.stderr ?? false)
    case 0x04 where bytes.count == 4 || bytes.count == 5 && (1...64).contains(bytes[4]):
      let signal = bytes.count == 5 ? CInt(bytes[4]) : nil
      switch number(0..<4) {
      case .max: return .stop(seconds: nil, signal: signal)
      case .max - 1: return .stop(seconds: -1, signal: signal)
      case let seconds: return .stop(seconds: Int(seconds), signal: signal)
      }
    case 0x05: return .cleansUp
    case 0x06: return .rotateLog
    case 0x07 where bytes.count == 1 && (1...64).contains(bytes[0]): return .kill(CInt(bytes[0]))
    default: return nil
    }
  }
}
