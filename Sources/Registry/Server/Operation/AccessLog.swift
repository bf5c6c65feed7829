import Dispatch
import Glibc
import Kernel
import Synchronization
public import SystemPackage

/// A line for each request that was answered, for machines to read.
///
/// Requests never wait for it: lines are gathered in memory and written by a queue of their own. Where the disk does not
/// keep up, lines beyond a few megabytes are counted and lost.
public final class AccessLog: Sendable {
  public enum Format: String, Sendable, CaseIterable {
    case json
    /// `key=value` pairs, values quoted where they need it.
    case logfmt
  }

  public enum Target: Hashable, Sendable {
    case standardError
    case file(FilePath)
  }

  private struct State {
    var waiting: [UInt8] = []
    var file: CInt
  }

  public let format: Format
  public let target: Target
  private let lost: Counter
  private let state: Mutex<State>
  private let queue = DispatchQueue(label: "access-log")
  private static let capacity = 4 << 20

  /// `lost` counts lines that could not be written. Throws where the file cannot be opened.
  public init(_ target: Target, format: Format = .json, lost: Counter = Counter()) throws(AccessError) {
    self.target = target
    self.format = format
    self.lost = lost
    state = Mutex(State(file: try Self.open(target)))
  }

  deinit {
    // Nobody else has it any more, and it may well be the queue that lets go of it.
    drain()
    if target != .standardError { close(state.withLock { $0.file }) }
  }

  private static func open(_ target: Target) throws(AccessError) -> CInt {
    guard case .file(let path) = target else { return STDERR_FILENO }
    do {
      return try openat2(AT_FDCWD, path.string, flags: O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, mode: 0o640).release()
    } catch {
      throw AccessError.unwritable(path.string, error.description)
    }
  }

  func write(_ entry: AccessLogEntry) {
    let line = entry.line(format)
    let isFirst = state.withLock { state -> Bool? in
      guard state.waiting.count + line.utf8.count <= Self.capacity else { return nil }
      defer { state.waiting += line.utf8 }
      return state.waiting.isEmpty
    }
    switch isFirst {
    case nil: lost.add()
    case true?: queue.async { [weak self] in self?.drain() }
    case false?: break
    }
  }

  /// Waits until all lines are written.
  public func flush() { queue.sync { self.drain() } }

  /// Opens the file anew, after it was moved away by whoever rotates it. The old one stays in use where that fails.
  public func reopen() throws(AccessError) {
    guard target != .standardError else { return }
    flush()
    let file = try Self.open(target)
    let old = state.withLock { state in
      defer { state.file = file }
      return state.file
    }
    // On the queue: nobody is writing to it then.
    queue.sync { _ = close(old) }
  }

  private func drain() {
    let (lines, file) = state.withLock { state in
      let lines = state.waiting
      state.waiting = []
      return (lines, state.file)
    }
    guard !lines.isEmpty else { return }
    do { try writeAll(file, lines) } catch {
      lost.add(Int64(lines.count { $0 == UInt8(ascii: "\n") }))
    }
  }
}

/// What the access log says of one request. Never a header with credentials, and no query.
struct AccessLogEntry: Sendable {
  /// Milliseconds since 1970, of the request's head.
  var time: Int64
  var remote: String
  var user: String
  var method: String
  var path: String
  var status: Int
  /// Of the response's body.
  var bytes: Int64
  /// Of the whole request, as the connection counted.
  var received: Int64
  var milliseconds: Double
  var identity: RequestIdentity
  var realm: String?
  var agent: String?

  private var fields: [(name: String, value: String, isText: Bool)] {
    var fields: [(String, String, Bool)] = [
      ("time", Timestamp.text(time), true), ("remote", remote, true), ("user", user, true), ("method", method, true),
      ("path", path, true), ("status", "\(status)", false), ("bytes", "\(bytes)", false),
      ("received", "\(received)", false), ("ms", "\((milliseconds * 1000).rounded() / 1000)", false),
      ("id", identity.id, true),
    ]
    if let trace = identity.trace { fields.append(("trace", trace.traceID, true)) }
    if let realm { fields.append(("realm", realm, true)) }
    if let agent { fields.append(("agent", agent, true)) }
    return fields
  }

  func line(_ format: AccessLog.Format) -> String {
    switch format {
    case .json:
      let members = fields.map { "\"\($0.name)\":\($0.isText ? "\"\(Self.escaped($0.value))\"" : $0.value)" }
      return "{\(members.joined(separator: ","))}\n"
    case .logfmt:
      let pairs = fields.map { "\($0.name)=\($0.isText ? Self.logfmt($0.value) : $0.value)" }
      return pairs.joined(separator: " ") + "\n"
    }
  }

  private static func logfmt(_ value: String) -> String {
    guard value.utf8.count <= valueLimit else { return "\"\(escaped(value))\"" }
    let isPlain =
      !value.isEmpty
      && value.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "\\") }
    return isPlain ? value : "\"\(escaped(value))\""
  }

  /// Characters of one value.
  private static let valueLimit = 4096

  /// As in a string of JSON. Nothing of it can end a line or move a terminal's cursor, C1 controls and Unicode's own line
  /// ends and direction marks included.
  private static func escaped(_ value: String) -> String {
    var result = ""
    var count = 0
    for scalar in value.unicodeScalars {
      count += 1
      if count > valueLimit {
        result += "…"
        break
      }
      switch scalar.value {
      case 0x22: result += "\\\""
      case 0x5c: result += "\\\\"
      case 0..<0x20, 0x7f..<0xa0, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

/// A time as RFC 3339 writes it, in UTC with milliseconds.
enum Timestamp {
  static func text(_ milliseconds: Int64) -> String {
    var seconds = time_t(milliseconds / 1000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: Int, _ count: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let date = "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
    let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
    return "\(date)T\(clock).\(padded(Int(milliseconds % 1000), 3))Z"
  }
}
