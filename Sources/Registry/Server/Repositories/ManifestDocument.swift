import FoundationEssentials
public import ImageSpec

/// A pushed manifest that was looked at: of which kind it is, and what it names.
public struct ManifestDocument: Sendable {
  public let mediaType: MediaType
  /// artifactType, or where it has none the type of the config. (distribution-spec, Listing Referrers)
  public let artifactType: String?
  public let subject: Descriptor?
  public let annotations: [String: String]?
  /// Config and layers.
  public let blobs: [Descriptor]
  /// The members of an index.
  public let children: [Descriptor]

  public static let sizeLimit = 4 << 20

  /// Parses the bytes. `contentType` is what the request said they are; where it says nothing of use, the document's
  /// own `mediaType` or its shape decides.
  public init(parsing bytes: [UInt8], contentType: MediaType?) throws(RegistryError) {
    guard bytes.count <= Self.sizeLimit else { throw .manifestTooLarge(limit: Self.sizeLimit) }
    guard JSONDepth.isWithin(64, bytes) else { throw .manifestInvalid("its JSON is nested deeper than 64 levels") }
    let data = Data(bytes)
    let shape: Shape
    do { shape = try JSONDecoder().decode(Shape.self, from: data) } catch {
      throw .manifestInvalid("it is not the JSON of a manifest: \(Self.reason(error))")
    }
    guard shape.schemaVersion == 2 else {
      throw .manifestInvalid(
        shape.schemaVersion == 1
          ? "schema 1 is not supported; push with a client of the last eight years" : "schemaVersion is not 2")
    }
    // A document that is both is read as one by some and as the other by others. (CVE-2021-41190)
    guard !(shape.manifests != nil && (shape.layers != nil || shape.config != nil)) else {
      throw .manifestInvalid("it has manifests as well as config or layers")
    }
    let mediaType = try Self.mediaType(contentType, shape)
    self.mediaType = mediaType
    guard mediaType.isIndex == (shape.manifests != nil) else {
      throw .manifestInvalid("its content is not that of \(mediaType)")
    }
    if let manifests = shape.manifests {
      children = manifests
      blobs = []
      artifactType = shape.artifactType.flatMap { $0.isEmpty ? nil : $0 }
    } else {
      guard let config = shape.config, let layers = shape.layers else {
        throw .manifestInvalid("it lacks \(shape.config == nil ? "config" : "layers")")
      }
      blobs = [config] + layers
      children = []
      artifactType = shape.artifactType.flatMap { $0.isEmpty ? nil : $0 } ?? config.mediaType.rawValue
    }
    for descriptor in blobs + children + (shape.subject.map { [$0] } ?? []) where descriptor.size < 0 {
      throw .manifestInvalid("the size of \(descriptor.digest) is negative")
    }
    subject = shape.subject
    annotations = shape.annotations
  }

  /// `mediaType` of a document, nil where it has none. Throws `manifestInvalid` for what is no manifest.
  public static func statedMediaType(_ bytes: [UInt8]) throws(RegistryError) -> MediaType? {
    guard bytes.count <= sizeLimit else { throw .manifestTooLarge(limit: sizeLimit) }
    guard JSONDepth.isWithin(64, bytes) else { throw .manifestInvalid("its JSON is nested deeper than 64 levels") }
    struct Stated: Decodable { let mediaType: MediaType? }
    do { return try JSONDecoder().decode(Stated.self, from: Data(bytes)).mediaType } catch {
      throw .manifestInvalid("it is not the JSON of a manifest: \(reason(error))")
    }
  }

  private static func mediaType(_ contentType: MediaType?, _ shape: Shape) throws(RegistryError) -> MediaType {
    let generic: Set<String> = [
      "", "application/json", "application/octet-stream", "text/plain", "application/x-www-form-urlencoded",
    ]
    let said = contentType.flatMap { generic.contains($0.rawValue) ? nil : $0 }
    if let said, let own = shape.mediaType, said != own {
      throw .manifestInvalid("its mediaType is \(own), and the request says \(said)")
    }
    let type = said ?? shape.mediaType ?? (shape.manifests != nil ? .index : .manifest)
    guard type.isIndex || type.isManifest else {
      throw .manifestInvalid(
        "the media type \"\(type.rawValue.prefix(120))\" is not supported; it is one of "
          + MediaType.manifests.map(\.rawValue).joined(separator: ", "))
    }
    return type
  }

  private static func reason(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    return switch error {
    case .dataCorrupted(let context), .keyNotFound(_, let context), .typeMismatch(_, let context),
      .valueNotFound(_, let context):
      context.codingPath.isEmpty
        ? context.debugDescription
        : "\(context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")): \(context.debugDescription)"
    @unknown default: "\(error)"
    }
  }

  /// All that a manifest or an index may have, so that a mixture of both is seen.
  private struct Shape: Decodable {
    var schemaVersion: Int?
    var mediaType: MediaType?
    var artifactType: String?
    var config: Descriptor?
    var layers: [Descriptor]?
    var manifests: [Descriptor]?
    var subject: Descriptor?
    var annotations: [String: String]?
  }
}

extension MediaType {
  /// Layers that registries need not have: their content is elsewhere. (image-spec, layer.md, Non-Distributable Layers)
  var isForeign: Bool {
    rawValue.hasPrefix("application/vnd.oci.image.layer.nondistributable.")
      || rawValue.hasPrefix("application/vnd.docker.image.rootfs.foreign.")
  }
}

/// How deep a JSON text is nested, told by one look over its bytes: parsers recurse, and a megabyte of `[` must not
/// reach one.
public enum JSONDepth {
  public static func isWithin(_ limit: Int, _ bytes: some Sequence<UInt8>) -> Bool {
    var depth = 0
    var inString = false, escaped = false
    for byte in bytes {
      if inString {
        if escaped {
          escaped = false
        } else if byte == UInt8(ascii: "\\") {
          escaped = true
        } else if byte == UInt8(ascii: "\"") {
          inString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): inString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        if depth > limit { return false }
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
    }
    return true
  }
}
