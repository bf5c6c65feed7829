import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What criu is asked for: fields of `criu_opts` in its interface for programs. (criu's images/rpc.proto)
struct CriuOptions {
  enum Field: Int {
    case imagesDirectory = 1
    case pid, leaveRunning, externalUnixSockets, establishedTCP
    case shellJob = 7
    case fileLocks, logLevel, logFile, pageServer, notify, root, parentImage, tracksMemory, deduplicates
    case workDirectory = 17
    case linkRemap
    case managesCgroups = 24
    case cgroupRoot, restoresSibling, inheritedDescriptor
    case cgroupMode = 34
    case external = 37
    case emptyNamespaces
    case freezeCgroup = 44
    case skipsInFlight = 46
    case orphanMaster = 50
    case securityProfile = 53
    case securityContext = 63
  }

  private(set) var message = ProtocolMessage()

  mutating func set(_ field: Field, _ value: Bool = true) { if value { message.add(field.rawValue, true) } }
  mutating func set(_ field: Field, _ value: CInt) { message.add(field.rawValue, value) }
  mutating func set(_ field: Field, _ value: String) { message.add(field.rawValue, value) }
  mutating func set(_ field: Field, _ value: ProtocolMessage) { message.add(field.rawValue, value) }

  /// What the images know by a name of their own is this descriptor of criu's.
  mutating func inherit(_ key: String, _ descriptor: CInt) {
    var entry = ProtocolMessage()
    entry.add(1, key)
    entry.add(2, descriptor)
    set(.inheritedDescriptor, entry)
  }
}

/// The program criu, asked by one request over a socket. (criu.org, RPC; `criu swrk`)
struct Criu {
  enum Request: UInt64 { case dump = 1, restore = 2, preDump = 4 }

  /// At a point of criu's work: the point, the first process when it is there, descriptors that come along.
  typealias Notification = (_ point: String, _ pid: pid_t, _ descriptors: [CInt]) throws -> Void

  private let socket: SetupChannel
  private let log: FilePath
  let pid: pid_t

  /// - Parameters:
  ///   - named: the program; nil looks for it in $PATH.
  ///   - descriptors: beyond 0, 1 and 2: (number here, number there), from 4 on.
  ///   - log: what a failure points to.
  init(named: FilePath?, descriptors: [(CInt, CInt)] = [], log: FilePath) throws {
    guard let program = named ?? Self.program() else {
      throw RuntimeError.unsupported(
        "checkpoint and restore", reason: "criu is not installed (Debian: criu), or not in $PATH; --criu names it")
    }
    let (ours, theirs) = try SetupChannel.pair()
    var spawn = Spawn(program, ["swrk", "3"])
    spawn.descriptors = [(theirs.file.number, 3)] + descriptors
    pid = try attempt("start \(program)") { () throws(Errno) in try spawn.start() }
    socket = ours
    self.log = log
  }

  private static func program() -> FilePath? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    // Debian keeps it out of an ordinary user's path.
    let places = path.split(separator: ":").map { FilePath(String($0)) } + ["/usr/sbin"]
    return places.map { $0.appending("criu") }.first { access($0.string, X_OK) == 0 }
  }

  /// - Returns: the restored process's ID; 0 for a dump.
  func run(_ request: Request, _ options: CriuOptions, notify: Notification = { _, _, _ in }) throws -> pid_t {
    do {
      let result = try exchange(request, options, notify)
      _ = try? waitForProcess(pid)
      return result
    } catch {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
      throw error
    }
  }

  private func exchange(_ request: Request, _ options: CriuOptions, _ notify: Notification) throws -> pid_t {
    var message = ProtocolMessage()
    message.add(1, number: request.rawValue)
    message.add(2, options.message)
    try send(message)
    while true {
      let (bytes, descriptors) = try attempt("hear from criu") { () throws(Errno) in
        try LocalSockets.receive(socket.file.number, limit: 64 << 10)
      }
      defer { for descriptor in descriptors { close(descriptor) } }
      guard !bytes.isEmpty else { throw failure(request, "it ended without an answer") }
      guard let answer = ProtocolFields(bytes) else { throw failure(request, "its answer is not understood") }
      guard answer.number(1) == 6, let point = answer.message(5) else {
        guard answer.number(2) == 1 else {
          let number = answer.number(7).map { CInt(truncatingIfNeeded: $0) } ?? 0
          throw failure(request, answer.text(9) ?? "\(Errno(rawValue: number))")
        }
        return answer.message(4)?.number(1).map { pid_t(truncatingIfNeeded: $0) } ?? 0
      }
      try notify(point.text(1) ?? "", point.number(2).map { pid_t(truncatingIfNeeded: $0) } ?? 0, descriptors)
      var reply = ProtocolMessage()
      reply.add(1, number: 6)
      reply.add(3, true)
      try send(reply)
    }
  }

  private func send(_ message: ProtocolMessage) throws {
    try attempt("ask criu") { () throws(Errno) in try LocalSockets.send(socket.file.number, message.bytes) }
  }

  private func failure(_ request: Request, _ reason: String) -> RuntimeError {
    let doing = request == .restore ? "restore" : "checkpoint"
    // It answers with the first of its complaints; the one that it has failed of is before the last.
    let text = (try? readFile(log, limit: 64 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let complaints = text.split(separator: "\n").filter { $0.contains(") Error (") }.suffix(2)
    let words = complaints.isEmpty ? reason : complaints.joined(separator: "; ")
    return .state("criu cannot \(doing) the container: \(words) (its log: \(log))")
  }
}
