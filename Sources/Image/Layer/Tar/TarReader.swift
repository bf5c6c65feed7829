/// Gets the entries of an archive in order: `begin`, its content in pieces, `end`.
public protocol TarConsumer: AnyObject {
  func begin(_ entry: TarEntry) throws
  /// Must not keep the buffer.
  func content(_ bytes: UnsafeRawBufferPointer) throws
  func end() throws
}

/// Reads a tar archive while its bytes arrive: ustar, PAX and GNU long names. (POSIX.1-2017, pax; GNU tar manual)
public final class TarReader {
  private enum State {
    case header
    /// Content of a file entry, then padding.
    case content(remaining: Int64, padding: Int)
    /// Content of an extension header, then padding.
    case extended(kind: UInt8, remaining: Int, padding: Int)
    case padding(Int)
    /// After the two blocks of zeros: what follows is ignored.
    case done
  }

  private let consumer: any TarConsumer
  private var state = State.header
  private var block: [UInt8] = []
  private var extended: [UInt8] = []
  private var zeroBlocks = 0
  private var records: [String: [UInt8]] = [:]
  private var globalRecords: [String: [UInt8]] = [:]
  private var longName: [UInt8]?
  private var longLinkName: [UInt8]?

  private static let blockSize = 512
  /// Largest extension header: long names and extended attributes are far smaller.
  private static let extendedLimit = 1 << 20

  public init(_ consumer: any TarConsumer) { self.consumer = consumer }

  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      switch state {
      case .header:
        // The common case has a whole header at hand.
        if block.isEmpty, rest.count >= Self.blockSize {
          try parseHeader(UnsafeRawBufferPointer(rebasing: rest[..<Self.blockSize]))
          rest = UnsafeRawBufferPointer(rebasing: rest[Self.blockSize...])
        } else {
          let count = min(Self.blockSize - block.count, rest.count)
          block.append(contentsOf: rest[..<count])
          rest = UnsafeRawBufferPointer(rebasing: rest[count...])
          if block.count == Self.blockSize {
            let header = block
            block.removeAll(keepingCapacity: true)
            try header.withUnsafeBytes { try parseHeader($0) }
          }
        }
      case .content(let remaining, let padding):
        let count = Int(min(remaining, Int64(rest.count)))
        try consumer.content(UnsafeRawBufferPointer(rebasing: rest[..<count]))
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        if remaining == Int64(count) {
          try consumer.end()
          state = padding > 0 ? .padding(padding) : .header
        } else {
          state = .content(remaining: remaining - Int64(count), padding: padding)
        }
      case .extended(let kind, let remaining, let padding):
        let count = min(remaining, rest.count)
        extended.append(contentsOf: rest[..<count])
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        if remaining == count {
          try finishExtended(kind)
          state = padding > 0 ? .padding(padding) : .header
        } else {
          state = .extended(kind: kind, remaining: remaining - count, padding: padding)
        }
      case .padding(let remaining):
        let count = min(remaining, rest.count)
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        state = remaining == count ? .header : .padding(remaining - count)
      case .done: return
      }
    }
  }

  /// The end of the input. Throws `LayerError.truncated` in the middle of an entry; an archive without the zeros at
  /// its end is fine.
  public func finish() throws {
    switch state {
    case .header where block.isEmpty && records.isEmpty && longName == nil && longLinkName == nil: return
    case .done: return
    default: throw LayerError.truncated
    }
  }

  private func parseHeader(_ header: UnsafeRawBufferPointer) throws {
    if header.allSatisfy({ $0 == 0 }) {
      zeroBlocks += 1
      if zeroBlocks == 2 { state = .done }
      return
    }
    zeroBlocks = 0
    let fields = TarHeader(header)
    guard try fields.checksumMatches() else { throw LayerError.malformed("a header's checksum is wrong") }
    let size = try fields.number(124, 12)
    guard size >= 0 else { throw LayerError.malformed("an entry's size is negative") }
    let type = header[156]
    switch type {
    case UInt8(ascii: "x"), UInt8(ascii: "g"), UInt8(ascii: "L"), UInt8(ascii: "K"):
      guard size <= Self.extendedLimit else {
        throw LayerError.malformed("an extension header has \(size) bytes; at most \(Self.extendedLimit) are read")
      }
      extended.removeAll(keepingCapacity: true)
      if size == 0 {
        try finishExtended(type)
      } else {
        state = .extended(kind: type, remaining: Int(size), padding: Self.padding(size))
      }
    default: try beginEntry(fields, type: type, size: size)
    }
  }

  private static func padding(_ size: Int64) -> Int { Int((512 - size % 512) % 512) }

  private func beginEntry(_ fields: TarHeader, type: UInt8, size headerSize: Int64) throws {
    var entry = try fields.entry(type: type)
    if let longName { entry.name = longName }
    if let longLinkName { entry.linkName = longLinkName }
    var size = headerSize
    try apply(globalRecords, to: &entry, &size)
    try apply(records, to: &entry, &size)
    records = [:]
    longName = nil
    longLinkName = nil
    // A directory may be an ordinary file whose name ends in a slash. (pre-POSIX archives)
    if entry.kind == .file, entry.name.last == UInt8(ascii: "/") { entry.kind = .directory }
    while entry.name.count > 1, entry.name.last == UInt8(ascii: "/") { entry.name.removeLast() }
    guard !entry.name.contains(0), !entry.linkName.contains(0) else {
      throw LayerError.malformed("a name contains a zero byte")
    }
    guard !entry.name.isEmpty else { throw LayerError.malformed("an entry has no name") }
    entry.size = entry.kind == .file ? size : 0
    try consumer.begin(entry)
    // The size of a link or a directory says nothing about content. (pax, ustar: typeflag 1 and 2)
    let stored = entry.kind == .file ? size : 0
    if stored == 0 {
      try consumer.end()
      state = .header
    } else {
      state = .content(remaining: stored, padding: Self.padding(stored))
    }
  }

  private func finishExtended(_ kind: UInt8) throws {
    state = .header
    switch kind {
    case UInt8(ascii: "L"): longName = Self.untilZero(extended)
    case UInt8(ascii: "K"): longLinkName = Self.untilZero(extended)
    case UInt8(ascii: "g"): try parseRecords { globalRecords[$0] = $1 }
    default: try parseRecords { records[$0] = $1 }
    }
  }

  private static func untilZero(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix { $0 != 0 }) }

  /// Records are `length keyword=value\n`, the length in decimal and of all of it. (pax Extended Header)
  private func parseRecords(_ body: (String, [UInt8]) -> Void) throws {
    var rest = extended[...]
    while !rest.isEmpty {
      guard let space = rest.firstIndex(of: UInt8(ascii: " ")), space - rest.startIndex <= 10,
        let length = Int(String(decoding: rest[..<space], as: UTF8.self)), length > space - rest.startIndex + 1,
        length <= rest.count
      else { throw LayerError.malformed("a PAX record's length is wrong") }
      let record = rest[rest.index(after: space)..<(rest.startIndex + length)]
      guard record.last == UInt8(ascii: "\n"), let equals = record.firstIndex(of: UInt8(ascii: "=")) else {
        throw LayerError.malformed("a PAX record is not keyword=value")
      }
      body(
        String(decoding: record[..<equals], as: UTF8.self),
        Array(record[record.index(after: equals)..<(record.endIndex - 1)]))
      rest = rest[(rest.startIndex + length)...]
    }
  }

  private func apply(_ records: [String: [UInt8]], to entry: inout TarEntry, _ size: inout Int64) throws {
    for (keyword, value) in records {
      // An empty value takes the header's. (pax Extended Header)
      if value.isEmpty, !keyword.hasPrefix("SCHILY.xattr.") { continue }
      switch keyword {
      case "path": entry.name = value
      case "linkpath": entry.linkName = value
      case "size":
        size = try Self.integer(value)
        guard size >= 0 else { throw LayerError.malformed("an entry's size is negative") }
      case "uid": entry.userID = UInt32(truncatingIfNeeded: try Self.integer(value))
      case "gid": entry.groupID = UInt32(truncatingIfNeeded: try Self.integer(value))
      case "mtime":
        let (seconds, nanoseconds) = try Self.time(value)
        entry.modified = seconds
        entry.modifiedNanoseconds = nanoseconds
      case _ where keyword.hasPrefix("SCHILY.xattr."):
        entry.attributes[String(keyword.dropFirst("SCHILY.xattr.".count))] = value
      case _ where keyword.hasPrefix("GNU.sparse."):
        throw LayerError.unsupported(entry: entry.displayName, "a sparse file's archive form")
      default: break
      }
    }
  }

  private static func integer(_ value: [UInt8]) throws -> Int64 {
    guard let number = Int64(String(decoding: value, as: UTF8.self)) else {
      throw LayerError.malformed("a PAX record is not a number")
    }
    return number
  }

  /// `seconds[.fraction]`, possibly negative.
  private static func time(_ value: [UInt8]) throws -> (seconds: Int64, nanoseconds: Int64) {
    let parts = value.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
    let seconds = try integer(Array(parts[0]))
    guard parts.count == 2, !parts[1].isEmpty else { return (seconds, 0) }
    guard parts[1].allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      throw LayerError.malformed("a PAX record is not a time")
    }
    var nanoseconds: Int64 = 0
    for position in 0..<9 {
      let digits = parts[1]
      let index = digits.startIndex + position
      nanoseconds = nanoseconds * 10 + (index < digits.endIndex ? Int64(digits[index] - UInt8(ascii: "0")) : 0)
    }
    guard parts[0].first == UInt8(ascii: "-"), nanoseconds > 0 else { return (seconds, nanoseconds) }
    return (seconds - 1, 1_000_000_000 - nanoseconds)
  }
}
