internal import Glibc
internal import Kernel
internal import SystemPackage

/// Writes a tar archive: ustar headers, PAX records where a value does not fit. The same entries give the same bytes.
public final class TarWriter {
  private let output: (UnsafeRawBufferPointer) throws -> Void
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 64)
  private var used = 0
  /// Content that the current entry still needs.
  private var remaining: Int64 = 0
  private var padding = 0

  private static let bufferSize = 512 << 10

  /// - Parameter output: gets the archive in pieces of up to 512 KiB, and must not keep them.
  public init(_ output: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.output = output }

  deinit { buffer.deallocate() }

  /// Starts an entry; a file's content of exactly `entry.size` bytes follows by `content` or `copy`.
  public func begin(_ entry: TarEntry) throws {
    precondition(remaining == 0, "the entry before is not complete")
    var name = entry.name
    if entry.kind == .directory, name.last != UInt8(ascii: "/") { name.append(UInt8(ascii: "/")) }
    var records: [(String, [UInt8])] = []
    if name.count > 100 { records.append(("path", name)) }
    if entry.linkName.count > 100 { records.append(("linkpath", entry.linkName)) }
    if entry.size > Self.octalLimit { records.append(("size", Array(String(entry.size).utf8))) }
    if entry.userID > 0o7777777 { records.append(("uid", Array(String(entry.userID).utf8))) }
    if entry.groupID > 0o7777777 { records.append(("gid", Array(String(entry.groupID).utf8))) }
    if entry.modified < 0 || entry.modified > Self.octalLimit || entry.modifiedNanoseconds != 0 {
      records.append(("mtime", Self.time(entry)))
    }
    for (key, value) in entry.attributes.sorted(by: { $0.key < $1.key }) {
      records.append(("SCHILY.xattr.\(key)", value))
    }
    if !records.isEmpty { try writeExtended(records, for: name) }
    try writeHeader(entry, name: name, type: Self.type(entry.kind), size: entry.size)
    remaining = entry.size
    padding = Int((512 - entry.size % 512) % 512)
  }

  public func content(_ bytes: UnsafeRawBufferPointer) throws {
    precondition(Int64(bytes.count) <= remaining, "more content than the entry's size")
    remaining -= Int64(bytes.count)
    try append(bytes)
    if remaining == 0 { try pad() }
  }

  public func content(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try content($0) } }

  /// Copies the content of the current entry from an open file. A file that is shorter than it was is an error: the
  /// archive would be wrong.
  public func copy(from descriptor: CInt, named name: String) throws {
    while remaining > 0 {
      if used == buffer.count { try flush() }
      let room = min(Int64(buffer.count - used), remaining)
      let target = buffer.baseAddress! + used
      let count: Int
      do { count = try Errno.retrying { read(descriptor, target, Int(room)) } } catch {
        throw LayerError.system(operation: "read", entry: name, error)
      }
      guard count > 0 else { throw LayerError.malformed("\"\(name)\" became shorter while it was read") }
      used += count
      remaining -= Int64(count)
    }
    try pad()
  }

  /// Writes the two blocks of zeros at the end.
  public func finish() throws {
    precondition(remaining == 0, "the last entry is not complete")
    try appendZeros(1024)
    try flush()
  }

  // MARK: -

  private static let octalLimit: Int64 = 0o77777777777

  private func pad() throws {
    try appendZeros(padding)
    padding = 0
  }

  private func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      if used == buffer.count { try flush() }
      let count = min(rest.count, buffer.count - used)
      (buffer.baseAddress! + used).copyMemory(from: rest.baseAddress!, byteCount: count)
      used += count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  private func appendZeros(_ count: Int) throws {
    guard count > 0 else { return }
    try [UInt8](repeating: 0, count: count).withUnsafeBytes { try append($0) }
  }

  private func flush() throws {
    guard used > 0 else { return }
    let filled = UnsafeRawBufferPointer(rebasing: buffer[..<used])
    used = 0
    try output(filled)
  }

  private static func type(_ kind: TarEntry.Kind) -> UInt8 {
    switch kind {
    case .file: UInt8(ascii: "0")
    case .hardLink: UInt8(ascii: "1")
    case .symbolicLink: UInt8(ascii: "2")
    case .characterDevice: UInt8(ascii: "3")
    case .blockDevice: UInt8(ascii: "4")
    case .directory: UInt8(ascii: "5")
    case .fifo: UInt8(ascii: "6")
    }
  }

  private static func time(_ entry: TarEntry) -> [UInt8] {
    guard entry.modifiedNanoseconds != 0 else { return Array(String(entry.modified).utf8) }
    var (seconds, nanoseconds) = (entry.modified, entry.modifiedNanoseconds)
    var sign = ""
    if seconds < 0 {
      sign = "-"
      seconds = -seconds - 1
      nanoseconds = 1_000_000_000 - nanoseconds
    }
    var fraction = String(nanoseconds)
    fraction = String(repeating: "0", count: 9 - fraction.count) + fraction
    while fraction.hasSuffix("0") { fraction.removeLast() }
    return Array("\(sign)\(seconds).\(fraction)".utf8)
  }

  private func writeExtended(_ records: [(String, [UInt8])], for name: [UInt8]) throws {
    var body: [UInt8] = []
    for (keyword, value) in records {
      let rest = Array(" \(keyword)=".utf8) + value + [UInt8(ascii: "\n")]
      // The length counts its own digits.
      var length = rest.count + 1
      while String(length).utf8.count + rest.count != length { length = String(length).utf8.count + rest.count }
      body += Array(String(length).utf8) + rest
    }
    var header = TarEntry(kind: .file, name: Array("PaxHeaders/".utf8), mode: 0o644)
    let last = name.split(separator: UInt8(ascii: "/")).last ?? []
    let short = Array((header.name + last).prefix(100))
    header.size = Int64(body.count)
    try writeHeader(header, name: short, type: UInt8(ascii: "x"), size: header.size)
    try body.withUnsafeBytes { try append($0) }
    try appendZeros((512 - body.count % 512) % 512)
  }

  private func writeHeader(_ entry: TarEntry, name: [UInt8], type: UInt8, size: Int64) throws {
    var block = [UInt8](repeating: 0, count: 512)
    func put(_ bytes: some Sequence<UInt8>, _ offset: Int, _ width: Int) {
      for (index, byte) in bytes.enumerated() where index < width { block[offset + index] = byte }
    }
    func octal(_ value: Int64, _ offset: Int, _ width: Int) {
      let digits = String(value, radix: 8)
      // What does not fit is in a PAX record.
      guard value >= 0, digits.utf8.count < width else { return put(Array(repeating: UInt8(ascii: "0"), count: width - 1), offset, width) }
      put(Array((String(repeating: "0", count: width - 1 - digits.utf8.count) + digits).utf8), offset, width)
    }
    put(name.prefix(100), 0, 100)
    octal(Int64(entry.mode & 0o7777), 100, 8)
    octal(Int64(entry.userID), 108, 8)
    octal(Int64(entry.groupID), 116, 8)
    octal(size, 124, 12)
    octal(entry.modified, 136, 12)
    put(Array(repeating: UInt8(ascii: " "), count: 8), 148, 8)
    block[156] = type
    put(entry.linkName.prefix(100), 157, 100)
    put(Array("ustar\0".utf8) + Array("00".utf8), 257, 8)
    octal(Int64(entry.deviceMajor), 329, 8)
    octal(Int64(entry.deviceMinor), 337, 8)
    let sum = block.reduce(Int64(0)) { $0 + Int64($1) }
    let digits = String(sum, radix: 8)
    put(Array((String(repeating: "0", count: 6 - digits.utf8.count) + digits + "\0 ").utf8), 148, 8)
    try block.withUnsafeBytes { try append($0) }
  }
}
