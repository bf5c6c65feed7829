public import ImageSpec

/// How signatures of an image are kept in its repository. (sigstore/cosign, SIGNATURE_SPEC; distribution-spec, Referrers)
public enum SignatureArtifact {
  static let bundlePrefix = "application/vnd.dev.sigstore.bundle"
  /// What a bundle is called as a layer and as an artifact.
  public static let bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
  public static let predicateType = "https://sigstore.dev/cosign/sign/v1"
  static let simpleSigning: MediaType = MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
  static let signatureAnnotation = "dev.cosignproject.cosign/signature"

  /// Artifact types of referrers that are signatures.
  public static let artifactTypes = [
    bundleType, "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2", "application/vnd.dev.cosign.artifact.sig.v1+json",
  ]

  /// The tag that has an image's signatures in cosign's first form.
  public static func tag(of image: Digest) -> String { "\(image.algorithm.rawValue)-\(image.hex).sig" }

  /// Whether a manifest holds signatures and nothing that could be run: it may come without a signature of its own.
  public static func isSignature(layers: [Descriptor]) -> Bool {
    !layers.isEmpty
      && layers.allSatisfy { $0.mediaType == simpleSigning || $0.mediaType.rawValue.hasPrefix(bundlePrefix) }
  }

  /// The signatures that a manifest holds; those that cannot be read are left out.
  ///
  /// - Parameter content: the bytes of a layer; nil where it is not there. Called for small layers alone.
  public static func signatures(
    in manifest: Manifest, content: (Descriptor) throws -> [UInt8]?
  ) rethrows -> [ImageSignature] {
    var found: [ImageSignature] = []
    for layer in manifest.layers.prefix(64) where layer.size <= Int64(ImageSignature.sizeLimit) {
      if layer.mediaType == simpleSigning {
        guard let signature = layer.annotations?[signatureAnnotation], let payload = try content(layer) else {
          continue
        }
        if let read = try? ImageSignature(payload: payload, base64: signature) { found.append(read) }
      } else if layer.mediaType.rawValue.hasPrefix(bundlePrefix) {
        guard let bundle = try content(layer) else { continue }
        found += (try? ImageSignature.signatures(bundle: bundle)) ?? []
      }
    }
    return found
  }
}
