internal import Glibc
internal import Kernel
internal import Layers
internal import SystemPackage

/// The files that records come in: one record or several in JSON, a directory of such files, a zip archive as OSV publishes
/// one for each ecosystem, or a tar archive, compressed or not.
enum AdvisoryFiles {
  /// Bytes of one record's file, or of a file with several.
  static let recordLimit = 64 << 20
  private static let entryLimit = 5_000_000
  private static let depthLimit = 16

  /// Calls `body` with each JSON file's name and content. Throws `AdvisoryError` and what `body` throws.
  static func each(_ path: FilePath, _ body: (_ name: String, _ content: [UInt8]) throws -> Void) throws {
    try each(path, depth: 0, body)
  }

  private static func each(_ path: FilePath, depth: Int, _ body: (String, [UInt8]) throws -> Void) throws {
    var status = stat()
    guard stat(path.string, &status) == 0 else { throw AdvisoryError.unreadable(path.string, "\(Errno.current)") }
    if status.st_mode & S_IFMT == S_IFDIR {
      guard depth < depthLimit else { throw AdvisoryError.unreadable(path.string, "directories are nested too deep") }
      let names: [String]
      do { names = try directoryEntries(of: path).sorted() } catch {
        throw AdvisoryError.unreadable(path.string, "\(error)")
      }
      // Another program's files may lie beside: of a directory, records alone are read.
      for name in names where !name.hasPrefix(".") {
        let child = path.appending(name)
        if name.hasSuffix(".json") || isDirectory(child) { try each(child, depth: depth + 1, body) }
      }
      return
    }
    let file: OwnedDescriptor
    do { file = try openat2(AT_FDCWD, path.string, flags: O_RDONLY) } catch {
      throw AdvisoryError.unreadable(path.string, "\(error)")
    }
    var prefix = [UInt8](repeating: 0, count: 512)
    let count = pread(file.number, &prefix, prefix.count, 0)
    guard count >= 0 else { throw AdvisoryError.unreadable(path.string, "\(Errno.current)") }
    if prefix.starts(with: [0x50, 0x4b]) {
      try eachInZip(file, path, size: Int(status.st_size), body)
    } else if Compression.detect(prefix) != .none || prefix[257...].starts(with: "ustar".utf8) {
      try eachInTar(file, path, body)
    } else {
      do {
        let content = try readAll(file.number, limit: recordLimit)
        try body(path.lastComponent?.string ?? path.string, content)
      } catch let error as Errno {
        throw AdvisoryError.unreadable(path.string, "\(error)")
      }
    }
  }

  private static func isDirectory(_ path: FilePath) -> Bool {
    var status = stat()
    return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private static func eachInZip(
    _ file: borrowing OwnedDescriptor, _ path: FilePath, size: Int, _ body: (String, [UInt8]) throws -> Void
  ) throws {
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, file.number, 0), address != MAP_FAILED else {
      throw AdvisoryError.unreadable(path.string, "\(Errno.current)")
    }
    defer { munmap(address, size) }
    do {
      let archive = try ZipArchive(UnsafeRawBufferPointer(start: address, count: size))
      try archive.entries(limit: entryLimit) { entry in
        guard entry.name.hasSuffix(".json") else { return }
        try body(entry.name, archive.content(entry, limit: recordLimit))
      }
    } catch let failure as ZipArchive.Failure {
      throw AdvisoryError.unreadable(path.string, failure.description)
    }
  }

  private static func eachInTar(
    _ file: borrowing OwnedDescriptor, _ path: FilePath, _ body: (String, [UInt8]) throws -> Void
  ) throws {
    // The reader keeps what it hands entries to, but not beyond this function.
    try withoutActuallyEscaping(body) { body in
      let reader = TarReader(RecordCollector(body))
      var buffer = [UInt8](repeating: 0, count: 256 << 10)
      do {
        var decompressor: Decompressor?
        while true {
          let count = read(file.number, &buffer, buffer.count)
          if count < 0, Errno.current == .interrupted { continue }
          guard count >= 0 else { throw AdvisoryError.unreadable(path.string, "\(Errno.current)") }
          if count == 0 { break }
          let decoder = try decompressor ?? Decompressor(Compression.detect(buffer))
          decompressor = decoder
          try buffer.withUnsafeBytes { bytes in
            try decoder.write(UnsafeRawBufferPointer(rebasing: bytes[..<count])) { try reader.write($0) }
          }
        }
        try decompressor?.finish { try reader.write($0) }
        try reader.finish()
      } catch let error as LayerError {
        throw AdvisoryError.unreadable(path.string, error.description)
      }
    }
  }

  private final class RecordCollector: TarConsumer {
    private let body: (String, [UInt8]) throws -> Void
    private var name: String?
    private var content: [UInt8] = []

    init(_ body: @escaping (String, [UInt8]) throws -> Void) { self.body = body }

    func begin(_ entry: TarEntry) throws {
      content = []
      name = entry.kind == .file && entry.displayName.hasSuffix(".json") ? entry.displayName : nil
      guard name == nil || entry.size <= recordLimit else {
        throw AdvisoryError.unreadable(entry.displayName, "it has more than \(recordLimit) bytes")
      }
    }

    func content(_ bytes: UnsafeRawBufferPointer) throws { if name != nil { content += bytes } }

    func end() throws {
      guard let name else { return }
      self.name = nil
      try body(name, content)
    }
  }
}

/// Why advisories were not loaded. Nothing is changed then.
public enum AdvisoryError: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(String, String)
  case malformed(record: String, reason: String)
  case empty(source: String)

  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .malformed(let record, let reason): "\(record.prefix(200)): \(reason)"
    case .empty(let source):
      "\"\(source)\" has no record of a package that images are searched for; nothing was changed"
    }
  }
}
