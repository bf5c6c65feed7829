import Content
import Foundation
import ImageSpec
import SystemPackage
import TestDirectories
import Testing

@Suite struct ContentTests {
  private let directory: TemporaryRoot
  private let store: ContentStore

  init() throws {
    directory = try TemporaryRoot()
    store = try ContentStore.open(directory.path)
  }

  private func image(_ text: String) throws -> Descriptor {
    let config = try store.write(Array(#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"x":"\#(text)"}"#.utf8), mediaType: .config)
    let layer = try store.write(Array("layer \(text)".utf8), mediaType: .layer)
    let manifest = Manifest(config: config, layers: [layer])
    return try store.write([UInt8](JSONEncoder().encode(manifest)), mediaType: .manifest)
  }

  @Test func storesABlobUnderItsDigest() throws {
    let descriptor = try store.write(Array("text".utf8), mediaType: .layer)
    #expect(descriptor.digest.description == "sha256:982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1")
    #expect(try store.read(descriptor.digest) == Array("text".utf8))
    #expect(try store.size(of: descriptor.digest) == 4)
  }

  /// A collection may look at a file between its making and its locking, and take it for a dead process's.
  @Test func whoBeginsToWriteAmidACollectionIsNotTakenForDead() async throws {
    let other = try ContentStore.open(directory.path, longLived: true)
    let mine = try ContentStore.open(directory.path, longLived: true)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let done = Task { while !Task.isCancelled { _ = try other.collect(); await Task.yield() } }
      group.addTask { [directory] in
        defer { done.cancel() }
        for number in 0..<500 {
          let lease = try mine.lease()
          #expect(try !directory.names("leases").isEmpty)
          let ingest = try mine.ingest()
          try ingest.append(Array("\(number)".utf8))
          let digest = try ingest.commit().digest
          try mine.hold([digest], owner: "test")
          lease.release()
          #expect(mine.contains(digest))
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func storesNothingWhenTheDigestIsWrong() throws {
    let ingest = try store.ingest()
    try ingest.append(Array("text".utf8))
    let wrong = ContentStore.digest(of: [1])
    #expect(throws: ContentError.self) { try ingest.commit(expecting: wrong) }
    #expect(!store.contains(wrong))
    #expect(!store.contains(ContentStore.digest(of: Array("text".utf8))))
    #expect(try directory.names("ingests").isEmpty)
  }

  @Test func takesUpAnIngestWhereItsWriterStopped() throws {
    let first = try store.ingest("pull:a/b")
    try first.append(Array("half ".utf8))
    first.suspend()
    let second = try store.ingest("pull:a/b")
    #expect(second.offset == 5)
    try second.append(Array("whole".utf8))
    #expect(try second.commit().digest == ContentStore.digest(of: Array("half whole".utf8)))
  }

  @Test func givesAnIngestToOneWriterAtATime() throws {
    let first = try store.ingest("key")
    #expect(throws: ContentError.self) { try store.ingest("key") }
    first.discard()
    try store.ingest("key").discard()
  }

  @Test func namesOnlyWhatIsComplete() throws {
    let missing = Descriptor(mediaType: .layer, digest: ContentStore.digest(of: [9]), size: 1)
    let config = try store.write(Array("{}".utf8), mediaType: .config)
    let manifest = try store.write([UInt8](JSONEncoder().encode(Manifest(config: config, layers: [missing]))), mediaType: .manifest)
    let name = try Reference(parsing: "app:1")
    #expect(throws: ContentError.self) { try store.setName(name, manifest) }
    #expect(try store.resolve(name) == nil)
  }

  @Test func writesNamesIntoTheLayout() throws {
    let descriptor = try image("a")
    try store.setName(Reference(parsing: "app:1"), descriptor)
    let data = try Data(contentsOf: URL(fileURLWithPath: directory.path.appending("content/index.json").string))
    let index = try JSONDecoder().decode(Index.self, from: data)
    #expect(index.manifests.map(\.digest) == [descriptor.digest])
    #expect(index.manifests[0].annotations?["org.opencontainers.image.ref.name"] == "app:1")
  }

  @Test func collectsWhatNothingReaches() throws {
    let kept = try image("kept")
    try store.setName(Reference(parsing: "kept:1"), kept)
    let held = try image("held")
    try store.hold([held.digest], owner: "container/1")
    let unnamed = try image("unnamed")
    try store.keepUnnamed(unnamed)
    let lost = try image("lost")
    directory.age()
    let collection = try store.collect()
    #expect(collection.removed.contains(lost.digest))
    #expect(collection.removed.count == 3)
    for digest in [kept.digest, held.digest, unnamed.digest] { #expect(store.contains(digest)) }
    try store.release(owner: "container/1")
    #expect(try store.forgetUnnamed(unnamed.digest))
    #expect(try store.collect().removed.count == 6)
  }

  @Test func leavesWhatALeaseProtects() throws {
    let lease = try store.lease()
    let written = try image("written")
    #expect(try store.collect().removed.isEmpty)
    lease.release()
    directory.age()
    #expect(try store.collect().removed.contains(written.digest))
  }

  @Test func refusesARootOfAnotherVersion() throws {
    let other = try TemporaryRoot()
    try "2\n".write(toFile: other.path.appending("version").string, atomically: true, encoding: .utf8)
    #expect(throws: ContentError.self) { try ContentStore.open(other.path) }
    #expect(try other.names("") == ["version"])
  }

  @Test func opensOneRootManyTimesAtOnce() async throws {
    let root = try TemporaryRoot()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<10 {
        group.addTask {
          let store = try ContentStore.open(root.path)
          let config = try store.write(Array("{}".utf8), mediaType: .config)
          let manifest = try store.write([UInt8](JSONEncoder().encode(Manifest(config: config, layers: []))), mediaType: .manifest)
          try store.setName(Reference(parsing: "app:\(number)"), manifest)
        }
      }
      try await group.waitForAll()
    }
    #expect(try ContentStore.open(root.path).names().count == 10)
  }

  @Test func noticesABlobThatWasChangedOnDisk() throws {
    let descriptor = try store.write(Array("text".utf8), mediaType: .layer)
    let path = store.path(of: descriptor.digest).string
    chmod(path, 0o644)
    try Data("evil".utf8).write(to: URL(fileURLWithPath: path))
    #expect(throws: ContentError.self) { try store.read(descriptor.digest) }
  }
}

final class TemporaryRoot: Sendable {
  let path: FilePath

  init() throws {
    path = try makeTestDirectory("clipper-test")
  }

  deinit { try? FileManager.default.removeItem(atPath: path.string) }

  func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path.string + "/" + directory).sorted()
  }

  /// Makes all blobs old: a collection spares what was written in the file system's current tick.
  func age() {
    let blobs = path.appending("content/blobs/sha256").string
    for name in (try? FileManager.default.contentsOfDirectory(atPath: blobs)) ?? [] {
      let times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 0)]
      utimensat(AT_FDCWD, blobs + "/" + name, times, 0)
    }
  }
}
