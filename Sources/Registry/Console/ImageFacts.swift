internal import DistributionSpec
internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer
internal import Synchronization

/// What a manifest is, in the few words that a list has room for. It never changes: a digest names it.
struct ImageSummary: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    case image, index
    /// Anything else, in the words that people know it by.
    case artifact(String)
  }

  var kind: Kind
  /// `linux/amd64`; those of an index's images in its order.
  var platforms: [String]

  var label: String {
    switch kind {
    case .image: "image"
    case .index: platforms.count > 1 ? "multi-platform" : "index"
    case .artifact(let name): name
    }
  }
}

/// Summaries of the manifests that were listed last, in memory.
final class ImageFacts: Sendable {
  private let known = Mutex<[Digest: ImageSummary]>([:])
  private static let capacity = 4096

  /// Reads the manifest, and an image's configuration, where they were not read lately.
  func summary(_ manifest: StoredManifest, _ registry: Registry) -> ImageSummary {
    if let found = known.withLock({ $0[manifest.digest] }) { return found }
    let summary = Self.read(manifest, registry)
    known.withLock { known in
      // Nothing is lost but the time to read them again.
      if known.count >= Self.capacity { known.removeAll(keepingCapacity: true) }
      known[manifest.digest] = summary
    }
    return summary
  }

  private static func read(_ manifest: StoredManifest, _ registry: Registry) -> ImageSummary {
    guard let document = try? ImageDocument(manifest.digest, manifest.mediaType, registry) else {
      return ImageSummary(kind: .artifact("unreadable"), platforms: [])
    }
    switch document.content {
    case .index(let index):
      let platforms = index.manifests.prefix(100).compactMap(\.platform).filter { $0.os != "unknown" }
      return ImageSummary(kind: .index, platforms: platforms.map { Formats.cut($0.description, 60) })
    case .manifest(let content):
      if let name = ArtifactKind.name(content) { return ImageSummary(kind: .artifact(name), platforms: []) }
      let config = try? ImageDocument.config(content.config, registry)
      return ImageSummary(
        kind: .image, platforms: config.map { [Formats.cut($0.config.platform.description, 60)] } ?? [])
    }
  }
}

/// What artifacts are commonly called, by the type of theirs that says it.
enum ArtifactKind {
  /// nil for an image.
  static func name(_ manifest: Manifest) -> String? {
    let type = manifest.artifactType ?? manifest.config.mediaType.rawValue
    if manifest.artifactType == nil, [MediaType.config, .dockerConfig].contains(manifest.config.mediaType) {
      // cosign's own signatures look like images; their layer tells.
      let layer = manifest.layers.first?.mediaType.rawValue
      return layer.flatMap { isImageLayer($0) ? nil : name(type: $0) }
    }
    if type == MediaType.empty.rawValue, let layer = manifest.layers.first { return name(type: layer.mediaType.rawValue) }
    return name(type: type)
  }

  private static func isImageLayer(_ type: String) -> Bool { MediaType(type).isLayer || type == MediaType.empty.rawValue }

  static func name(type: String) -> String {
    for (part, name) in names where type.contains(part) { return name }
    return Formats.cut(type, 80)
  }

  private static let names = [
    ("simplesigning", "signature"), ("dev.cosign.artifact.sig", "signature"), ("cncf.notary.signature", "signature"),
    ("dev.sigstore.bundle", "Sigstore bundle"), ("dsse.envelope", "attestation"), ("in-toto", "attestation"),
    ("spdx", "SBOM (SPDX)"), ("cyclonedx", "SBOM (CycloneDX)"), ("syft", "SBOM (Syft)"),
    ("cncf.helm", "Helm chart"), ("cncf.openpolicyagent", "policy bundle"), ("wasm", "WebAssembly module"),
    ("sarif", "scan report (SARIF)"), ("buildkit.cacheconfig", "build cache"), ("trivy", "scan report"),
  ]
}
