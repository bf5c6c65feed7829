/// `rpmdb.sqlite`: the table `Packages (hnum INTEGER PRIMARY KEY, blob BLOB)`, read page by page.
/// (SQLite, Database File Format)
struct RPMSQLite {
  private let reader: ByteReader
  private let pageSize: Int
  /// Bytes of a page that SQLite uses.
  private let usable: Int
  private let pageCount: Int

  private static let depthLimit = 20

  /// nil where it is no such file.
  init?(_ bytes: UnsafeRawBufferPointer) {
    reader = ByteReader(bytes: bytes, isBigEndian: true)
    guard bytes.count >= 512, let size = reader.u16(16), let reserved = reader.u8(20) else { return nil }
    pageSize = size == 1 ? 65_536 : size
    guard (512...65_536).contains(pageSize), pageSize & (pageSize - 1) == 0, reserved <= pageSize - 480 else {
      return nil
    }
    usable = pageSize - reserved
    pageCount = bytes.count / pageSize
  }

  func packages(_ work: inout RPMWork) -> [Package] {
    var root: Int?
    rows(of: 1, &work) { record in
      // sqlite_schema: type, name, tbl_name, rootpage, sql
      let values = fields(record)
      guard values.count >= 4, text(values[0]) == "table", text(values[1]) == "Packages" else { return true }
      root = number(values[3])
      return false
    }
    guard let root else { return [] }
    var packages: [Package] = []
    rows(of: root, &work) { record in
      let values = fields(record)
      if values.count >= 2, let package = values[1].bytes.withUnsafeBytes({ RPMHeader.package($0) }) {
        packages.append(package)
      }
      return packages.count < RPMDatabases.packageLimit
    }
    return packages
  }

  private struct Field {
    let serialType: Int
    let bytes: Bytes
  }

  private func text(_ field: Field) -> String? {
    field.serialType >= 13 && field.serialType % 2 == 1 ? String(decoding: field.bytes, as: UTF8.self) : nil
  }

  private func number(_ field: Field) -> Int? {
    switch field.serialType {
    case 1...6: field.bytes.reduce(0) { $0 << 8 | Int($1) }
    case 9: 1
    default: nil
    }
  }

  /// Calls `body` with the payload of each row until it returns false. Each page is visited once: a tree with a circle
  /// ends, too.
  private func rows(of root: Int, _ work: inout RPMWork, _ body: ([UInt8]) -> Bool) {
    var visited = Set<Int>()
    _ = rows(of: root, depth: 0, &visited, &work, body)
  }

  private func rows(
    of page: Int, depth: Int, _ visited: inout Set<Int>, _ work: inout RPMWork, _ body: ([UInt8]) -> Bool
  ) -> Bool {
    guard depth < Self.depthLimit, page >= 1, page <= pageCount, visited.insert(page).inserted else { return true }
    let start = (page - 1) * pageSize
    let header = start + (page == 1 ? 100 : 0)
    guard let kind = reader.u8(header), kind == 0x05 || kind == 0x0d, let cells = reader.u16(header + 3) else {
      return true
    }
    let pointers = header + (kind == 0x05 ? 12 : 8)
    for cell in 0..<cells {
      guard let offset = reader.u16(pointers + cell * 2), offset < pageSize else { return true }
      if kind == 0x05 {
        guard let child = reader.u32(start + offset) else { return true }
        if !rows(of: child, depth: depth + 1, &visited, &work, body) { return false }
      } else if let payload = payload(start + offset, &work), !body(payload) {
        return false
      }
    }
    guard kind == 0x05, let last = reader.u32(header + 8) else { return true }
    return rows(of: last, depth: depth + 1, &visited, &work, body)
  }

  /// A leaf's cell: the payload's size, the row's number, then the payload, of which a part may lie on other pages.
  private func payload(_ offset: Int, _ work: inout RPMWork) -> [UInt8]? {
    guard let (size, sizeLength) = varint(offset), let (_, rowLength) = varint(offset + sizeLength),
      size <= reader.count,
      work.take(size)
    else { return nil }
    let start = offset + sizeLength + rowLength
    let largest = usable - 35
    guard size > largest else { return reader.slice(start, size).map(Array.init) }
    let least = (usable - 12) * 32 / 255 - 23
    let even = least + (size - least) % (usable - 4)
    let local = even <= largest ? even : least
    guard let first = reader.slice(start, local), var next = reader.u32(start + local) else { return nil }
    var payload = Array(first)
    payload.reserveCapacity(size)
    while payload.count < size {
      guard next >= 1, next <= pageCount else { return nil }
      let page = (next - 1) * pageSize
      guard let part = reader.slice(page + 4, min(usable - 4, size - payload.count)), let following = reader.u32(page)
      else {
        return nil
      }
      payload += part
      next = following
    }
    return payload
  }

  /// Up to nine bytes, the first bit of each but the last set. nil where the number is negative.
  private func varint(_ offset: Int) -> (value: Int, length: Int)? { Self.varint(reader, offset) }

  private static func varint(_ reader: ByteReader, _ offset: Int) -> (value: Int, length: Int)? {
    var value = 0
    for index in 0..<9 {
      guard let byte = reader.u8(offset + index) else { return nil }
      if index == 8 { return value >> 54 == 0 ? (value << 8 | byte, 9) : nil }
      value = value << 7 | byte & 0x7f
      if byte & 0x80 == 0 { return (value, index + 1) }
    }
    return nil
  }

  private func fields(_ record: [UInt8]) -> [Field] {
    record.withUnsafeBytes { bytes in
      let reader = ByteReader(bytes: bytes)
      guard let (headerSize, length) = Self.varint(reader, 0), headerSize <= record.count else { return [] }
      var fields: [Field] = []
      var position = length
      var data = headerSize
      while position < headerSize, fields.count < 16, let (serialType, length) = Self.varint(reader, position) {
        position += length
        let size = Self.size(serialType)
        guard size <= record.count - data else { break }
        fields.append(Field(serialType: serialType, bytes: record[data..<(data + size)]))
        data += size
      }
      return fields
    }
  }

  private static func size(_ serialType: Int) -> Int {
    switch serialType {
    case 0, 8, 9, 10, 11: 0
    case 1...4: serialType
    case 5: 6
    case 6, 7: 8
    default: (serialType - 12) / 2
    }
  }
}
