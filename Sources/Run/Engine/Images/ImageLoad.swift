internal import Content
internal import FoundationEssentials
internal import Glibc
public import ImageSpec
internal import Kernel
internal import Layers
internal import SystemPackage

/// An image that `load` brought.
public struct LoadedImage: Sendable {
  /// Empty for an image without a name.
  public let names: [Reference]
  public let image: Image
}

extension Engine {
  /// Loads the images of an archive: an OCI layout, or what `docker save` writes, compressed in any known way.
  ///
  /// - Parameter descriptor: read to its end.
  /// - Throws: `ImageError.archive`, `ContentError.digestMismatch`, `LayerError`; then no name was set.
  public func load(from descriptor: CInt) throws -> [LoadedImage] {
    let archive = ArchiveContents(content)
    try readPlainArchive(descriptor, into: archive)
    if let bytes = archive.document("index.json") { return try loadLayout(bytes, archive) }
    if let bytes = archive.document("manifest.json") { return try loadDocker(bytes, archive) }
    throw ImageError.archive("it has neither index.json (an OCI layout) nor manifest.json (docker save)")
  }

  private func loadLayout(_ bytes: [UInt8], _ archive: ArchiveContents) throws -> [LoadedImage] {
    let index = try Self.decode(Index.self, bytes, "index.json")
    var dockerNames: [Digest: [Reference]] = [:]
    if let bytes = archive.document("manifest.json") {
      for item in try Self.decode([DockerManifest].self, bytes, "manifest.json") {
        guard let digest = archive.digest(item.Config) else { continue }
        dockerNames[digest] = try (item.RepoTags ?? []).map { try Reference(parsing: $0).tagged }
      }
    }
    var loaded: [LoadedImage] = []
    for entry in index.manifests where entry.mediaType.isIndex || entry.mediaType.isManifest {
      var target = entry
      target.annotations = nil
      guard content.contains(target.digest) else {
        throw ImageError.archive("index.json names \(target.digest), which is not in the archive")
      }
      let image = try image(at: target, named: target.digest.description)
      var names = try Self.names(entry)
      if names.isEmpty { names = dockerNames[image.id] ?? [] }
      loaded.append(try keep(image, names))
    }
    guard !loaded.isEmpty else { throw ImageError.archive("its index.json names no image") }
    return Self.merged(loaded)
  }

  /// containerd's annotation has the full name, the specification's a name or a tag only.
  private static func names(_ entry: Descriptor) throws -> [Reference] {
    if let name = entry.annotations?["io.containerd.image.name"] { return [try Reference(parsing: name).tagged] }
    guard let name = entry.annotations?["org.opencontainers.image.ref.name"],
      name.contains(":") || name.contains("/"), let reference = try? Reference(parsing: name)
    else { return [] }
    return [reference.tagged]
  }

  private struct DockerManifest: Decodable {
    let Config: String
    let RepoTags: [String]?
    let Layers: [String]
  }

  /// docker's own form has no manifest: one is made from the configuration and the layers.
  private func loadDocker(_ bytes: [UInt8], _ archive: ArchiveContents) throws -> [LoadedImage] {
    let items = try Self.decode([DockerManifest].self, bytes, "manifest.json")
    guard !items.isEmpty else { throw ImageError.archive("its manifest.json names no image") }
    return Self.merged(
      try items.map { item in
        let config = try archive.descriptor(item.Config, .config)
        let layers = try item.Layers.map { try archive.layer($0) }
        let parsed: ImageConfig = try decode(config.digest)
        guard parsed.rootfs.diffIDs.count == layers.count else {
          throw ImageError.archive("\(item.Config) has \(parsed.rootfs.diffIDs.count) diff IDs for \(layers.count) layers")
        }
        let manifest = Manifest(config: config, layers: layers)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let target = try content.write(Array(try encoder.encode(manifest)), mediaType: .manifest)
        return try keep(
          Image(target: target, descriptor: target, manifest: manifest, config: parsed),
          (item.RepoTags ?? []).map { try Reference(parsing: $0).tagged })
      })
  }

  private func keep(_ image: Image, _ names: [Reference]) throws -> LoadedImage {
    if names.isEmpty { try content.keepUnnamed(image.target) }
    // Unpacking verifies the layers against the configuration before a name promises them.
    _ = try unpack(image)
    for name in names { try content.setName(name, image.target) }
    return LoadedImage(names: names, image: image)
  }

  /// One entry for each image, although an index names it once for each name.
  private static func merged(_ loaded: [LoadedImage]) -> [LoadedImage] {
    var merged: [LoadedImage] = []
    for item in loaded {
      if let index = merged.firstIndex(where: { $0.image.target.digest == item.image.target.digest }) {
        merged[index] = LoadedImage(
          names: merged[index].names + item.names.filter { !merged[index].names.contains($0) }, image: item.image)
      } else {
        merged.append(item)
      }
    }
    return merged
  }

  private static func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], _ name: String) throws -> Document {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
      throw ImageError.archive("\(name) is not valid: \(error)")
    }
  }
}

/// Reads a tar archive of any known compression to the end of a descriptor.
func readPlainArchive(_ descriptor: CInt, into consumer: any TarConsumer) throws {
  let reader = TarReader(consumer)
  try readDecompressed(descriptor) { try reader.write($0) }
  try reader.finish()
}

/// Reads to the end of a descriptor what may be compressed, and hands it on decompressed.
func readDecompressed(_ descriptor: CInt, to output: (UnsafeRawBufferPointer) throws -> Void) throws {
  var decompressor: Decompressor?
  var buffer = [UInt8](repeating: 0, count: 512 << 10)
  var held = 0
  while true {
    let got: Int
    do throws(Errno) {
      got = try buffer.withUnsafeMutableBytesOrErrno { bytes throws(Errno) in
        try Errno.retrying { read(descriptor, bytes.baseAddress! + held, bytes.count - held) }
      }
    } catch {
      throw ImageError.archive("reading it failed: \(error)")
    }
    held += got
    // The first bytes tell the compression: wait for them, but not past the end.
    if decompressor == nil, held < Compression.prefixLength, got > 0 { continue }
    let codec = try decompressor ?? Decompressor(Compression.detect(buffer[..<held]))
    decompressor = codec
    try buffer.withUnsafeBytes { try codec.write(UnsafeRawBufferPointer(rebasing: $0[..<held]), output) }
    held = 0
    if got == 0 { return try codec.finish(output) }
  }
}

extension [UInt8] {
  fileprivate mutating func withUnsafeMutableBytesOrErrno(
    _ body: (UnsafeMutableRawBufferPointer) throws(Errno) -> Int
  ) throws(Errno) -> Int {
    let result: Result<Int, Errno> = withUnsafeMutableBytes { bytes in
      do throws(Errno) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    return try result.get()
  }
}

/// The files of an image archive: each is stored as a blob, named by its own digest.
private final class ArchiveContents: TarConsumer {
  private struct Stored {
    let digest: Digest
    let size: Int64
  }

  private let content: ContentStore
  private var files: [String: Stored] = [:]
  /// Old archives of docker share a layer by a link.
  private var links: [String: String] = [:]
  private var current: (name: String, ingest: Ingest)?

  init(_ content: ContentStore) { self.content = content }

  deinit { current?.ingest.discard() }

  func begin(_ entry: TarEntry) throws {
    guard let name = Self.normalised(entry.displayName) else { throw LayerError.escapes(entry: entry.displayName) }
    let target = String(decoding: entry.linkName, as: UTF8.self)
    switch entry.kind {
    case .file: current = (name, try content.ingest())
    case .symbolicLink:
      let parent = name.split(separator: "/").dropLast().joined(separator: "/")
      links[name] = Self.normalised(parent.isEmpty ? target : "\(parent)/\(target)")
    case .hardLink: links[name] = Self.normalised(target)
    default: break
    }
  }

  func content(_ bytes: UnsafeRawBufferPointer) throws { try current?.ingest.append(bytes) }

  func end() throws {
    guard let (name, ingest) = current else { return }
    current = nil
    let expected = Self.blobDigest(name)
    let (digest, size) = try ingest.commit(expecting: expected)
    files[name] = Stored(digest: digest, size: size)
  }

  /// `blobs/<algorithm>/<hex>` must be what its name says. (image-spec, image-layout.md, Blobs)
  private static func blobDigest(_ name: String) -> Digest? {
    let parts = name.split(separator: "/")
    guard parts.count == 3, parts[0] == "blobs" else { return nil }
    return try? Digest(parsing: "\(parts[1]):\(parts[2])")
  }

  private static func normalised(_ name: String) -> String? {
    var parts: [Substring] = []
    for part in name.split(separator: "/") where part != "." {
      if part == ".." {
        guard parts.popLast() != nil else { return nil }
      } else {
        parts.append(part)
      }
    }
    return parts.joined(separator: "/")
  }

  private func stored(_ name: String) -> Stored? {
    var name = name
    for _ in 0..<8 {
      if let file = files[name] { return file }
      guard let next = links[name] else { return nil }
      name = next
    }
    return nil
  }

  func digest(_ name: String) -> Digest? { stored(name)?.digest }

  func document(_ name: String) -> [UInt8]? {
    stored(name).flatMap { try? content.read($0.digest) }
  }

  func descriptor(_ name: String, _ mediaType: MediaType) throws -> Descriptor {
    guard let file = stored(name) else { throw ImageError.archive("manifest.json names \(name), which is not in the archive") }
    return Descriptor(mediaType: mediaType, digest: file.digest, size: file.size)
  }

  func layer(_ name: String) throws -> Descriptor {
    var descriptor = try descriptor(name, .layer)
    let file = try content.open(descriptor.digest)
    var prefix = [UInt8](repeating: 0, count: Compression.prefixLength)
    let count = read(file.number, &prefix, prefix.count)
    switch Compression.detect(prefix[..<max(0, count)]) {
    case .none: break
    case .gzip: descriptor.mediaType = .layerGzip
    case .zstd: descriptor.mediaType = .layerZstd
    case let other: throw ImageError.archive("\(name) is compressed with \(other), which no layer may be")
    }
    return descriptor
  }
}
