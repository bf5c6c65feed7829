import Content
import DistributionSpec
import Glibc
import ImageSpec
import Kernel
import Logging
import Metadata
import NIOCore
import PostgresMetadata
import SystemPackage
import TestDirectories
import TestServices
import Testing

@testable import RegistryServer
@testable import S3Storage

/// A database and a bucket, and the replicas that share them.
final class Cluster: Sendable {
  private let databaseURL: String
  private let bucketURL: String
  private let environment: [String: String]
  private let root: FilePath

  init(_ kind: ObjectStorage.Kind, settings: String = "") throws {
    let storage = try #require(try ObjectStorage.shared(kind))
    environment = storage.environment
    bucketURL = try storage.makeBucket { try S3Client.makeBucket($0, $1) } + settings
    databaseURL = try #require(try PostgresServer.shared()).makeDatabase()
    root = try makeTestDirectory("cluster-test")
  }

  deinit {
    try? PostgresServer.shared()?.drop(databaseURL)
    try? removeTree(root)
  }

  func metadata() throws -> PostgresMetadata {
    try PostgresMetadata(
      url: databaseURL, connections: 4, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
  }

  func storage(_ metadata: any MetadataDatabase) throws -> SharedStorage {
    let scratch = try ContentStore.open(root.appending("\(UInt64.random(in: 0 ... .max))"), longLived: true, readers: 2)
    return try SharedStorage(
      S3Client(S3Location(parsing: bucketURL), environment: environment), metadata, scratch: scratch)
  }

  func replica() throws -> Replica { try Replica(self) }

  /// One server of the registry, whose blobs and tables are elsewhere.
  final class Replica: Sendable {
    let registry: Registry
    let storage: SharedStorage
    let uploads: Uploads
    /// With it goes the database.
    private let cluster: Cluster

    init(_ cluster: Cluster) throws {
      self.cluster = cluster
      let metadata = try cluster.metadata()
      storage = try cluster.storage(metadata)
      let store = try ContentStore.open(
        cluster.root.appending("\(UInt64.random(in: 0 ... .max))"), longLived: true, readers: 2)
      registry = try Registry(store, metadata: metadata, storage: storage)
      uploads = Uploads(registry)
    }

    func append(_ bytes: [UInt8], to id: String, in name: String = "app") throws {
      let writer = try uploads.open(id, in: name, of: registry)
      try writer.append([ByteBuffer(bytes: bytes)])
      try writer.release()
    }

    func offset(of id: String) throws -> Int64 { try uploads.received(by: id, in: "app", of: registry) }

    @discardableResult
    func push(_ bytes: [UInt8], to name: String = "app") throws -> Digest {
      let id = try uploads.begin(in: name, of: registry)
      try append(bytes, to: id, in: name)
      let digest = ContentStore.digest(of: bytes)
      _ = try uploads.complete(id, expecting: digest, in: name, of: registry)
      return digest
    }

    func objects() throws -> Int {
      try registry.metadata.read { try $0.value(Int.self, "SELECT COUNT(*) FROM registry_content") ?? 0 }
    }
  }
}

@Suite(.enabled(if: PostgresServer.isInstalled)) struct SharedStorageTests {
  private static func bytes(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed }
  }

  /// Each request of an upload goes to another replica, as a load balancer may have it.
  @Test(arguments: ObjectStorage.installed, [10, 6 << 20])
  func anUploadGoesOnAtAnotherReplica(_ kind: ObjectStorage.Kind, _ chunk: Int) async throws {
    let cluster = try Cluster(kind)
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let chunks = (1...3).map { Self.bytes(chunk, seed: UInt8($0)) }
    let whole = chunks.flatMap { $0 }
    let id = try a.uploads.begin(in: "app", of: a.registry)
    try a.append(chunks[0], to: id)
    #expect(try b.offset(of: id) == Int64(chunk))
    try b.append(chunks[1], to: id)
    try a.append(chunks[2], to: id)
    let digest = ContentStore.digest(of: whole)
    #expect(try b.uploads.complete(id, expecting: digest, in: "app", of: b.registry) == Int64(whole.count))
    #expect(throws: RegistryError.uploadUnknown(id)) { try a.offset(of: id) }
    #expect(try a.registry.blob(digest, in: "app")?.size == Int64(whole.count))
    var read: [UInt8] = []
    let file = try a.storage.open(digest)
    try await #require(file.remote).send(1..<Int64(whole.count)) { read += $0.readableBytesView }
    #expect(read == Array(whole.dropFirst()))
    // Nothing of the upload is left once it is collected.
    _ = try a.storage.collect(dryRun: false, grace: 0)
    #expect(try a.registry.metadata.read { try $0.value(Int.self, "SELECT COUNT(*) FROM registry_ingest") } == 0)
    #expect(try a.registry.metadata.read { try $0.value(Int.self, "SELECT COUNT(*) FROM registry_garbage") } == 0)
    #expect(try b.storage.read(digest, limit: 32 << 20) == whole)
  }

  @Test(arguments: ObjectStorage.installed) func manifestsAreReadByEveryReplica(_ kind: ObjectStorage.Kind) throws {
    let cluster = try Cluster(kind)
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let first = Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.index.rawValue)","manifests":[]}"#.utf8)
    let second = Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.index.rawValue)","manifests":[] }"#.utf8)
    _ = try a.registry.putManifest(first, contentType: nil, in: "app", tags: ["1"])
    #expect(try b.registry.manifest(.tag("1"), in: "app").bytes == first)
    // A tag that moved at one replica has moved at all of them.
    _ = try b.registry.putManifest(second, contentType: nil, in: "app", tags: ["1"])
    #expect(try a.registry.manifest(.tag("1"), in: "app").bytes == second)
    try a.registry.deleteTag("1", in: "app")
    #expect(throws: RegistryError.self) { try b.registry.manifest(.tag("1"), in: "app") }
  }

  @Test(arguments: ObjectStorage.installed) func otherBytesThanAnnouncedAreNotKept(_ kind: ObjectStorage.Kind) throws {
    let cluster = try Cluster(kind)
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let wrong = ContentStore.digest(of: [1, 2, 3])
    for size in [10, 9 << 20] {
      let id = try a.uploads.begin(in: "app", of: a.registry)
      try a.append(Self.bytes(size), to: id)
      #expect(throws: RegistryError.self) { try b.uploads.complete(id, expecting: wrong, in: "app", of: b.registry) }
      #expect(throws: RegistryError.uploadUnknown(id)) { try b.offset(of: id) }
    }
    #expect(try a.registry.blob(wrong, in: "app") == nil)
    #expect(try a.objects() == 0)
  }

  @Test func otherAlgorithmsAreReadBack() throws {
    let cluster = try Cluster(#require(ObjectStorage.installed.first))
    let (a, b) = (try cluster.replica(), try cluster.replica())
    for size in [0, 10, 9 << 20] {
      let bytes = Self.bytes(size)
      let id = try a.uploads.begin(in: "app", of: a.registry)
      try a.append(bytes, to: id)
      let digest = ContentStore.digest(of: bytes, .sha512)
      #expect(try b.uploads.complete(id, expecting: digest, in: "app", of: b.registry) == Int64(size))
      #expect(try b.storage.read(digest, limit: 16 << 20) == bytes)
    }
  }

  @Test func oneRequestAtATimeHasAnUpload() throws {
    let cluster = try Cluster(#require(ObjectStorage.installed.first))
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let id = try a.uploads.begin(in: "app", of: a.registry)
    let writer = try a.uploads.open(id, in: "app", of: a.registry)
    try writer.append([ByteBuffer(bytes: [1, 2, 3])])
    #expect(throws: RegistryError.uploadBusy(id)) { try b.offset(of: id) }
    // As after a replica that died: its hold of the upload ran out, and it wakes up again.
    try b.registry.metadata.write { try $0.execute("UPDATE registry_ingest SET until = 0") }
    try b.append([4, 5], to: id)
    #expect(throws: RegistryError.uploadBusy(id)) { try writer.release() }
    #expect(try b.offset(of: id) == 2)
  }

  @Test(arguments: ObjectStorage.installed) func aCollectionTakesWhatNobodyHas(_ kind: ObjectStorage.Kind) throws {
    let cluster = try Cluster(kind)
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let (kept, dropped) = (try a.push(Self.bytes(10)), try a.push(Self.bytes(20)))
    try a.registry.deleteBlob(dropped, in: "app")
    // Not what was in use just now; and a dry run takes nothing.
    #expect(try b.storage.collect(dryRun: false).digests.isEmpty)
    #expect(try b.storage.collect(dryRun: true, grace: -1).digests == [dropped])
    #expect(try b.storage.collect(dryRun: false, grace: -1).digests == [dropped])
    #expect(throws: ContentError.self) { try a.storage.read(dropped, limit: 100) }
    #expect(try a.storage.read(kept, limit: 100) == Self.bytes(10))
    // Sent again, it is there again.
    #expect(try b.push(Self.bytes(20)) == dropped)
    #expect(try a.storage.read(dropped, limit: 100) == Self.bytes(20))
    // Mounted elsewhere, it stays when the first repository is gone.
    #expect(try a.registry.mountBlob(kept, from: "app", to: "other"))
    _ = try a.registry.deleteRepository("app", force: true)
    _ = try b.storage.collect(dryRun: false, grace: -1)
    #expect(try a.storage.read(kept, limit: 100) == Self.bytes(10))
  }

  /// What a replica leaves that dies in the middle of a large upload of one request.
  @Test(arguments: ObjectStorage.installed) func partsOfADeadReplicaAreRemoved(_ kind: ObjectStorage.Kind) throws {
    let cluster = try Cluster(kind)
    let (a, b) = (try cluster.replica(), try cluster.replica())
    let client = b.storage.client
    func unfinished() throws -> [S3Client.UnfinishedUpload] {
      var found: [S3Client.UnfinishedUpload] = []
      try client.unfinishedUploads(under: client.location.prefix) { found += $0 }
      return found
    }
    // Of a request that goes on: it stays, however old it is, and becomes a blob.
    let (bytes, rest) = ([UInt8](repeating: 7, count: 9 << 20), Self.bytes(10))
    let living = try a.uploads.openAnonymous(in: "app", of: a.registry, hashing: .sha256)
    try living.append([ByteBuffer(bytes: bytes)])
    #expect(try unfinished().count == 1)
    #expect(try b.storage.collect(dryRun: false, grace: 0, abandoned: -1).uploads == 0)
    try living.append([ByteBuffer(bytes: rest)])
    let digest = ContentStore.digest(of: bytes + rest)
    #expect(try living.finish(expecting: digest) == Int64(bytes.count + rest.count))
    #expect(try a.storage.read(digest, limit: 16 << 20) == bytes + rest)
    #expect(try unfinished().isEmpty)
    // Of a replica that was last heard of long ago.
    let id = SharedStorage.randomID()
    let dead = try client.beginMultipart(b.storage.key(id))
    try b.registry.metadata.write {
      try $0.execute(
        "INSERT INTO registry_ingest (id, holder, until, received, upload, parts) VALUES (?1, 'x', 0, 0, ?2, '')",
        [id, dead])
    }
    #expect(try unfinished().count == 1)
    #expect(try b.storage.collect(dryRun: true, grace: 0, abandoned: -1).uploads == 0)
    #expect(try b.storage.collect(dryRun: false, grace: 0).uploads == 1)
    #expect(try unfinished().isEmpty)
    // Of one that died before it wrote anything down; and one that is not the registry's.
    let key = b.storage.key(SharedStorage.randomID()), other = client.location.prefix + "other"
    let lost = try client.beginMultipart(key)
    _ = try client.finishPart(client.sendPart(key, upload: lost, number: 1, ByteBuffer(bytes: rest)))
    let foreign = try client.beginMultipart(other)
    // moto says of all that they began in 2010.
    if kind != .moto { #expect(try b.storage.collect(dryRun: false, grace: 0).uploads == 0) }
    #expect(try b.storage.collect(dryRun: false, grace: 0, abandoned: -60_000).uploads == 1)
    #expect(try unfinished().map(\.key) == [other])
    try client.abortMultipart(other, upload: foreign)
  }

  /// A blob that is being linked while it is collected is either kept or has to be sent again.
  @Test func aMountAndACollectionDoNotMeetHalfWay() async throws {
    let cluster = try Cluster(#require(ObjectStorage.installed.first))
    let (a, b) = (try cluster.replica(), try cluster.replica())
    for round in 0..<8 {
      let bytes = Self.bytes(30 + round)
      let digest = try a.push(bytes)
      try a.registry.deleteBlob(digest, in: "app")
      async let collected = Self.offTheTasks { try b.storage.collect(dryRun: false, grace: -1).digests }
      async let linked = Self.offTheTasks { () -> Bool in
        do {
          try a.registry.linkBlob(digest, size: Int64(bytes.count), in: "app")
          return true
        } catch ContentError.notFound {
          return false
        }
      }
      let isLinked = try await linked
      _ = try await collected
      #expect((try a.registry.blob(digest, in: "app") != nil) == isLinked)
      if isLinked { #expect(try a.storage.read(digest, limit: 100) == bytes) }
    }
  }

  private static func offTheTasks<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws
    -> Result
  {
    try await withCheckedThrowingContinuation { continuation in
      let thread = BlockingThread { continuation.resume(with: Swift.Result { try body() }) }
      thread.detach()
    }
  }

  @Test func anotherDatabaseIsRefused() throws {
    let kind = try #require(ObjectStorage.installed.first)
    let cluster = try Cluster(kind)
    _ = try cluster.replica()
    let other = try Cluster(kind)
    let error = #expect(throws: S3Error.self) { try cluster.storage(other.metadata()) }
    #expect("\(try #require(error))".contains("belongs to another registry's database"))
  }

  @Test func clientsAreSentToTheStorageWhereThatIsWanted() throws {
    let kind = try #require(ObjectStorage.installed.first)
    for (settings, expected) in [("", false), ("&redirect=on", true)] {
      let replica = try Cluster(kind, settings: settings).replica()
      let digest = try replica.push(Self.bytes(10))
      #expect((try replica.storage.open(digest).remote?.link != nil) == expected)
    }
  }

  @Test func filesAreFetched() throws {
    let cluster = try Cluster(#require(ObjectStorage.installed.first))
    let replica = try cluster.replica()
    let digest = try replica.push(Self.bytes(9 << 20))
    try replica.storage.fetch(digest)
    try replica.storage.fetch(digest)
    #expect(throws: ContentError.self) { try replica.storage.fetch(ContentStore.digest(of: [9])) }
  }
}
