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

  /// Frames to be skipped and others, wherever the pieces end; nothing else, such as what zstd wrote before it was a
  /// standard, which the library may know. (RFC 8878, section 3.1)
  @Test func takesFramesOfTheStandardAlone() throws {
    let frame = [UInt8](try #require(Data(base64Encoded: Self.samples[1].1)))
    let skipped: [UInt8] = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
    let hello = Array("hello layers\n".utf8)
    for pieces in [1, 2, 3, 1000] {
      #expect(try decompressed(skipped + frame + skipped + frame, .zstd, pieces: pieces) == hello + hello)
      #expect(try decompressed(skipped, .zstd, pieces: pieces) == [])
      for legacy: UInt8 in [0x22, 0x23, 0x24, 0x25, 0x26, 0x27] {
        let other: [UInt8] = [legacy, 0xb5, 0x2f, 0xfd, 0, 0xf5, 0xf8, 0xf5]
        #expect(throws: LayerError.self) { try decompressed(frame + other, .zstd, pieces: pieces) }
        #expect(throws: LayerError.self) { try decompressed(other, .zstd, pieces: pieces) }
      }
      for rest in [[0], [0x28, 0xb5], [0x28, 0xb5, 0x2f, 0xfd]] as [[UInt8]] {
        #expect(throws: LayerError.self) { try decompressed(frame + rest, .zstd, pieces: pieces) }
      }
    }
    #expect(throws: LayerError.self) { try decompressed([], .zstd) }
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
