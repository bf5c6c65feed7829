import Layers
import Testing

/// Collects what a reader hands out.
private final class Collector: TarConsumer {
  var entries: [(entry: TarEntry, content: [UInt8])] = []
  func begin(_ entry: TarEntry) { entries.append((entry, [])) }
  func content(_ bytes: UnsafeRawBufferPointer) { entries[entries.count - 1].content += bytes }
  func end() {}
}

func archive(_ items: [(TarEntry, String)]) throws -> [UInt8] {
  var bytes: [UInt8] = []
  let writer = TarWriter { bytes += $0 }
  for (entry, text) in items {
    var entry = entry
    entry.size = Int64(text.utf8.count)
    try writer.begin(entry)
    if !text.isEmpty { try writer.content(Array(text.utf8)) }
  }
  try writer.finish()
  return bytes
}

func entry(_ kind: TarEntry.Kind, _ name: String, mode: UInt32 = 0o644, link: String = "") -> TarEntry {
  var entry = TarEntry(kind: kind, name: Array(name.utf8), mode: mode)
  entry.linkName = Array(link.utf8)
  return entry
}

@Suite struct TarTests {
  private func read(_ bytes: [UInt8], piece: Int = .max) throws -> [(entry: TarEntry, content: [UInt8])] {
    let collector = Collector()
    let reader = TarReader(collector)
    var start = 0
    while start < bytes.count {
      let end = piece == .max ? bytes.count : min(bytes.count, start + piece)
      try bytes[start..<end].withUnsafeBytes { try reader.write($0) }
      start = end
    }
    try reader.finish()
    return collector.entries
  }

  @Test(arguments: [1, 511, 512, 513, 4096, Int.max])
  func readsWhatItWroteInPiecesOfAnySize(_ piece: Int) throws {
    var odd = entry(.file, String(repeating: "long/", count: 40) + "名前", mode: 0o4755)
    odd.userID = 3_000_000
    odd.groupID = 7
    odd.modified = 1_700_000_000
    odd.modifiedNanoseconds = 5_000_000
    odd.attributes = ["security.capability": [1, 0, 0, 2, 0xff], "user.x": Array("a\nb=c".utf8)]
    var device = entry(.characterDevice, "dev/tty", mode: 0o620)
    device.deviceMajor = 5
    device.deviceMinor = 1
    let items = [
      (entry(.directory, "dir", mode: 0o1777), ""), (odd, String(repeating: "x", count: 1500)),
      (entry(.symbolicLink, "link", mode: 0o777, link: String(repeating: "t/", count: 90)), ""),
      (entry(.hardLink, "hard", link: "dir/file"), ""), (device, ""), (entry(.fifo, "pipe"), ""),
      (entry(.file, "empty"), ""),
    ]
    let found = try read(archive(items), piece: piece)
    #expect(found.count == items.count)
    for ((expected, text), got) in zip(items, found) {
      var expected = expected
      expected.size = Int64(text.utf8.count)
      #expect(got.entry == expected)
      #expect(got.content == Array(text.utf8))
    }
  }

  @Test func keepsNamesThatAreNotUTF8() throws {
    let name: [UInt8] = [0x66, 0xff, 0xfe]
    let found = try read(archive([(TarEntry(kind: .file, name: name, mode: 0o644), "x")]))
    #expect(found[0].entry.name == name)
  }

  @Test func keepsTimesBefore1970() throws {
    var old = entry(.file, "old")
    old.modified = -2
    old.modifiedNanoseconds = 500_000_000
    #expect(try read(archive([(old, "")]))[0].entry.modified == -2)
    #expect(try read(archive([(old, "")]))[0].entry.modifiedNanoseconds == 500_000_000)
  }

  @Test func reportsAnArchiveThatEndsInAnEntry() throws {
    let bytes = try archive([(entry(.file, "a"), String(repeating: "x", count: 1000))])
    for length in [100, 512, 700, 1511] {
      #expect(throws: LayerError.self) { try read(Array(bytes[..<length])) }
    }
  }

  @Test func acceptsAnArchiveWithoutZerosAtItsEnd() throws {
    let bytes = try archive([(entry(.file, "a"), "x")])
    #expect(try read(Array(bytes[..<1024])).count == 1)
    #expect(try read([]).isEmpty)
  }

  @Test func reportsAWrongChecksum() throws {
    var bytes = try archive([(entry(.file, "a"), "x")])
    bytes[0] = UInt8(ascii: "b")
    #expect(throws: LayerError.self) { try read(bytes) }
  }

  @Test func reportsGarbage() {
    #expect(throws: LayerError.self) { try read(Array(repeating: 0x41, count: 2048)) }
  }

  @Test func boundsExtensionHeaders() throws {
    var huge = entry(.file, "a")
    huge.attributes = ["user.big": Array(repeating: 1, count: 2 << 20)]
    #expect(throws: LayerError.self) { try read(archive([(huge, "")])) }
  }
}
