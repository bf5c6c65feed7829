import Foundation
import Testing

@testable import Scanning

@Suite struct RPMTests {
  /// A header with the tags that are read. (rpm, Header format)
  static func header(_ name: String, _ version: String, _ release: String, epoch: UInt32? = nil, padding: Int = 0)
    -> [UInt8]
  {
    func big(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(value >> $0 & 0xff) } }
    var data: [UInt8] = []
    var index: [UInt8] = []
    var count = 0
    func add(_ tag: Int, _ type: Int, _ bytes: [UInt8]) {
      index += big(tag) + big(type) + big(data.count) + big(1)
      data += bytes
      count += 1
    }
    if let epoch { add(1003, 4, big(Int(epoch))) }
    for (tag, text) in [
      (1000, name), (1001, version), (1002, release), (1014, "MIT"), (1022, "x86_64"),
      (1044, "\(name)-src-\(version)-\(release).src.rpm"),
    ] { add(tag, 6, Array(text.utf8) + [0]) }
    if padding > 0 { add(1005, 7, Array(repeating: 0x78, count: padding)) }
    return big(count) + big(data.count) + index + data
  }

  private func names(_ bytes: [UInt8]) -> [String] {
    bytes.withUnsafeBytes { RPMDatabases.packages($0).map { "\($0.name) \($0.version)" }.sorted() }
  }

  @Test func readsAHeader() throws {
    let package = try #require(
      Self.header("bash", "5.1.8", "9.el9", epoch: 2).withUnsafeBytes { RPMHeader.package($0) })
    #expect(package.name == "bash" && package.version == "2:5.1.8-9.el9" && package.architecture == "x86_64")
    #expect(package.source == .init(name: "bash-src", version: "5.1.8-9.el9"))
    #expect(package.licenses == ["MIT"])
    #expect(Self.header("gpg-pubkey", "1", "1").withUnsafeBytes { RPMHeader.package($0) } == nil)
  }

  private static let headers = [
    header("bash", "5.1.8", "9.el9"), header("glibc", "2.34", "100.el9", padding: 50_000),
    header("gpg-pubkey", "1", "1"),
    header("zlib", "1.2.11", "40.el9", epoch: 1, padding: 900),
  ]
  private static let expected = ["bash 5.1.8-9.el9", "glibc 2.34-100.el9", "zlib 1:1.2.11-40.el9"]

  @Test func readsSQLite() throws {
    let script = """
      import os, sqlite3, sys, tempfile
      with tempfile.TemporaryDirectory() as folder:
        path = folder + "/rpmdb.sqlite"
        db = sqlite3.connect(path)
        db.execute("pragma page_size = 4096")
        db.execute("create table Other (a text)")
        db.execute("create table 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        for blob in sys.argv[1:]: db.execute("insert into Packages (blob) values (?)", (bytes.fromhex(blob),))
        for number in range(500): db.execute("insert into Packages (blob) values (?)", (bytes([number % 256]) * 300,))
        db.commit(); db.close()
        sys.stdout.buffer.write(open(path, "rb").read())
      """
    let arguments = Self.headers.map { $0.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
    guard let bytes = try python(script, arguments) else {
      return print("SKIPPED: rpm's SQLite database: python3 is not installed")
    }
    #expect(names(bytes) == Self.expected)
    hammer(bytes)
  }

  @Test func readsSlots() {
    func little(_ value: Int) -> [UInt8] { [0, 8, 16, 24].map { UInt8(value >> $0 & 0xff) } }
    var slots = Array("RpmP".utf8) + little(0) + little(1) + little(1) + little(9) + [UInt8](repeating: 0, count: 12)
    var blobs: [UInt8] = []
    for (index, header) in Self.headers.enumerated() {
      slots +=
        Array("Slot".utf8) + little(index + 1) + little((4096 + blobs.count) / 16) + little((header.count + 31) / 16)
      blobs += Array("BlbS".utf8) + little(index + 1) + little(1) + little(header.count) + header
      blobs += [UInt8](repeating: 0, count: (16 - blobs.count % 16) % 16)
    }
    slots += [UInt8](repeating: 0, count: 4096 - slots.count)
    #expect(names(slots + blobs) == Self.expected)
    hammer(slots + blobs)
  }

  /// A hundred thousand slots for one blob of megabytes: each alone would be in order.
  @Test func readsNoByteOverAndOver() {
    func little(_ value: Int) -> [UInt8] { [0, 8, 16, 24].map { UInt8(value >> $0 & 0xff) } }
    let header = Self.header("bash", "5", "1", padding: 8 << 20)
    let pages = 400
    var slots =
      Array("RpmP".utf8) + little(0) + little(1) + little(pages) + little(2) + [UInt8](repeating: 0, count: 12)
    let slot = Array("Slot".utf8) + little(1) + little(pages * 256) + little(1)
    for _ in 2..<(pages * 256) { slots += slot }
    let found = names(slots + Array("BlbS".utf8) + little(1) + little(1) + little(header.count) + header)
    #expect((1...3).contains(found.count))
  }

  @Test func readsBerkeleyDB() {
    let size = 4096
    func little(_ value: Int, _ width: Int = 4) -> [UInt8] { (0..<width).map { UInt8(value >> ($0 * 8) & 0xff) } }
    var meta = [UInt8](repeating: 0, count: size)
    meta.replaceSubrange(12..<16, with: little(0x061561))
    meta.replaceSubrange(20..<24, with: little(size))
    var hash = [UInt8](repeating: 0, count: size)
    hash.replaceSubrange(20..<22, with: little(Self.headers.count * 2, 2))
    hash[25] = 13
    var end = size
    var overflow: [UInt8] = []
    func place(_ entry: Int, _ item: [UInt8]) {
      end -= item.count
      hash.replaceSubrange(end..<(end + item.count), with: item)
      hash.replaceSubrange((26 + entry * 2)..<(28 + entry * 2), with: little(end, 2))
    }
    for (index, header) in Self.headers.enumerated() {
      place(index * 2, [1] + little(index + 1))
      if header.count < 400 {
        place(index * 2 + 1, [1] + header)
        continue
      }
      place(index * 2 + 1, [3, 0, 0, 0] + little(2 + overflow.count / size) + little(header.count))
      for start in stride(from: 0, to: header.count, by: size - 26) {
        let part = header[start..<min(start + size - 26, header.count)]
        var page = [UInt8](repeating: 0, count: size)
        let isLast = start + size - 26 >= header.count
        page.replaceSubrange(16..<20, with: little(isLast ? 0 : 3 + overflow.count / size))
        page.replaceSubrange(22..<24, with: little(part.count, 2))
        page[25] = 7
        page.replaceSubrange(26..<(26 + part.count), with: part)
        overflow += page
      }
    }
    #expect(names(meta + hash + overflow) == Self.expected)
    hammer(meta + hash + overflow)
  }

  /// Whatever is changed or cut off, reading ends and stays inside.
  private func hammer(_ bytes: [UInt8]) {
    var state: UInt64 = 7
    for round in 0..<200 {
      var copy = bytes
      for _ in 0...(round % 8) {
        state = state &* 6_364_136_223_846_793_005 &+ 1
        copy[Int(state >> 33) % min(copy.count, round % 2 == 0 ? 8192 : copy.count)] = UInt8(
          truncatingIfNeeded: state >> 20)
      }
      if round % 5 == 0 { copy = Array(copy.prefix(Int(state >> 33) % copy.count)) }
      #expect(names(copy).count <= RPMDatabases.packageLimit)
    }
  }
}
