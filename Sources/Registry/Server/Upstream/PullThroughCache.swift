public import DistributionSpec
import FoundationEssentials
public import ImageSpec
public import Logging
import NIOPosix
public import RegistryClient
import Synchronization

/// Fills repositories that a cache rule covers from the rule's upstream, as they are pulled.
///
/// A tag is looked for there at most once in `freshness`; while the upstream does not answer, what is here is good enough.
/// A manifest that was fetched is stored before the blobs that it names: these come when they are asked for, and go to all
/// who wait for them while they are written.
public final class PullThroughCache: Sendable {
  private let hosts: UpstreamHosts
  private let secrets: UpstreamSecretFile
  private let client: RegistryClient
  /// Milliseconds.
  private let freshness: Int64
  private let rules = CacheRuleTable()
  private let logger: Logger
  /// For what waits for a disk.
  private let threads = NIOThreadPool(numberOfThreads: 2)
  private let tokens = Mutex<[AWSAccessKey: Token]>([:])
  private let arriving = Mutex<[Key: ArrivingBlob]>([:])
  private let resolving = Mutex<[Question: SharedResult<Void>]>([:])
  private let readOnly = Mutex<(@Sendable () throws -> ReadOnlyRefusal?)?>(nil)
  private let work: AsyncStream<@Sendable () async -> Void>
  private let queue: AsyncStream<@Sendable () async -> Void>.Continuation

  private struct Key: Hashable {
    let realm: Realm
    let repository: String
    let digest: Digest
  }

  /// What an upstream is asked.
  private struct Question: Hashable {
    enum Subject: Hashable {
      case manifest(ManifestReference)
      case referrers(Digest)
    }

    let realm: Realm
    let repository: String
    let subject: Subject
  }

  public static let defaultFreshness: Int64 = 24 * 3_600_000
  /// Milliseconds that an upstream which failed is left alone, where there is a cached image.
  static let pause: Int64 = 60_000

  /// `client` is over the registry's own store. `freshness` is in milliseconds.
  public init(
    _ client: RegistryClient, hosts: UpstreamHosts, secrets: UpstreamSecretFile,
    freshness: Int64 = PullThroughCache.defaultFreshness, logger: Logger
  ) {
    self.client = client
    self.hosts = hosts
    self.secrets = secrets
    self.freshness = freshness
    self.logger = logger
    (work, queue) = AsyncStream.makeStream()
    threads.start()
  }

  /// Says why nothing may be fetched now; nil where it may. What is here is served meanwhile, however old it is. Called
  /// before the server begins.
  func hold(while readOnly: @escaping @Sendable () throws -> ReadOnlyRefusal?) {
    self.readOnly.withLock { $0 = readOnly }
  }

  private func readOnlyRefusal() throws -> ReadOnlyRefusal? { try readOnly.withLock { $0 }?() }

  deinit { threads.shutdownGracefully { _ in } }

  /// Downloads what requests ask for, until its task is cancelled: a download goes on when the client that began it leaves.
  public func run() async {
    await withDiscardingTaskGroup { group in
      for await job in work { group.addTask { await job() } }
    }
  }

  // MARK: rules

  /// Where a host of a rule is reached; nil where rules may not name it.
  public func address(_ host: String) -> String? { hosts.address(host) }

  /// Throws `UpstreamSecretError`, or what is wrong with the file of secrets.
  public func checkSecret(_ name: String) throws { _ = try secrets.credential(name) }

  /// Why the upstream of a rule cannot be used now; nil where it can.
  public func failure(of rule: CacheRule) async -> String? {
    do {
      let upstream = try await upstream(rule)
      if let credential = upstream.credential {
        try await client.login(host: upstream.host, credential: credential)
      } else {
        try await client.probe(host: upstream.host)
      }
      return nil
    } catch {
      return "\(error)"
    }
  }

  private struct Upstream {
    let client: RegistryClient
    let host: String
    let credential: Credential?
  }

  private func upstream(_ rule: CacheRule) async throws -> Upstream {
    guard let address = hosts.address(rule.upstream) else { throw UpstreamError.notAllowed(rule.upstream) }
    var credential = try rule.credential.map { try secrets.credential($0) }
    if let given = credential, rule.kind == "ecr", let realm = RealmTable.names(inHost: rule.upstream),
      case .password(let secret) = given.secret, let key = AWSAccessKey(id: given.username, secret: secret)
    {
      // Where the registry is reached elsewhere, so is its interface.
      let api = address == rule.upstream ? "api.ecr.\(realm.region).amazonaws.com" : address
      credential = try await signIn(key, api: api, region: realm.region)
    }
    return Upstream(
      client: credential.map { client.using([address: $0]) } ?? client, host: address, credential: credential)
  }

  /// Whether a rule covers a repository.
  func covers(_ name: String, of registry: Registry) throws -> Bool {
    try rules.find(name, in: registry) != nil
  }

  /// A token of Amazon ECR's, which holds for hours, for an access key.
  private func signIn(_ key: AWSAccessKey, api: String, region: String) async throws -> Credential {
    let known = tokens.withLock { $0[key] }
    if let known, known.api == api, known.expires > Registry.now / 1000 + 600 { return known.credential }
    let token = try await client.ecrSignIn(api: api, region: region, key: key)
    tokens.withLock { $0[key] = Token(api: api, credential: token.credential, expires: token.expires) }
    return token.credential
  }

  private struct Token: Sendable {
    let api: String
    let credential: Credential
    /// Seconds since 1970.
    let expires: Int64
  }

  // MARK: manifests

  /// Sees to it that the repository has what the upstream has under a reference, where a rule covers it. Returns false
  /// where none does. Throws `UpstreamError` where nothing can be had, and nothing is here.
  @discardableResult
  public func prepare(_ reference: ManifestReference, in name: String, of registry: Registry) async throws -> Bool {
    guard let rule = try rules.find(name, in: registry), let path = rule.upstreamName(name) else { return false }
    if try isFresh(reference, name, registry) { return true }
    if let refusal = try readOnlyRefusal() {
      guard try registry.manifestExists(reference, in: name) else { throw UpstreamError.readOnly(refusal) }
      return true
    }
    do {
      try await once(Question(realm: registry.realm, repository: name, subject: .manifest(reference))) {
        try await self.fetch(reference, name, path, rule, registry)
      }
    } catch {
      guard let tag = reference.tag, (try? registry.storedManifest(reference, in: name)) != nil else {
        throw UpstreamError(error, rule.upstream)
      }
      // What is here is better than nothing; the upstream is left alone for a while.
      logger.notice(
        "a cached image is served: its upstream gave none",
        metadata: ["upstream": "\(rule.upstream)", "error": "\(error)"])
      try registry.noteCachedTag(tag, in: name, at: Registry.now - freshness + Self.pause)
    }
    return true
  }

  /// One look at the upstream for all who ask the same at once. It goes on when they leave.
  private func once(_ question: Question, _ work: @escaping @Sendable () async throws -> Void) async throws {
    let shared = resolving.withLock { resolving -> SharedResult<Void> in
      if let known = resolving[question] { return known }
      let shared = SharedResult<Void>()
      resolving[question] = shared
      queue.yield {
        let result: Result<Void, any Error>
        do {
          try await work()
          result = .success(())
        } catch { result = .failure(error) }
        _ = self.resolving.withLock { $0.removeValue(forKey: question) }
        shared.finish(result)
      }
      return shared
    }
    try await shared.value()
  }

  /// A digest is what it is; a tag is believed for a while.
  private func isFresh(_ reference: ManifestReference, _ name: String, _ registry: Registry) throws -> Bool {
    switch reference {
    case .digest: return try registry.manifestExists(reference, in: name)
    case .tag(let tag):
      guard let checked = try registry.cachedTagChecked(tag, in: name) else { return false }
      return checked > Registry.now - freshness
    }
  }

  private func fetch(
    _ reference: ManifestReference, _ name: String, _ path: String, _ rule: CacheRule, _ registry: Registry
  ) async throws {
    let upstream = try await upstream(rule)
    let source = Reference(domain: upstream.host, path: path, tag: reference.tag, digest: reference.digest)
    if let tag = reference.tag, let known = try? registry.storedManifest(reference, in: name) {
      // A HEAD request costs nothing of a registry's limit of pulls.
      if try await upstream.client.resolve(source).digest == known.digest {
        try registry.noteCachedTag(tag, in: name, at: Registry.now)
        return
      }
    }
    let manifest = try await upstream.client.manifest(source)
    try await threads.runIfActive {
      _ = try registry.makeRepository(name, for: .pullThroughCache)
      try registry.putCachedManifest(
        manifest.bytes, mediaType: manifest.descriptor.mediaType, digest: manifest.descriptor.digest, in: name,
        tag: reference.tag)
    }
  }

  // MARK: referrers

  /// Most referrers of an image that are fetched.
  private static let referrersLimit = 256

  /// Sees to it that the repository has what the upstream lists as referring to an image (signatures, bills of materials),
  /// where a rule covers it. The list is looked at once in `freshness`; one that was empty again after a minute, since an
  /// image is signed after it is pushed. Throws `UpstreamError` where it cannot be had, and never could.
  public func prepareReferrers(of subject: Digest, in name: String, of registry: Registry) async throws {
    guard let rule = try rules.find(name, in: registry), let path = rule.upstreamName(name) else { return }
    let checked = try registry.cachedReferrersChecked(subject, in: name)
    if let checked, checked > Registry.now - freshness { return }
    if let refusal = try readOnlyRefusal() {
      guard checked != nil else { throw UpstreamError.readOnly(refusal) }
      return
    }
    do {
      try await once(Question(realm: registry.realm, repository: name, subject: .referrers(subject))) {
        try await self.fetchReferrers(of: subject, name, path, rule, registry)
      }
    } catch {
      guard checked != nil else { throw UpstreamError(error, rule.upstream) }
      logger.notice(
        "an image's referrers are answered as they were: its upstream gave none",
        metadata: ["upstream": "\(rule.upstream)", "error": "\(error)"])
      try registry.noteCachedReferrers(subject, in: name, at: Registry.now - freshness + Self.pause)
    }
  }

  private func fetchReferrers(
    of subject: Digest, _ name: String, _ path: String, _ rule: CacheRule, _ registry: Registry
  ) async throws {
    let upstream = try await upstream(rule)
    let source = Reference(domain: upstream.host, path: path)
    let listed = try await upstream.client.referrers(of: subject, in: source, limit: Self.referrersLimit)
    for referrer in listed where referrer.mediaType.isManifest || referrer.mediaType.isIndex {
      if try registry.manifestExists(.digest(referrer.digest), in: name) { continue }
      let manifest = try await upstream.client.manifest(source.with(tag: nil, digest: referrer.digest))
      try await threads.runIfActive {
        _ = try registry.makeRepository(name, for: .pullThroughCache)
        try registry.putCachedManifest(
          manifest.bytes, mediaType: manifest.descriptor.mediaType, digest: referrer.digest, in: name, tag: nil)
      }
    }
    try registry.noteCachedReferrers(
      subject, in: name, at: listed.isEmpty ? Registry.now - freshness + Self.pause : Registry.now)
  }

  // MARK: blobs

  /// A blob that the upstream has and the repository lacks: its size, from a manifest that is here. nil where no rule
  /// covers the repository, or no manifest of it names the blob.
  public func known(_ digest: Digest, in name: String, of registry: Registry) throws -> Descriptor? {
    guard try rules.find(name, in: registry) != nil else { return nil }
    return try registry.descriptor(of: digest, in: name)
  }

  /// The download of a blob, begun now where there is none. Throws `UpstreamError` where the registry is read-only.
  func fetch(_ blob: Descriptor, in name: String, of registry: Registry) throws -> ArrivingBlob {
    if let refusal = try readOnlyRefusal() { throw UpstreamError.readOnly(refusal) }
    let key = Key(realm: registry.realm, repository: name, digest: blob.digest)
    return arriving.withLock { arriving in
      if let known = arriving[key] { return known }
      let made = ArrivingBlob(blob, in: registry.store)
      arriving[key] = made
      queue.yield {
        let result: Result<Void, any Error>
        do {
          try await self.download(made, name, registry)
          result = .success(())
        } catch {
          self.logger.warning(
            "a blob of an upstream failed", metadata: ["blob": "\(blob.digest)", "error": "\(error)"])
          result = .failure(error)
        }
        _ = self.arriving.withLock { $0.removeValue(forKey: key) }
        made.finish(result)
      }
      return made
    }
  }

  private func download(_ arriving: ArrivingBlob, _ name: String, _ registry: Registry) async throws {
    guard let rule = try rules.find(name, in: registry), let path = rule.upstreamName(name) else {
      throw RegistryError.blobUnknown(arriving.blob.digest, repository: name)
    }
    let upstream = try await upstream(rule)
    // From the download to the link no collection takes it.
    let lease = try registry.store.lease()
    defer { lease.release() }
    do {
      try await upstream.client.fetch(
        arriving.blob, from: Reference(domain: upstream.host, path: path)
      ) { event in
        if case .advanced(_, let bytes, _) = event { arriving.advance(to: bytes) }
      }
    } catch { throw UpstreamError(error, rule.upstream) }
    try await threads.runIfActive {
      try registry.linkFetchedBlob(arriving.blob, in: name)
    }
  }
}
