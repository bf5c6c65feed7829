/// A header block: offsets and widths of POSIX.1-2017, pax, ustar Interchange Format.
struct TarHeader {
  private let bytes: UnsafeRawBufferPointer

  /// - Parameter bytes: 512 of them.
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  /// The sum of all bytes with the checksum's own as spaces. Old archives summed signed bytes.
  func checksumMatches() throws -> Bool {
    let stated = try number(148, 8)
    var unsigned: Int64 = 0
    var signed: Int64 = 0
    for (index, byte) in bytes.enumerated() {
      let value = (148..<156).contains(index) ? UInt8(ascii: " ") : byte
      unsigned += Int64(value)
      signed += Int64(Int8(bitPattern: value))
    }
    return stated == unsigned || stated == signed
  }

  /// Octal digits, or GNU's base 256 where the first bit is set.
  func number(_ offset: Int, _ width: Int) throws -> Int64 {
    let field = bytes[offset..<(offset + width)]
    let first = bytes[offset]
    if first & 0x80 != 0 {
      // Two's complement, big-endian, the marker bit left out.
      var value: Int64 = first & 0x40 != 0 ? -1 : 0
      for (index, byte) in field.enumerated() {
        let digit = index == 0 ? (first & 0x40 != 0 ? byte : byte & 0x7f) : byte
        guard value >> 55 == 0 || value >> 55 == -1 else { throw LayerError.malformed("a header's number is too large") }
        value = value << 8 | Int64(digit)
      }
      return value
    }
    var value: Int64 = 0
    var sawDigit = false
    for byte in field {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "7"):
        sawDigit = true
        value = value << 3 | Int64(byte - UInt8(ascii: "0"))
      case UInt8(ascii: " ") where !sawDigit: continue
      case 0, UInt8(ascii: " "): return value
      default: throw LayerError.malformed("a header's number has a character that is no octal digit")
      }
    }
    return value
  }

  func text(_ offset: Int, _ width: Int) -> [UInt8] {
    Array(bytes[offset..<(offset + width)].prefix { $0 != 0 })
  }

  func entry(type: UInt8) throws -> TarEntry {
    var name = text(0, 100)
    let isPOSIX = bytes[257..<263].elementsEqual([UInt8](arrayLiteral: 0x75, 0x73, 0x74, 0x61, 0x72, 0))
    if isPOSIX {
      let prefix = text(345, 155)
      if !prefix.isEmpty { name = prefix + [UInt8(ascii: "/")] + name }
    }
    let kind: TarEntry.Kind
    switch type {
    case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): kind = .file
    case UInt8(ascii: "1"): kind = .hardLink
    case UInt8(ascii: "2"): kind = .symbolicLink
    case UInt8(ascii: "3"): kind = .characterDevice
    case UInt8(ascii: "4"): kind = .blockDevice
    case UInt8(ascii: "5"): kind = .directory
    case UInt8(ascii: "6"): kind = .fifo
    case UInt8(ascii: "S"):
      throw LayerError.unsupported(entry: String(decoding: name, as: UTF8.self), "a sparse file's archive form")
    default:
      throw LayerError.unsupported(
        entry: String(decoding: name, as: UTF8.self), "the entry type \"\(String(decoding: [type], as: UTF8.self))\"")
    }
    var entry = TarEntry(kind: kind, name: name, mode: UInt32(truncatingIfNeeded: try number(100, 8)) & 0o7777)
    entry.linkName = text(157, 100)
    entry.userID = UInt32(truncatingIfNeeded: try number(108, 8))
    entry.groupID = UInt32(truncatingIfNeeded: try number(116, 8))
    entry.modified = try number(136, 12)
    if kind == .characterDevice || kind == .blockDevice {
      entry.deviceMajor = UInt32(truncatingIfNeeded: try number(329, 8))
      entry.deviceMinor = UInt32(truncatingIfNeeded: try number(337, 8))
    }
    return entry
  }
}
