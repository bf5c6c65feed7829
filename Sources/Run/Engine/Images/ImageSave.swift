internal import Content
internal import FoundationEssentials
internal import Glibc
public import ImageSpec
internal import Kernel
internal import Layers
internal import SystemPackage

/// The form of an archive that `save` writes.
public enum ImageArchiveFormat: String, Sendable, CaseIterable {
  /// An OCI layout with docker's `manifest.json` beside it: docker, podman and skopeo load it either way.
  case docker = "docker-archive"
  /// An OCI layout alone. (image-spec, image-layout.md)
  case oci = "oci-archive"
}

extension Engine {
  /// Writes images with all that they reach as one tar archive.
  ///
  /// - Parameters:
  ///   - names: names or IDs; a repository without a tag saves all its tags.
  ///   - write: gets the archive in pieces, and must not keep them.
  public func save(
    _ names: [String], format: ImageArchiveFormat = .docker, to write: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try writeArchive(archived(names), format: format, to: write)
  }

  /// The same of one image under given names, which need not be names in this store.
  public func save(
    _ target: Descriptor, names: [Reference], format: ImageArchiveFormat,
    to write: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let image = try image(at: target, named: target.digest.description)
    try writeArchive([ArchivedImage(image: image, names: names)], format: format, to: write)
  }

  private func archived(_ names: [String]) throws -> [ArchivedImage] {
    var images: [ArchivedImage] = []
    func add(_ image: Image, _ name: Reference?) {
      if let index = images.firstIndex(where: { $0.image.target.digest == image.target.digest }) {
        if let name, !images[index].names.contains(name) { images[index].names.append(name) }
      } else {
        images.append(ArchivedImage(image: image, names: name.map { [$0] } ?? []))
      }
    }
    for name in names {
      let reference = try? Reference(parsing: name)
      if let reference, reference.tag == nil, reference.digest == nil {
        let tags = try content.names().filter { $0.name.repository == reference.repository }
        for named in tags { add(try image(at: named.descriptor, named: name), named.name) }
        if !tags.isEmpty { continue }
      }
      let image = try image(name)
      let isName = try reference.map { try content.resolve($0.tagged) != nil } ?? false
      add(image, isName ? reference?.tagged : nil)
    }
    return images
  }

  private struct ArchivedImage {
    let image: Image
    var names: [Reference]
  }

  private struct DockerManifest: Codable {
    let Config: String
    let RepoTags: [String]?
    let Layers: [String]
  }

  private func writeArchive(
    _ images: [ArchivedImage], format: ImageArchiveFormat, to write: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let writer = TarWriter(write)
    func directory(_ name: String) throws { try writer.begin(TarEntry(kind: .directory, name: Array(name.utf8), mode: 0o755)) }
    func file(_ name: String, _ bytes: [UInt8]) throws {
      var entry = TarEntry(kind: .file, name: Array(name.utf8), mode: 0o644)
      entry.size = Int64(bytes.count)
      try writer.begin(entry)
      if !bytes.isEmpty { try writer.content(bytes) }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try file("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
    try directory("blobs")
    try directory("blobs/sha256")
    var written: Set<Digest> = []
    for archived in images {
      for digest in try reached(from: archived.image.target) where written.insert(digest).inserted {
        try writeBlob(digest, to: writer)
      }
    }
    try file("index.json", Array(try encoder.encode(index(images))))
    if format == .docker {
      let manifests = images.map { archived in
        DockerManifest(
          Config: Self.blobPath(archived.image.manifest.config.digest),
          RepoTags: archived.names.isEmpty ? nil : archived.names.map(\.familiar),
          Layers: archived.image.manifest.layers.map { Self.blobPath($0.digest) })
      }
      try file("manifest.json", Array(try encoder.encode(manifests)))
    }
    try writer.finish()
  }

  private static func blobPath(_ digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

  private func index(_ images: [ArchivedImage]) -> Index {
    var manifests: [Descriptor] = []
    for archived in images {
      var descriptor = archived.image.target
      descriptor.annotations = nil
      if archived.names.isEmpty { manifests.append(descriptor) }
      for name in archived.names {
        descriptor.annotations = [
          "io.containerd.image.name": name.description, "org.opencontainers.image.ref.name": name.familiar,
        ]
        manifests.append(descriptor)
      }
    }
    return Index(manifests: manifests)
  }

  /// What is there of all that a manifest or an index reaches, itself last, so that a reader can check as it goes.
  private func reached(from target: Descriptor) throws -> [Digest] {
    var digests: [Digest] = []
    for child in try content.children(of: target) where content.contains(child.digest) {
      digests += child.mediaType.isIndex || child.mediaType.isManifest ? try reached(from: child) : [child.digest]
    }
    return digests + [target.digest]
  }

  private func writeBlob(_ digest: Digest, to writer: TarWriter) throws {
    var entry = TarEntry(kind: .file, name: Array(Self.blobPath(digest).utf8), mode: 0o644)
    entry.size = try content.size(of: digest)
    let file = try content.open(digest)
    try writer.begin(entry)
    try writer.copy(from: file.number, named: digest.description)
  }
}
