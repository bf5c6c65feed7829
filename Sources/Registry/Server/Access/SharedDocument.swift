import Glibc
import Kernel
import Synchronization
public import SystemPackage

/// A small document that several processes read and edit: users, keys, policies. A file on one machine; where several
/// machines serve one registry, something that they all see.
public protocol SharedDocument: Sendable {
  /// Where it is, for messages.
  var place: String { get }
  /// Which state it is in; nil where there is none. Asked for with each request.
  func stamp() throws -> DocumentStamp?
  /// nil where there is none.
  func read() throws -> [UInt8]?
  /// Replaces it: `edit` gets the content as it is then, which nobody else changes meanwhile, and returns what is written.
  func edit<Result>(_ edit: ([UInt8]?) throws -> (bytes: [UInt8], result: Result)) throws -> Result
}

/// Differs where the content of a document may differ.
public struct DocumentStamp: Hashable, Sendable {
  private let file: FileStamp?
  private let version: Int64

  public init(version: Int64) {
    file = nil
    self.version = version
  }

  init(_ file: FileStamp) {
    self.file = file
    version = 0
  }
}

/// Largest document in bytes.
let sharedDocumentLimit = 16 << 20

/// A document in a file that its owner alone reads.
public struct DocumentFile: SharedDocument {
  public let path: FilePath

  public init(_ path: FilePath) { self.path = path }

  public var place: String { path.string }

  public func stamp() throws -> DocumentStamp? {
    do { return try FileStamp(path).map { DocumentStamp($0) } } catch {
      throw AccessError.unreadable(place, error.description)
    }
  }

  public func read() throws -> [UInt8]? {
    do { return try readFile(path, limit: sharedDocumentLimit) } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw AccessError.unreadable(place, error.description)
    }
  }

  public func edit<Result>(_ edit: ([UInt8]?) throws -> (bytes: [UInt8], result: Result)) throws -> Result {
    do { try makeDirectories(path.removingLastComponent(), mode: 0o700) } catch {
      throw AccessError.unwritable(place, error.description)
    }
    let lock = try lock()
    // This also keeps it open until here.
    defer { flock(lock.number, LOCK_UN) }
    let (bytes, result) = try edit(try read())
    do { try writeFileAtomically(path, bytes, mode: 0o600, durable: true) } catch {
      throw AccessError.unwritable(place, error.description)
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
      throw AccessError.unwritable(place, error.description)
    }
  }
}

/// A document's parsed content, read again when the document has changed.
///
/// Commands edit documents while a server runs: a removed key or user is gone with the next request.
final class WatchedDocument<Value: Sendable>: Sendable {
  private let document: any SharedDocument
  private let absent: Value
  private let parse: @Sendable ([UInt8]) throws -> Value
  private let state: Mutex<State>

  private struct State: Sendable {
    var stamp: DocumentStamp?
    var value: Value
  }

  /// `absent` is the value where there is no document.
  init(_ document: any SharedDocument, absent: Value, parse: @escaping @Sendable ([UInt8]) throws -> Value) {
    self.document = document
    self.absent = absent
    self.parse = parse
    state = Mutex(State(stamp: nil, value: absent))
  }

  var place: String { document.place }

  /// The content now. A document that cannot be read or parsed throws, and is tried again at the next use.
  func current() throws -> Value {
    guard let stamp = try document.stamp() else {
      state.withLock { $0 = State(stamp: nil, value: absent) }
      return absent
    }
    if let known = state.withLock({ $0.stamp == stamp ? $0.value : nil }) { return known }
    guard let bytes = try document.read() else { return absent }
    let value = try parse(bytes)
    state.withLock { $0 = State(stamp: stamp, value: value) }
    return value
  }

  /// Replaces the document: `edit` gets the content as it is then and returns what is written.
  func edit<Result>(_ edit: (Value) throws -> (bytes: [UInt8], result: Result)) throws -> Result {
    try document.edit { bytes in try edit(try bytes.map(parse) ?? absent) }
  }
}
