internal import Content
internal import DistributionSpec
internal import FoundationEssentials
public import ImageSpec
internal import NIOHTTP1

/// A manifest or index as a registry sent it.
public struct FetchedManifest: Sendable {
  public let descriptor: Descriptor
  public let bytes: [UInt8]
}

extension RegistryClient {
  /// Largest manifest that is taken, in bytes. (distribution-spec, Pushing Manifests: at least 4 MiB)
  static let manifestLimit = ContentStore.manifestLimit

  private static let accept = MediaType.manifests.map(\.rawValue).joined(separator: ", ")

  /// What a name points at now, by a HEAD request: it does not count against a registry's limit of pulls.
  public func resolve(_ name: Reference) async throws -> Descriptor {
    if let descriptor = try await head(name, onRetry: nil) { return descriptor }
    // Registries that do not say the digest, or know no HEAD.
    return try await fetchManifest(name, ManifestReference(name), onRetry: nil).descriptor
  }

  /// What a name points at now, with its digest verified; nothing is stored.
  public func manifest(_ name: Reference) async throws -> FetchedManifest {
    try await fetchManifest(name, ManifestReference(name), onRetry: nil)
  }

  /// nil where the answer does not say enough.
  func head(_ name: Reference, onRetry: RetryNotice?) async throws -> Descriptor? {
    let host = Host(name)
    let what = "manifest \(name.familiar)"
    var request = try await request(
      host, .manifest(name: name.path, reference: ManifestReference(name)), scopes: [.pull(name.path)], what: what)
    request.method = .HEAD
    request.headers.add(name: "accept", value: Self.accept)
    let answer = try await transport.send(request, onRetry: onRetry)
    // A body is read once: that of a refusal is for its reason.
    guard answer.status == 200 || answer.status == 405 || answer.status == 501 else {
      throw await transport.failure(answer, host: host, what: what)
    }
    await answer.drain()
    switch answer.status {
    case 200:
      guard let type = answer.headers.first(name: "content-type"),
        let digest = answer.headers.first(name: Header.dockerContentDigest).flatMap({ try? Digest(parsing: $0) }),
        let size = answer.headers.first(name: "content-length").flatMap({ Int64($0) }), size > 0
      else { return nil }
      return Descriptor(mediaType: MediaType(Self.bareType(type)), digest: digest, size: size)
    default: return nil
    }
  }

  /// A manifest with its digest verified and its type known.
  func fetchManifest(
    _ name: Reference, _ reference: ManifestReference, expected: Descriptor? = nil, onRetry: RetryNotice?
  ) async throws -> FetchedManifest {
    let host = Host(name)
    let what = "manifest \(name.with(tag: reference.tag, digest: reference.digest).familiar)"
    var request = try await request(
      host, .manifest(name: name.path, reference: reference), scopes: [.pull(name.path)], what: what)
    request.headers.add(name: "accept", value: Self.accept)
    let fetch = request
    // The body is part of the attempt: a registry may hang up in the middle of it.
    let (answer, bytes) = try await transport.retrying(host: host.name, what: what, onRetry: onRetry) {
      let answer = try await self.transport.exchange(fetch)
      if let failure = await Transport.transient(answer) { throw failure }
      guard answer.status == 200 else { throw await self.transport.failure(answer, host: host, what: what) }
      guard let bytes = try await answer.collect(limit: Self.manifestLimit) else {
        throw RegistryClientError.tooLarge(host: host.name, what: what, limit: Int64(Self.manifestLimit))
      }
      return (answer, bytes)
    }
    let digest = try verify(bytes, reference, answer.headers, host: host, what: what)
    let type = try Self.mediaType(bytes, answer.headers, name: name)
    if let expected, expected.size != Int64(bytes.count) {
      throw RegistryClientError.sizeMismatch(
        host: host.name, what: what, expected: expected.size, actual: Int64(bytes.count))
    }
    return FetchedManifest(
      descriptor: Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count)), bytes: bytes)
  }

  private func verify(
    _ bytes: [UInt8], _ reference: ManifestReference, _ headers: HTTPHeaders, host: Host, what: String
  ) throws -> Digest {
    let announced = headers.first(name: Header.dockerContentDigest).flatMap { try? Digest(parsing: $0) }
    let expected = reference.digest ?? announced
    let actual = ContentStore.digest(of: bytes, expected?.algorithm ?? .sha256)
    if let expected, expected != actual {
      throw RegistryClientError.digestMismatch(host: host.name, what: what, expected: expected, actual: actual)
    }
    return actual
  }

  /// The fields that tell the kinds of manifests apart.
  private struct Shape: Decodable {
    var schemaVersion: Int?
    var mediaType: String?
    var config: Part?
    var layers: [Part]?
    var manifests: [Part]?
    struct Part: Decodable {}
  }

  /// The type that the content itself has; one that it only claims to have is an error. (image-spec, manifest.md,
  /// mediaType; GHSA-mc8v-mgrf-8f4m: a document must not be read as a manifest here and as an index there)
  static func mediaType(_ bytes: [UInt8], _ headers: HTTPHeaders, name: Reference) throws -> MediaType {
    let sent = headers.first(name: "content-type").map { bareType($0) } ?? ""
    guard let shape = try? JSONDecoder().decode(Shape.self, from: Data(bytes)) else {
      throw RegistryClientError.malformed(
        host: name.domain, what: "manifest \(name.familiar)", reason: "it is not the JSON of a manifest")
    }
    let known = MediaType(shape.mediaType ?? sent)
    guard shape.schemaVersion == 2 else {
      throw RegistryClientError.unsupportedManifest(
        name: name.familiar, mediaType: "schema version \(shape.schemaVersion.map(String.init) ?? "unknown") (\(sent))")
    }
    let isIndex = shape.manifests != nil
    let isManifest = shape.config != nil || shape.layers != nil
    guard isIndex != isManifest else {
      throw RegistryClientError.malformed(
        host: name.domain, what: "manifest \(name.familiar)",
        reason: "it must have either config and layers, or manifests")
    }
    guard known.isIndex || known.isManifest else {
      // Some registries send every manifest as plain JSON.
      guard shape.mediaType == nil, ["", "application/json", "text/plain"].contains(sent) else {
        throw RegistryClientError.unsupportedManifest(name: name.familiar, mediaType: known.rawValue)
      }
      return isIndex ? .index : .manifest
    }
    guard known.isIndex == isIndex else {
      throw RegistryClientError.malformed(
        host: name.domain, what: "manifest \(name.familiar)",
        reason: "its type is \(known) and its content is that of \(isIndex ? "an index" : "a manifest")")
    }
    return known
  }

  /// Without parameters: `application/json; charset=utf-8`.
  private static func bareType(_ header: String) -> String {
    String(header.prefix { $0 != ";" && $0 != " " })
  }

  // MARK: Platforms

  /// The manifest of an index that is for this platform: the closest variant first, then the first of the list.
  static func choose(_ platform: Platform, from index: Index, name: Reference) throws -> Descriptor {
    let images = index.manifests.filter { $0.mediaType.isManifest && $0.platform?.os != "unknown" }
    if let exact = images.first(where: { candidate in
      candidate.platform.map {
        $0.os == platform.os && $0.architecture == platform.architecture && $0.variant == platform.variant
      } ?? false
    }) {
      return exact
    }
    if let close = images.first(where: { $0.platform.map { platform.runs($0) } ?? false }) { return close }
    // An index of one image that does not say what it is for.
    if images.count == 1, images[0].platform == nil { return images[0] }
    throw RegistryClientError.wrongPlatform(
      name: name.familiar, wanted: platform, available: images.compactMap { $0.platform?.description })
  }

  func decode<Document: Decodable>(_ type: Document.Type, _ bytes: [UInt8], host: Host, what: String) throws -> Document
  {
    do {
      return try JSONDecoder().decode(type, from: Data(bytes))
    } catch {
      throw RegistryClientError.malformed(host: host.name, what: what, reason: Self.explain(error))
    }
  }

  private static func explain(_ error: any Error) -> String {
    func path(_ context: DecodingError.Context) -> String {
      context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context): "\(path(context)).\(key.stringValue) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(path(context)) has the wrong type"
    case DecodingError.dataCorrupted(let context): "\(path(context)): \(context.debugDescription)"
    default: "\(error)"
    }
  }
}
