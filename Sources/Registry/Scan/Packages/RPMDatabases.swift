/// The three forms of rpm's database, read without the libraries that write them: what a stranger's image has in them goes
/// through no engine that was made to trust its files.
enum RPMDatabases {
  /// Packages that are taken of one database.
  static let packageLimit = 100_000

  static func packages(_ bytes: UnsafeRawBufferPointer) -> [Package] {
    var work = RPMWork(size: bytes.count)
    if bytes.starts(with: "SQLite format 3\0".utf8) { return RPMSQLite(bytes)?.packages(&work) ?? [] }
    if bytes.starts(with: "RpmP".utf8) { return RPMSlots.packages(bytes, &work) }
    return RPMBerkeley(bytes)?.packages(&work) ?? []
  }
}

/// What reading a database may cost: a good one has each of its bytes once. Without it, entries that all lead to the same
/// long value would take time that grows with the square of the file.
struct RPMWork {
  private var left: Int

  init(size: Int) { left = 2 * size + 1 << 20 }

  /// False where it is used up.
  mutating func take(_ bytes: Int) -> Bool {
    guard bytes <= left else {
      left = 0
      return false
    }
    left -= bytes
    return true
  }
}

/// `Packages.db`: slots that name blobs. (rpm, lib/backend/ndb/rpmpkg.c)
private enum RPMSlots {
  static func packages(_ bytes: UnsafeRawBufferPointer, _ work: inout RPMWork) -> [Package] {
    let reader = ByteReader(bytes: bytes)
    guard let pages = reader.u32(12), pages <= bytes.count / 4096 else { return [] }
    var packages: [Package] = []
    // The first two of 16 bytes are the header.
    for slot in 2..<max(2, pages * 256) where packages.count < RPMDatabases.packageLimit {
      let offset = slot * 16
      guard bytes.slot(offset).starts(with: "Slot".utf8), let index = reader.u32(offset + 4), index != 0,
        let block = reader.u32(offset + 8), bytes.slot(block * 16).starts(with: "BlbS".utf8),
        reader.u32(block * 16 + 4) == index, let length = reader.u32(block * 16 + 12), length <= RPMHeader.sizeLimit,
        let blob = reader.slice(block * 16 + 16, length)
      else { continue }
      guard work.take(length) else { break }
      guard let package = RPMHeader.package(blob) else { continue }
      packages.append(package)
    }
    return packages
  }
}

extension UnsafeRawBufferPointer {
  fileprivate func slot(_ offset: Int) -> Slice<UnsafeRawBufferPointer> { dropFirst(offset).prefix(4) }
}

/// `Packages`: a hash of Berkeley DB, whose long values lie on pages of their own. (Berkeley DB, dbinc/db_page.h)
private struct RPMBerkeley {
  private let reader: ByteReader
  private let pageSize: Int
  private let pageCount: Int

  private enum PageKind {
    static let unsortedHash = 2
    static let overflow = 7
    static let hash = 13
  }

  private static let headerSize = 26

  /// nil where it is no such file.
  init?(_ bytes: UnsafeRawBufferPointer) {
    let magic = 0x061561
    var reader = ByteReader(bytes: bytes)
    if reader.u32(12) != magic { reader.isBigEndian = true }
    guard reader.u32(12) == magic, let pageSize = reader.u32(20), (512...65_536).contains(pageSize),
      pageSize & (pageSize - 1) == 0
    else { return nil }
    self.reader = reader
    self.pageSize = pageSize
    pageCount = bytes.count / pageSize
  }

  func packages(_ work: inout RPMWork) -> [Package] {
    var packages: [Package] = []
    for page in 1..<max(1, pageCount) where packages.count < RPMDatabases.packageLimit {
      let start = page * pageSize
      guard let kind = reader.u8(start + 25), kind == PageKind.hash || kind == PageKind.unsortedHash,
        let entries = reader.u16(start + 20), entries <= (pageSize - Self.headerSize) / 2
      else { continue }
      // Keys and values take turns.
      for entry in stride(from: 1, to: entries, by: 2) {
        if let package = value(entry, page: start, &work) { packages.append(package) }
      }
    }
    return packages
  }

  private func value(_ entry: Int, page: Int, _ work: inout RPMWork) -> Package? {
    guard let offset = reader.u16(page + Self.headerSize + entry * 2), offset < pageSize,
      let kind = reader.u8(page + offset)
    else { return nil }
    switch kind {
    case 1:
      // Items fill a page from its end: the one before ends where this begins, the value's key lies behind it.
      guard let end = reader.u16(page + Self.headerSize + (entry - 1) * 2), end > offset,
        let bytes = reader.slice(page + offset + 1, end - offset - 1), work.take(bytes.count)
      else { return nil }
      return RPMHeader.package(bytes)
    case 3:
      guard let first = reader.u32(page + offset + 4), let length = reader.u32(page + offset + 8), work.take(length)
      else {
        return nil
      }
      return chain(first, length: length)?.withUnsafeBytes { RPMHeader.package($0) }
    default: return nil
    }
  }

  private func chain(_ first: Int, length: Int) -> [UInt8]? {
    guard length <= reader.count, length <= RPMHeader.sizeLimit else { return nil }
    var bytes: [UInt8] = []
    var page = first
    while bytes.count < length {
      let start = page * pageSize
      guard page > 0, page < pageCount, reader.u8(start + 25) == PageKind.overflow, let used = reader.u16(start + 22),
        used > 0,
        let part = reader.slice(start + Self.headerSize, min(used, length - bytes.count)),
        let next = reader.u32(start + 16)
      else { return nil }
      bytes += part
      page = next
    }
    return bytes
  }
}
