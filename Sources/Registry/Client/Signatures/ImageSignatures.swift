internal import Content
internal import DistributionSpec
internal import FoundationEssentials
public import ImageSpec
public import Signatures

extension RegistryClient {
  /// The signatures that an image's repository has of it, in each form that cosign writes.
  public func signatures(of image: Digest, in name: Reference) async throws -> [ImageSignature] {
    var found: [ImageSignature] = []
    for holder in try await signatureHolders(of: image, in: name) {
      let manifest = try decode(Manifest.self, holder.bytes, host: Host(name), what: "signatures of \(image)")
      var contents: [Digest: [UInt8]] = [:]
      for layer in manifest.layers.prefix(64) where layer.size <= Int64(ImageSignature.sizeLimit) {
        contents[layer.digest] = try await smallBlob(layer, in: name)
      }
      found += SignatureArtifact.signatures(in: manifest) { contents[$0.digest] }
    }
    return found
  }

  private func signatureHolders(of image: Digest, in name: Reference) async throws -> [FetchedManifest] {
    var holders: [FetchedManifest] = []
    do {
      holders.append(try await fetchManifest(name, .tag(SignatureArtifact.tag(of: image)), onRetry: nil))
    } catch RegistryClientError.notFound {}
    for referrer in try await referrers(of: image, in: name, limit: 64)
    where SignatureArtifact.artifactTypes.contains(referrer.artifactType ?? "") && referrer.size <= 1 << 20 {
      holders.append(
        try await fetchManifest(name, .digest(referrer.digest), expected: referrer, onRetry: nil))
    }
    return holders
  }

  private func smallBlob(_ descriptor: Descriptor, in name: Reference) async throws -> [UInt8] {
    let host = Host(name)
    let what = "blob \(descriptor.digest.short) of \(name.familiar)"
    let request = try await request(
      host, .blob(name: name.path, digest: descriptor.digest), scopes: [.pull(name.path)], what: what)
    let answer = try await transport.send(request)
    guard answer.status == 200 else { throw await transport.failure(answer, host: host, what: what) }
    guard let bytes = try await answer.collect(limit: ImageSignature.sizeLimit) else {
      throw RegistryClientError.tooLarge(host: host.name, what: what, limit: Int64(ImageSignature.sizeLimit))
    }
    let actual = ContentStore.digest(of: bytes, descriptor.digest.algorithm)
    guard actual == descriptor.digest else {
      throw RegistryClientError.digestMismatch(
        host: host.name, what: what, expected: descriptor.digest, actual: actual)
    }
    return bytes
  }
}
