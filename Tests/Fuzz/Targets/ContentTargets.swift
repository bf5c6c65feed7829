import FoundationEssentials
import ImageSpec

@testable import Layers
@testable import RegistryServer

extension FuzzTarget {
  static let content = [
    FuzzTarget("manifests") { bytes in
      for type in [nil, MediaType.manifest, .index, .dockerManifest] {
        guard let document = try? ManifestDocument(parsing: bytes, contentType: type) else { continue }
        require(
          document.mediaType.isIndex || document.mediaType.isManifest, "\(document.mediaType) is no manifest's type")
        require(document.blobs.isEmpty || document.children.isEmpty, "a manifest that is an index too")
        for part in document.blobs + document.children { require(part.size >= 0, "a size of \(part.size)") }
      }
      _ = try? JSONDecoder().decode(ImageConfig.self, from: Data(bytes))
    },
    FuzzTarget("tar") { bytes in
      let counter = ContentCounter()
      let reader = TarReader(counter)
      bytes.withUnsafeBytes { all in
        do {
          // In pieces, as a download brings it.
          for start in stride(from: 0, to: all.count, by: 97) {
            try reader.write(UnsafeRawBufferPointer(rebasing: all[start..<min(start + 97, all.count)]))
          }
          try reader.finish()
        } catch {}
      }
      require(counter.count <= bytes.count, "\(counter.count) bytes of content out of \(bytes.count)")
    },
    // The first byte is the size of the pieces that the rest comes in.
    FuzzTarget("layers") { bytes in
      let rest = Array(bytes.dropFirst())
      let compression = Compression.detect(rest.prefix(Compression.prefixLength))
      let whole = decompressed(rest, compression, piece: max(rest.count, 1))
      let pieces = decompressed(rest, compression, piece: max(1, Int(bytes.first ?? 1)))
      require(whole.isComplete == pieces.isComplete, "whole \(whole.isComplete), in pieces \(pieces.isComplete)")
      // What is not complete may have been given out to another point.
      if whole.isComplete { require(whole.bytes == pieces.bytes, "pieces differ from the whole") }
    },
  ]
}

/// Bytes of a stream up to the first mebibyte, and whether it ended well within them.
private func decompressed(
  _ bytes: [UInt8], _ compression: Compression, piece: Int
) -> (bytes: [UInt8], isComplete: Bool) {
  struct Enough: Error {}
  var result: [UInt8] = []
  func take(_ buffer: UnsafeRawBufferPointer) throws {
    result += buffer
    guard result.count <= 1 << 20 else { throw Enough() }
  }
  do {
    let decompressor = try Decompressor(compression)
    try bytes.withUnsafeBytes { all in
      for start in stride(from: 0, to: all.count, by: piece) {
        try decompressor.write(UnsafeRawBufferPointer(rebasing: all[start..<min(start + piece, all.count)]), take)
      }
    }
    try decompressor.finish(take)
    return (result, true)
  } catch {
    return (Array(result.prefix(1 << 20)), false)
  }
}

private final class ContentCounter: TarConsumer {
  var count = 0

  func begin(_ entry: TarEntry) throws {
    require(!entry.name.contains(0), "a name with a NUL")
    guard let parts = components(of: entry.name) else { return }
    require(!parts.contains { $0.isEmpty || $0 == [0x2E] || $0 == [0x2E, 0x2E] }, "a path with \(parts)")
  }

  func content(_ bytes: UnsafeRawBufferPointer) throws { count += bytes.count }
  func end() throws {}
}
