import Foundation
import Layers
import SystemPackage
import Testing

@Suite struct CompressionTests {
  static let samples: [(Compression, String)] = [
    (.gzip, "H4sIAAAAAAAAA8tIzcnJV8hJrEwtKuYCAH+Y+sQNAAAA"),
    (.zstd, "KLUv/QRYaQAAaGVsbG8gbGF5ZXJzCiFCG14="),
    (.bzip2, "QlpoOTFBWSZTWTJazZAAAALRgAAQQAAiRJggIAAxADAgGmIiSxyEU34u5IpwoSBktZsg"),
    (.xz, "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAMaGVsbG8gbGF5ZXJzCgAAAAC9anko8IWhqgABJQ1xGcS2H7bzfQEAAAAABFla"),
  ]

  private func decompressed(_ bytes: [UInt8], _ compression: Compression, pieces: Int = 1) throws -> [UInt8] {
    let decompressor = try Decompressor(compression)
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: max(1, bytes.count / pieces)) {
      let piece = Array(bytes[start..<min(start + max(1, bytes.count / pieces), bytes.count)])
      try piece.withUnsafeBytes { try decompressor.write($0) { result.append(contentsOf: $0) } }
    }
    try decompressor.finish { result.append(contentsOf: $0) }
    return result
  }

  @Test(arguments: samples)
  func detectsAndReadsEveryKind(_ compression: Compression, _ sample: String) throws {
    let bytes = [UInt8](try #require(Data(base64Encoded: sample)))
    #expect(Compression.detect(bytes) == compression)
    #expect(try decompressed(bytes, compression) == Array("hello layers\n".utf8))
    #expect(try decompressed(bytes, compression, pieces: bytes.count) == Array("hello layers\n".utf8))
  }

  @Test(arguments: samples)
  func reportsATruncatedStream(_ compression: Compression, _ sample: String) throws {
    let bytes = [UInt8](try #require(Data(base64Encoded: sample)))
    #expect(throws: LayerError.self) { try decompressed(Array(bytes.dropLast(3)), compression) }
  }

  @Test(arguments: samples)
  func readsStreamsOneAfterTheOther(_ compression: Compression, _ sample: String) throws {
    let bytes = [UInt8](try #require(Data(base64Encoded: sample)))
    #expect(try decompressed(bytes + bytes, compression) == Array("hello layers\nhello layers\n".utf8))
  }

  @Test(arguments: samples)
  func reportsCorruptBytes(_ compression: Compression, _ sample: String) throws {
    var bytes = [UInt8](try #require(Data(base64Encoded: sample)))
    for index in 8..<min(bytes.count, 24) { bytes[index] ^= 0xff }
    #expect(throws: LayerError.self) { try decompressed(bytes, compression) }
  }

  @Test func takesOtherBytesAsTheyAre() {
    #expect(Compression.detect(Array("./\0\0\0\0".utf8)) == .none)
    #expect(Compression.detect([]) == .none)
  }

  @Test(arguments: [0, 1, 1 << 20, (1 << 20) + 1, 5_000_000])
  func gzipGivesTheSameBytesBack(_ size: Int) throws {
    let directory = try TemporaryDirectory()
    let plain = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
    let path = directory.path.appending("plain").string
    try Data(plain).write(to: URL(fileURLWithPath: path))
    let file = open(path, O_RDONLY)
    defer { close(file) }
    var compressed: [UInt8] = []
    try compressGzip(from: file) { compressed += $0 }
    #expect(try decompressed(compressed, .gzip, pieces: 7) == plain)
    lseek(file, 0, SEEK_SET)
    var again: [UInt8] = []
    try compressGzip(from: file) { again += $0 }
    #expect(again == compressed)
  }
}
