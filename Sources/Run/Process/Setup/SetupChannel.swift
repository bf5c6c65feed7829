import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What the process that sets a container up and the runtime say to each other. The channel is close-on-exec: its end
/// without an error means that the program runs.
enum SetupMessage {
  /// To the runtime: the process's ID, from one that stands in between.
  case process(pid_t)
  /// The process in between is in the new user namespace, which is to be mapped before `proceed`.
  case userNamespace
  /// The namespaces and mounts are there; wait for `proceed` while hooks of the runtime's side run.
  case hooks
  /// With the master of the container's terminal.
  case terminal
  /// With the listener of the seccomp filter.
  case seccompListener
  /// All is ready; the program starts when `start` says so.
  case ready
  /// The next thing is execve: from here on the channel's end means that the program runs.
  case executing
  case failed(StartFailure)
  /// Something that a person should know and that stops nothing.
  case warning(String)
  /// To the process.
  case proceed
  /// To the process that stands in between: it is in this cgroup now, counted from the mount on.
  case cgroup(String)

  var bytes: [UInt8] {
    switch self {
    case .process(let pid): [UInt8(ascii: "P")] + Array("\(pid)".utf8)
    case .userNamespace: [UInt8(ascii: "U")]
    case .hooks: [UInt8(ascii: "H")]
    case .terminal: [UInt8(ascii: "T")]
    case .seccompListener: [UInt8(ascii: "N")]
    case .ready: [UInt8(ascii: "R")]
    case .executing: [UInt8(ascii: "X")]
    case .failed(let failure): [UInt8(ascii: "E")] + Array("\(failure.kind.rawValue)\n\(failure.message)".utf8)
    case .warning(let text): [UInt8(ascii: "W")] + Array(text.utf8)
    case .proceed: [UInt8(ascii: "G")]
    case .cgroup(let name): [UInt8(ascii: "C")] + Array(name.utf8)
    }
  }

  init?(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return nil }
    let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
    switch first {
    case UInt8(ascii: "P"):
      guard let pid = pid_t(text) else { return nil }
      self = .process(pid)
    case UInt8(ascii: "U"): self = .userNamespace
    case UInt8(ascii: "H"): self = .hooks
    case UInt8(ascii: "T"): self = .terminal
    case UInt8(ascii: "N"): self = .seccompListener
    case UInt8(ascii: "R"): self = .ready
    case UInt8(ascii: "X"): self = .executing
    case UInt8(ascii: "G"): self = .proceed
    case UInt8(ascii: "C"): self = .cgroup(text)
    case UInt8(ascii: "W"): self = .warning(text)
    case UInt8(ascii: "E"):
      let parts = text.split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { return nil }
      self = .failed(StartFailure(kind: .init(rawValue: String(parts[0])) ?? .other, message: String(parts[1])))
    default: return nil
    }
  }
}

/// One end of the channel.
struct SetupChannel {
  let file: OpenFile

  static func pair() throws -> (SetupChannel, SetupChannel) {
    let (one, other) = try attempt("make a pair of sockets") { () throws(Errno) in try LocalSockets.pair() }
    return (SetupChannel(file: OpenFile(OwnedDescriptor(one))), SetupChannel(file: OpenFile(OwnedDescriptor(other))))
  }

  func send(_ message: SetupMessage, descriptors: [CInt] = []) throws {
    try attempt("speak with the container's process") { () throws(Errno) in
      // A message longer than the socket takes would fail as a whole.
      try LocalSockets.send(file.number, Array(message.bytes.prefix(16 << 10)), descriptors: descriptors)
    }
  }

  /// nil when the other end has closed.
  func receive() throws -> (message: SetupMessage, descriptors: [CInt])? {
    let (bytes, descriptors) = try attempt("hear from the container's process") { () throws(Errno) in
      do throws(Errno) { return try LocalSockets.receive(file.number, limit: 17 << 10) } catch {
        // The process died with our words unread. The error is told once, and before what it has still said.
        guard error == .connectionReset else { throw error }
        return try LocalSockets.receive(file.number, limit: 17 << 10)
      }
    }
    guard !bytes.isEmpty else { return nil }
    guard let message = SetupMessage(bytes) else {
      throw RuntimeError.state("the container's process sent something unknown")
    }
    return (message, descriptors)
  }

  /// Waits for `proceed`; the end of the channel means that the runtime is gone or has given up.
  func waitToProceed() throws {
    guard let (message, _) = try receive(), case .proceed = message else {
      throw RuntimeError.state("the runtime gave the container up")
    }
  }
}
