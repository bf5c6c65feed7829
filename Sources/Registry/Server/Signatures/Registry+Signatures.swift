import Content
import DistributionSpec
import FoundationEssentials
public import ImageSpec
import Signatures

extension SettingKind {
  static let signaturePolicy = SettingKind("signature-policy")
}

/// A rule about signatures that an image does not meet.
public struct SignatureShortfall: Hashable, Sendable, CustomStringConvertible {
  /// The rule's name.
  public let policy: String
  public let mode: SignatureRule.Mode
  public let image: Digest
  /// How many of the rule's keys have signed, and how many must have.
  public let signed: Int
  public let required: Int

  public var description: String {
    "the signature policy \"\(policy)\" demands \(required) of its keys' signatures on \(image), which has \(signed); "
      + "sign it by its digest first"
  }
}

/// Which images must be signed, and whether they are.
extension Registry {
  /// The rules of this realm by name.
  public func signaturePolicies() throws -> [(name: String, rule: SignatureRule)] {
    try settings(.signaturePolicy, as: SignatureRule.self).map { ($0.name, $0.value) }
  }

  /// Rules of the server's configuration, beside those of each realm. They were checked.
  public func configureSignaturePolicies(_ policies: [(name: String, rule: SignatureRule)]) throws {
    let isChanged = signatures.configured.withLock { configured in
      guard !configured.elementsEqual(policies, by: { $0 == $1 }) else { return false }
      configured = policies
      return true
    }
    // What was found out under other rules is forgotten as after any change.
    if isChanged { cache.remove([], number: try metadata.write(Self.raiseChange)) }
  }

  /// All rules that hold in this realm.
  private func demandedSignatures() throws -> [(name: String, rule: SignatureRule)] {
    try signaturePolicies() + signatures.configured.withLock { $0 }
  }

  /// Throws `SignatureRuleError` where the rule is none.
  public func setSignaturePolicy(_ name: String, _ rule: SignatureRule) throws {
    _ = try rule.checked()
    try setSetting(.signaturePolicy, name, rule)
  }

  /// Returns false where there was none.
  public func removeSignaturePolicy(_ name: String) throws -> Bool { try removeSetting(.signaturePolicy, name) }

  /// What an image lacks of the signatures that its repository's rules demand at `stage`; nothing where it is as it
  /// should be, or there are no rules.
  ///
  /// An image may be vouched for by an index of the repository that lists it: signing an index signs what is in it.
  public func signatureShortfalls(
    _ image: Digest, tags: [String] = [], in name: String, at stage: SignatureRule.Stage
  ) throws -> [SignatureShortfall] {
    let number = try signatureNumber()
    let rules = try signatures.rules(of: realm, asOf: number) { try self.demandedSignatures() }
      .filter { $0.rule.stages.contains(stage) && $0.rule.covers(name) }
    guard !rules.isEmpty else { return [] }
    let key = SignatureVerdicts.Key(realm: realm, repository: name, image: image, tags: tags, stage: stage)
    if let known = signatures.verdict(key, asOf: number) { return known }
    let chain = try vouchers(for: image, in: name)
    let shortfalls = try rules.compactMap { try shortfall(image, chain, tags, name, $0, at: stage) }
    signatures.keep(shortfalls, key, asOf: number)
    return shortfalls
  }

  /// Throws `signatureRequired` where an image lacks what a rule demands that is to be enforced; returns what others find.
  public func enforceSignatures(
    _ image: Digest, _ manifest: [UInt8], tags: [String] = [], in name: String, at stage: SignatureRule.Stage
  ) throws -> [SignatureShortfall] {
    let shortfalls = try signatureShortfalls(image, tags: tags, in: name, at: stage)
    guard !shortfalls.isEmpty, !Self.needsNoSignature(manifest) else { return [] }
    if let enforced = shortfalls.first(where: { $0.mode == .enforce }) {
      throw RegistryError.signatureRequired(enforced)
    }
    return shortfalls
  }

  /// Signatures themselves, and artifacts that say something of an image. Nothing of it can be run, whatever it calls
  /// itself: else an image in an artifact's clothes would come past.
  static func needsNoSignature(_ bytes: [UInt8]) -> Bool {
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)) else { return false }
    if SignatureArtifact.isSignature(layers: manifest.layers) { return true }
    let isImage = manifest.config.mediaType == .config || manifest.config.mediaType == .dockerConfig
    return manifest.subject != nil && !isImage && !manifest.layers.contains { $0.mediaType.isLayer }
  }

  /// What verdicts are kept for: nil where the database does not tell that something changed, and nothing is kept.
  private func signatureNumber() throws -> Int64? { try keepsManifests ? changeNumber() : nil }

  /// Whether any rule could concern the repository: asked before each pull, and almost for nothing.
  func hasSignaturePolicies(for name: String) throws -> Bool {
    let number = try signatureNumber()
    return try signatures.rules(of: realm, asOf: number) { try self.demandedSignatures() }
      .contains { $0.rule.covers(name) }
  }

  /// The keys of all rules that are about a repository, by their names in these; each once.
  func signatureKeys(for name: String) throws -> [(name: String, key: VerificationKey)] {
    var found: [(name: String, key: VerificationKey)] = []
    let rules = try signatures.rules(of: realm, asOf: signatureNumber()) { try self.demandedSignatures() }
    for rule in rules where rule.rule.covers(name) {
      for (named, key) in zip(rule.rule.keys, rule.keys) where !found.contains(where: { $0.key == key }) {
        found.append((named.name, key))
      }
    }
    return found
  }

  /// By which of the keys of a repository's rules an image was signed, by each of the manifests that hold signatures of
  /// it: the keys' names, by the manifest's ID. At most `limit` of them are read.
  public func signers(
    of image: Digest, in name: String, holders: [StoredManifest], limit: Int
  ) throws -> [Int64: [String]] {
    let keys = try signatureKeys(for: name)
    let candidates = holders.filter {
      SignatureArtifact.artifactTypes.contains($0.artifactType ?? "")
        || $0.tags.contains(SignatureArtifact.tag(of: image))
    }
    var found: [Int64: [String]] = [:]
    for holder in candidates.prefix(limit) {
      let signers = try signatures.signers(holder.digest, image, keys.map(\.key)) {
        try self.readSignatures(holder, in: name)
      }
      // A bundle may say other things of an image than that it is signed.
      if signers.isEmpty, try readSignatures(holder, in: name).isEmpty { continue }
      found[holder.id] = keys.filter { signers.contains($0.key) }.map(\.name)
    }
    return found
  }

  private func shortfall(
    _ image: Digest, _ chain: [StoredManifest], _ tags: [String], _ name: String,
    _ policy: SignatureVerdicts.CheckedRule, at stage: SignatureRule.Stage
  ) throws -> SignatureShortfall? {
    // What is pushed counts by the tags that it is about to get; what is pulled, by those that lead to it.
    let leading = stage == .push ? tags : tags + chain.flatMap(\.tags)
    if stage == .push
      ? !tags.isEmpty && tags.allSatisfy(policy.rule.exempts) : leading.contains(where: policy.rule.exempts)
    {
      return nil
    }
    var best = 0
    for digest in [image] + chain.map(\.digest) where best < policy.rule.required {
      best = max(best, try signers(of: digest, in: name, policy.keys).count)
    }
    guard best < policy.rule.required else { return nil }
    return SignatureShortfall(
      policy: policy.name, mode: policy.rule.mode, image: image, signed: best, required: policy.rule.required)
  }

  /// The image as the repository has it, and the indexes that list it, and those that list these, at most 32 in all.
  private func vouchers(for image: Digest, in name: String) throws -> [StoredManifest] {
    var chain: [StoredManifest] = try manifests([.digest(image)], in: name).compactMap { $0 }
    var next = 0
    while next < chain.count, chain.count < 32 {
      for parent in try parents(of: chain[next].digest, in: name) where !chain.contains(where: { $0.id == parent.id }) {
        chain.append(parent)
      }
      next += 1
    }
    return chain
  }

  /// Which of the keys have signed the image, by the signatures that its repository has.
  private func signers(of image: Digest, in name: String, _ keys: [VerificationKey]) throws -> Set<VerificationKey> {
    var signers = Set<VerificationKey>()
    for holder in try signatureHolders(of: image, in: name) where signers.count < keys.count {
      let unknown = keys.filter { !signers.contains($0) }
      // What a signature says never changes; whether it is here does.
      signers.formUnion(
        try signatures.signers(holder.digest, image, unknown) { try self.readSignatures(holder, in: name) })
    }
    return signers
  }

  /// The manifests of the repository that may hold signatures of an image: the newest ones first, of referrers.
  private func signatureHolders(of image: Digest, in name: String) throws -> [StoredManifest] {
    var holders = try manifests([.tag(SignatureArtifact.tag(of: image))], in: name).compactMap { $0 }
    for type in SignatureArtifact.artifactTypes {
      holders += try referrers(of: image, artifactType: type, in: name, limit: 64)
    }
    return holders
  }

  private func readSignatures(_ holder: StoredManifest, in name: String) throws -> [ImageSignature] {
    guard holder.mediaType.isManifest, holder.size <= 1 << 20 else { return [] }
    let bytes = try storage.read(holder.digest, limit: 1 << 20)
    guard let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)) else { return [] }
    return try SignatureArtifact.signatures(in: manifest) { layer in
      guard try blob(layer.digest, in: name) != nil else { return nil }
      return try storage.read(layer.digest, limit: ImageSignature.sizeLimit)
    }
  }
}
