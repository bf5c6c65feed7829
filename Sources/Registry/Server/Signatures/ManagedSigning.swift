import Content
import FoundationEssentials
public import ImageSpec
import Metadata
public import Signatures

/// Signs what is pushed, with keys that the registry keeps. (Amazon ECR, Managed signing)
///
/// A push owes the signature in its own transaction, as a job. The signature is a sigstore bundle that refers to the
/// image: cosign, policies and `clipper image verify` read it with the public key.
public final class ManagedSigning: Sendable {
  struct Task: Codable, Hashable, Sendable {
    let realm: Realm
    let repository: String
    let digest: String
    let profile: String
  }

  private static let job = "sign"
  private static let origin = Origin(principal: "signing")
  private let main: Registry

  init(_ registry: Registry) {
    main = registry.at(.main)
    main.events.recordWithin([.push]) { [weak self] event, session in
      guard let main = self?.main, let digest = event.digest, event.origin != Self.origin else { return }
      let rules = try main.at(event.realm).setting(session, .signing, as: SigningRules.self)?.rules ?? []
      for profile in Set(rules.filter { $0.covers(event.repository) }.map(\.profile)).sorted() {
        let task = Task(realm: event.realm, repository: event.repository, digest: digest, profile: profile)
        // One a digest: more tags are no more to sign.
        guard try Self.begin(session, task) else { continue }
        try main.jobs.enqueue(Self.job, task, in: session)
      }
    }
    main.events.recordWithin([.delete]) { event, session in
      guard event.tag == nil, let digest = event.digest else { return }
      try session.execute(
        "DELETE FROM registry_signing WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4",
        [event.realm.account, event.realm.region, event.repository, digest])
    }
    main.jobs.register(Self.job) { [weak self] payload in
      try self?.perform(try JSONDecoder().decode(Task.self, from: Data(payload.utf8)))
    }
  }

  private func perform(_ task: Task) throws {
    let registry = main.at(task.realm)
    do {
      let digest = try Digest(parsing: task.digest)
      try registry.sign(digest, in: task.repository, with: task.profile, by: Self.origin)
      try main.metadata.write { try Self.note($0, task, "COMPLETE", nil) }
    } catch RegistryError.manifestUnknown, RegistryError.repositoryUnknown {
      // Deleted before its turn came.
      try main.metadata.write { try Self.forget($0, task) }
    } catch {
      try main.metadata.write { try Self.note($0, task, "FAILED", String("\(error)".prefix(1000))) }
      throw error
    }
  }

  // MARK: the table

  /// How far the signatures of each image are.
  static let schema = [
    """
    CREATE TABLE registry_signing (
      account TEXT NOT NULL, region TEXT NOT NULL, repository TEXT NOT NULL, digest TEXT NOT NULL, profile TEXT NOT NULL,
      status TEXT NOT NULL, failure TEXT,
      PRIMARY KEY (account, region, repository, digest, profile)
    );
    """
  ]

  private static func key(_ task: Task) -> [any SQLConvertible] {
    [task.realm.account, task.realm.region, task.repository, task.digest, task.profile]
  }

  /// False where the image is signed already, or about to be.
  private static func begin(_ session: any SQLSession, _ task: Task) throws -> Bool {
    try session.execute(
      """
      INSERT INTO registry_signing (account, region, repository, digest, profile, status)
      VALUES (?1, ?2, ?3, ?4, ?5, 'IN_PROGRESS') ON CONFLICT DO NOTHING
      """, key(task)) > 0
  }

  private static func note(
    _ session: any SQLSession, _ task: Task, _ status: String, _ failure: String?
  ) throws {
    try session.execute(
      """
      UPDATE registry_signing SET status = ?6, failure = ?7
      WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4 AND profile = ?5
      """, key(task) + [status, failure])
  }

  private static func forget(_ session: any SQLSession, _ task: Task) throws {
    try session.execute(
      """
      DELETE FROM registry_signing
      WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4 AND profile = ?5
      """, key(task))
  }
}

/// Which repositories' images are signed with which profile's key.
public struct SigningRules: Hashable, Sendable, Codable {
  public struct Rule: Hashable, Sendable, Codable {
    /// The key's name: the last part of a signing profile's ARN.
    public let profile: String
    /// Patterns of names with `*`; empty for all repositories.
    public let repositories: [String]

    public init(profile: String, repositories: [String]) {
      self.profile = profile
      self.repositories = repositories
    }

    public func covers(_ repository: String) -> Bool {
      repositories.isEmpty
        || repositories.contains { TagMutability.matches(Array(repository.utf8), pattern: Array($0.utf8)) }
    }
  }

  public let rules: [Rule]

  public init(rules: [Rule]) { self.rules = rules }
}

/// How far a signature that was owed is.
public struct SigningStatus: Hashable, Sendable {
  public let profile: String
  /// `IN_PROGRESS`, `COMPLETE` or `FAILED`.
  public let status: String
  public let failure: String?
}

extension SettingKind {
  static let signing = SettingKind("signing")
  static let signingKey = SettingKind("signing-key")
}

extension Registry {
  private struct StoredKey: Codable { let pem: String }

  // MARK: keys

  /// Makes a key; throws `SigningError.keyExists` where there is one of that name.
  public func createSigningKey(_ name: String) throws -> SigningKey {
    guard (2...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isProfileByte) else {
      throw SigningError.nameMalformed(name)
    }
    guard try signingKey(name) == nil else { throw SigningError.keyExists(name) }
    let key = SigningKey()
    try setSetting(.signingKey, name, StoredKey(pem: key.pem))
    return key
  }

  /// nil where there is none of that name.
  public func signingKey(_ name: String) throws -> SigningKey? {
    try setting(.signingKey, name, as: StoredKey.self).map { try SigningKey(pem: $0.pem) }
  }

  public func signingKeys() throws -> [(name: String, key: SigningKey)] {
    try settings(.signingKey, as: StoredKey.self).map { ($0.name, try SigningKey(pem: $0.value.pem)) }
  }

  /// Returns false where there was none.
  public func removeSigningKey(_ name: String) throws -> Bool {
    if try signingRules()?.rules.contains(where: { $0.profile == name }) == true { throw SigningError.keyInUse(name) }
    return try removeSetting(.signingKey, name)
  }

  private static func isProfileByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  // MARK: rules

  /// nil where none were set.
  public func signingRules() throws -> SigningRules? { try setting(.signing, as: SigningRules.self) }
  public func setSigningRules(_ rules: SigningRules) throws { try setSetting(.signing, "", rules) }
  /// Returns false where none were set.
  public func removeSigningRules() throws -> Bool { try removeSetting(.signing) }

  public func signingStatuses(of image: Digest, in name: String) throws -> [SigningStatus] {
    try metadata.read { session in
      try session.rows(
        """
        SELECT profile, status, failure FROM registry_signing
        WHERE account = ?1 AND region = ?2 AND repository = ?3 AND digest = ?4 ORDER BY profile
        """, [realm.account, realm.region, name, image.description]
      ).map { SigningStatus(profile: try $0["profile"], status: try $0["status"], failure: try $0["failure"]) }
    }
  }

  // MARK: signing

  /// Signs an image with a key of the registry's; what is a signature itself is left as it is.
  func sign(_ image: Digest, in name: String, with profile: String, by origin: Origin) throws {
    let stored = try storedManifest(.digest(image), in: name)
    let bytes = try storage.read(image, limit: ManifestDocument.sizeLimit)
    guard !Self.needsNoSignature(bytes) else { return }
    guard let key = try signingKey(profile) else { throw SigningError.keyUnknown(profile) }
    let bundle = try key.bundle(for: image)
    let empty = Array("{}".utf8)
    for blob in [bundle, empty] {
      let digest = ContentStore.digest(of: blob)
      try storage.keeping {
        try storage.write(blob, digest)
        try linkBlob(digest, size: Int64(blob.count), in: name)
      }
    }
    let manifest = Manifest(
      artifactType: SignatureArtifact.bundleType,
      config: Descriptor(mediaType: .empty, digest: ContentStore.digest(of: empty), size: 2),
      layers: [
        Descriptor(
          mediaType: MediaType(SignatureArtifact.bundleType), digest: ContentStore.digest(of: bundle),
          size: Int64(bundle.count))
      ],
      subject: Descriptor(mediaType: stored.mediaType, digest: image, size: stored.size),
      annotations: [
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": SignatureArtifact.predicateType,
        "org.opencontainers.image.created": Date().formatted(.iso8601),
      ])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    _ = try putManifest(
      Array(try encoder.encode(manifest)), contentType: .manifest, in: name, tags: [], by: origin)
  }
}

public enum SigningError: Error, Hashable, Sendable, CustomStringConvertible {
  case nameMalformed(String)
  case keyExists(String)
  case keyUnknown(String)
  case keyInUse(String)

  public var description: String {
    switch self {
    case .nameMalformed(let name):
      "a signing key's name has 2 to 64 letters, digits and underscores, unlike \"\(name.prefix(80))\""
    case .keyExists(let name): "there is a signing key \"\(name)\" already"
    case .keyUnknown(let name):
      "this registry has no signing key \"\(name.prefix(80))\"; clipper registry signing-key create makes one"
    case .keyInUse(let name): "the signing configuration uses the key \"\(name)\""
    }
  }
}
