/// Numbers in bytes that strangers wrote: whatever an offset says, nothing outside is read.
struct ByteReader {
  let bytes: UnsafeRawBufferPointer
  var isBigEndian = false

  var count: Int { bytes.count }

  func u8(_ offset: Int) -> Int? { offset >= 0 && offset < count ? Int(bytes[offset]) : nil }

  func u16(_ offset: Int) -> Int? {
    load(offset, UInt16.self).map { Int(isBigEndian ? UInt16(bigEndian: $0) : UInt16(littleEndian: $0)) }
  }

  func u32(_ offset: Int) -> Int? {
    load(offset, UInt32.self).map { Int(isBigEndian ? UInt32(bigEndian: $0) : UInt32(littleEndian: $0)) }
  }

  /// nil, too, where the number is above what an `Int` holds.
  func u64(_ offset: Int) -> Int? {
    load(offset, UInt64.self).flatMap { Int(exactly: isBigEndian ? UInt64(bigEndian: $0) : UInt64(littleEndian: $0)) }
  }

  private func load<Number: FixedWidthInteger>(_ offset: Int, _: Number.Type) -> Number? {
    guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return nil }
    return bytes.loadUnaligned(fromByteOffset: offset, as: Number.self)
  }

  func slice(_ offset: Int, _ length: Int) -> UnsafeRawBufferPointer? {
    guard offset >= 0, length >= 0, offset <= count, length <= count - offset else { return nil }
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + length)])
  }
}
