import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// One supervised container and its first client.
final class Supervised {
  enum Event: Equatable {
    case output(String)
    case errorOutput(String)
    case exit(String)
    case started
    case closed
    case silence
  }

  let report: SupervisorReport
  let host: RuntimeHost
  let directory: FilePath
  private let client: OwnedDescriptor

  init(
    _ host: RuntimeHost, _ id: String, _ arguments: [String], held: CInt? = nil,
    _ change: (inout Supervision) -> Void = { _ in },
    config: (inout RuntimeConfig) -> Void = { _ in }
  ) throws {
    self.host = host
    let bundle = try host.bundle(id, arguments, config)
    directory = bundle.appending("run")
    try makeDirectories(directory)
    let (ours, theirs) = try LocalSockets.pair()
    client = OwnedDescriptor(ours)
    let their = OwnedDescriptor(theirs)
    let (reader, writer) = try Streams.pipe(readerIsOurs: false)
    var supervision = Supervision(
      id: id, bundle: bundle.string, directory: directory.string, readyDescriptor: 3, attachDescriptor: 4,
      log: LogDestination(driver: .jsonFile, path: bundle.appending("log").string),
      stop: StopPolicy(signal: SIGTERM, timeout: 2))
    if held != nil { supervision.heldDescriptors = [5] }
    change(&supervision)
    let file = bundle.appending("supervision.json")
    try host.write(file, String(decoding: try JSONText.encode(supervision), as: UTF8.self))
    var spawn = Spawn(host.program, ["--root", host.state.string, "supervise", file.string])
    spawn.descriptors = [(writer.number, 3), (their.number, 4)]
    if let held { spawn.descriptors += [(held, 5), (held, 6)] }
    let pid = try spawn.start()
    writer.close()
    _ = consume their
    let line = try readAll(reader.number, limit: 1 << 16)
    _ = try waitForProcess(pid)
    report = try JSONText.decode(SupervisorReport.self, line, name: "report")
  }

  deinit {
    guard let supervisor = report.supervisor, kill(supervisor, 0) == 0 else { return }
    kill(supervisor, SIGKILL)
    if let pid = report.pid { kill(pid, SIGKILL) }
  }

  var pid: Int32 { report.pid ?? 0 }

  func state() throws -> SupervisedState {
    try JSONText.decode(SupervisedState.self, readFile(directory.appending("state.json")), name: "state.json")
  }

  var log: String { (try? host.read(directory.removingLastComponent().appending("log"))) ?? "" }

  /// Returns when it is gone: somebody else can have its lock.
  func killSupervisor() throws {
    kill(try #require(report.supervisor), SIGKILL)
    let lock = try openat2(workingDirectory, directory.appending("lock").string, flags: O_RDWR)
    #expect(eventually { flock(lock.number, LOCK_EX | LOCK_NB) == 0 })
  }

  /// The next event of the first client, or of another.
  func next(of socket: CInt? = nil, milliseconds: CInt = 10_000) throws -> Event {
    let socket = socket ?? client.number
    var ready = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    guard try Errno.retrying({ poll(&ready, 1, milliseconds) }) > 0 else { return .silence }
    let (bytes, _) = try LocalSockets.receive(socket, limit: 40 << 10)
    guard let kind = bytes.first else { return .closed }
    let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
    switch kind {
    case 0x81: return .output(text)
    case 0x82: return .errorOutput(text)
    case 0x83: return .exit(text)
    case 0x84: return .started
    default: return .silence
    }
  }

  /// Everything up to the end; output in pieces as it came is one text.
  func rest(of socket: CInt? = nil) throws -> (output: String, errorOutput: String, exit: String?) {
    var output = "", errorOutput = ""
    while true {
      switch try next(of: socket) {
      case .output(let text): output += text
      case .errorOutput(let text): errorOutput += text
      case .exit(let text): return (output, errorOutput, text)
      case .started: continue
      case .closed, .silence: return (output, errorOutput, nil)
      }
    }
  }

  /// Output of the first client until there are so many bytes.
  func read(atLeast count: Int) throws -> Int {
    var seen = 0
    while seen < count, case .output(let text) = try next() { seen += text.utf8.count }
    return seen
  }

  func send(_ kind: UInt8, _ body: some Collection<UInt8> = [UInt8](), on socket: CInt? = nil) throws {
    try LocalSockets.send(socket ?? client.number, [kind] + body)
  }

  func attach(stdin: Bool = false, stdout: Bool = false, stderr: Bool = false) throws -> OwnedDescriptor {
    let place = try openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try LocalSockets.connect(in: place.number, "attach.sock")
    try send(3, Array(#"{"stdin":\#(stdin),"stdout":\#(stdout),"stderr":\#(stderr)}"#.utf8), on: socket.number)
    return socket
  }

  func stop(seconds: UInt32 = .max) throws {
    let socket = try attach()
    try send(4, withUnsafeBytes(of: seconds.bigEndian) { Array($0) }, on: socket.number)
    while case let event = try next(of: socket.number, milliseconds: 20_000), event != .closed, event != .silence {
      if case .exit = event { break }
    }
  }
}
