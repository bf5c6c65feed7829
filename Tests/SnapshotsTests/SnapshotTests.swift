import Content
import Foundation
import ImageSpec
import Kernel
import Layers
import Snapshots
import SystemPackage
import TestDirectories
import Testing

private let isRoot = geteuid() == 0

@Suite(.enabled(if: isRoot, "needs root: overlay mounts, owners of files"))
struct SnapshotTests {
  private let directory: TestDirectory
  private let content: ContentStore
  private let snapshots: SnapshotStore
  private var root: FilePath { directory.path }

  init() throws {
    directory = try TestDirectory()
    content = try ContentStore.open(directory.path)
    snapshots = try SnapshotStore(content)
  }

  private func layer(_ files: [String: String]) throws -> (diffID: Digest, descriptor: Descriptor) {
    let ingest = try content.ingest()
    let writer = TarWriter { try ingest.append($0) }
    for (name, text) in files.sorted(by: { $0.key < $1.key }) {
      var entry = TarEntry(kind: .file, name: Array(name.utf8), mode: 0o644)
      entry.size = Int64(text.utf8.count)
      try writer.begin(entry)
      if !text.isEmpty { try writer.content(Array(text.utf8)) }
    }
    try writer.finish()
    let (digest, size) = try ingest.commit()
    return (digest, Descriptor(mediaType: .layer, digest: digest, size: size))
  }

  private func image(_ layers: [(diffID: Digest, descriptor: Descriptor)]) throws -> (Manifest, ImageConfig) {
    let config = try content.write(Array("{}".utf8), mediaType: .config)
    return (
      Manifest(config: config, layers: layers.map(\.descriptor)),
      ImageConfig(platform: .host, diffIDs: layers.map(\.diffID))
    )
  }

  private func text(_ name: String, in view: CInt) -> String? {
    let file = openat(view, name, O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var buffer = [UInt8](repeating: 0, count: 4096)
    return String(decoding: buffer[..<max(0, read(file, &buffer, 4096))], as: UTF8.self)
  }

  // The example of image-spec, config.md, is a hash of the two joined by a space.
  @Test func chainsDigestsAsTheSpecificationSays() throws {
    let first = ContentStore.digest(of: [1])
    let second = ContentStore.digest(of: [2])
    #expect(SnapshotStore.chainID([first]) == first)
    #expect(SnapshotStore.chainID([first, second]) == ContentStore.digest(of: Array("\(first) \(second)".utf8)))
  }

  @Test func unpacksLayersOnTopOfEachOther() throws {
    let (manifest, config) = try image([
      layer(["a": "1", "b": "1"]), layer(["b": "2", ".wh.a": ""]), layer(["c": "3"]),
    ])
    let snapshot = try #require(try snapshots.unpack(manifest, config))
    let view = try snapshots.openView(snapshot)
    #expect(text("a", in: view.number) == nil)
    #expect(text("b", in: view.number) == "2")
    #expect(text("c", in: view.number) == "3")
    #expect(openat(view.number, "new", O_CREAT | O_WRONLY, 0o644) < 0)
    #expect(try snapshots.unpack(manifest, config) == snapshot)
  }

  @Test func refusesALayerThatIsNotWhatTheConfigurationNames() throws {
    let made = try layer(["a": "1"])
    let (manifest, config) = try image([(ContentStore.digest(of: [7]), made.descriptor)])
    #expect(throws: SnapshotError.self) { try snapshots.unpack(manifest, config) }
    #expect(try snapshots.all().isEmpty)
  }

  @Test func exportsWhatWasWrittenOnTop() throws {
    let (manifest, config) = try image([layer(["a": "1", "d/b": "1"])])
    let base = try #require(try snapshots.unpack(manifest, config))
    let pending = try snapshots.begin(parent: base)
    do {
      let view = try snapshots.openView(base, upper: pending.fs, work: pending.work)
      #expect(unlinkat(view.number, "a", 0) == 0)
      let file = openat(view.number, "n", O_CREAT | O_WRONLY, 0o600)
      #expect(file >= 0)
      close(file)
    }
    let made = try pending.commit(keys: ["build:1"])
    let (diffID, descriptor) = try snapshots.layer(of: made)
    #expect(try snapshots.layer(of: made).descriptor == descriptor)
    let found = try #require(try snapshots.find(chain: config.rootfs.diffIDs + [diffID]))
    #expect(found.id == made.id)
    #expect(try snapshots.find("build:1")?.diffID == diffID)
    let view = try snapshots.openView(made)
    #expect(text("a", in: view.number) == nil)
    #expect(text("n", in: view.number) == "")
  }

  @Test func leavesNothingOfADiscardedOne() throws {
    let pending = try snapshots.begin(parent: nil)
    let path = pending.fs.removingLastComponent().string
    pending.discard()
    #expect(access(path, F_OK) != 0)
    #expect(try snapshots.collect(keeping: []).removed == 0)
  }

  @Test func collectsWhatNothingNeeds() throws {
    let (manifest, config) = try image([layer(["a": "1"])])
    let (other, otherConfig) = try image([layer(["x": "1"])])
    let kept = try #require(try snapshots.unpack(manifest, config))
    let held = try #require(try snapshots.unpack(other, otherConfig))
    try snapshots.hold(held, owner: "container/1")
    let pending = try snapshots.begin(parent: kept)
    let built = try pending.commit(keys: ["build:1"])
    let times = [timespec(tv_sec: 1_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000, tv_nsec: 0)]
    for snapshot in [kept, held, built] {
      utimensat(AT_FDCWD, snapshots.directory.appending(String(snapshot.id)).string, times, 0)
    }
    let chains: Set<Digest> = [SnapshotStore.chainID(config.rootfs.diffIDs)]
    #expect(try snapshots.collect(keeping: chains).removed == 0)
    #expect(try snapshots.collect(keeping: chains, buildCache: false).removed == 1)
    try snapshots.release(owner: "container/1")
    #expect(try snapshots.collect(keeping: []).removed == 2)
    #expect(try snapshots.all().isEmpty)
  }

  @Test func viewsAnEmptyRoot() throws {
    let view = try snapshots.openView(nil)
    #expect(text("a", in: view.number) == nil)
  }
}
