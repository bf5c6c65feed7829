import Glibc
import Kernel
import Synchronization
public import SystemPackage

/// A small file's parsed content, read again when the file has changed.
///
/// Commands edit these files while a server runs: a removed key or user is gone with the next request. One `stat` a use.
final class WatchedFile<Value: Sendable>: Sendable {
  let path: FilePath
  private let absent: Value
  private let parse: @Sendable ([UInt8]) throws -> Value
  private let state: Mutex<State>

  private struct State: Sendable {
    var stamp: FileStamp?
    var value: Value
  }

  /// `absent` is the value where there is no file.
  init(_ path: FilePath, absent: Value, parse: @escaping @Sendable ([UInt8]) throws -> Value) {
    self.path = path
    self.absent = absent
    self.parse = parse
    state = Mutex(State(stamp: nil, value: absent))
  }

  /// The content now. A file that cannot be read or parsed throws, and is tried again at the next use.
  func current() throws -> Value {
    let stamp: FileStamp?
    do { stamp = try FileStamp(path) } catch { throw AccessError.unreadable(path, error.description) }
    guard let stamp else {
      state.withLock { $0 = State(stamp: nil, value: absent) }
      return absent
    }
    if let known = state.withLock({ $0.stamp == stamp ? $0.value : nil }) { return known }
    let bytes: [UInt8]
    do { bytes = try readFile(path, limit: 16 << 20) } catch { throw AccessError.unreadable(path, error.description) }
    let value = try parse(bytes)
    state.withLock { $0 = State(stamp: stamp, value: value) }
    return value
  }

  /// Replaces the file under its lock: `edit` gets the content as it is then and returns what is written.
  func edit<Result>(_ edit: (Value) throws -> (bytes: [UInt8], result: Result)) throws -> Result {
    do { try makeDirectories(path.removingLastComponent(), mode: 0o700) } catch {
      throw AccessError.unwritable(path, error.description)
    }
    let lock = try lock()
    // This also keeps it open until here.
    defer { flock(lock.number, LOCK_UN) }
    let (bytes, result) = try edit(try current())
    do { try writeFileAtomically(path, bytes, mode: 0o600, durable: true) } catch {
      throw AccessError.unwritable(path, error.description)
    }
    return result
  }

  private func lock() throws -> OwnedDescriptor {
    do {
      let lock = try openat2(AT_FDCWD, path.string + ".lock", flags: O_RDWR | O_CREAT, mode: 0o600)
      let number = lock.number
      try Errno.retrying { flock(number, LOCK_EX) }
      return lock
    } catch {
      throw AccessError.unwritable(path, error.description)
    }
  }
}

/// What is wrong with the files that say who may use a registry.
public enum AccessError: Error, CustomStringConvertible {
  case unreadable(FilePath, String)
  case unwritable(FilePath, String)
  case malformedLine(FilePath, line: Int, String)
  case invalidUserName(String)
  case passwordTooLong(bytes: Int)
  case emptyPassword
  case hashFailed(String)

  public var description: String {
    switch self {
    case .unreadable(let path, let why): "cannot read \(path): \(why)"
    case .unwritable(let path, let why): "cannot write \(path): \(why)"
    case .malformedLine(let path, let line, let what): "\(path):\(line): \(what)"
    case .invalidUserName(let name):
      "\"\(name.prefix(80))\" cannot be a user's name: 1 to 128 letters, digits and . _ @ + - ; AWS is taken by ECR's sign-in"
    case .passwordTooLong(let bytes):
      "the password has \(bytes) bytes; bcrypt reads 72 and would ignore the rest: choose a shorter one"
    case .emptyPassword: "the password is empty"
    case .hashFailed(let why): "cannot hash the password: \(why)"
    }
  }
}
