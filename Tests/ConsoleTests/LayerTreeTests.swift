import Content
import Glibc
import ImageSpec
import Kernel
import Layers
import RegistryServer
import SystemPackage
import TestDirectories
import Testing

@testable import Console

@Suite struct LayerTreeTests {
  private func tree(_ entries: [TarEntry], in directory: TestDirectory, _ limits: LayerTreeLimits = .init()) async throws
    -> LayerTree
  {
    let bytes = try ConsoleFixture.tar(entries)
    guard case .ready(let tree) = try await state(bytes, in: directory, limits) else {
      throw LayerError.malformed("not read")
    }
    return tree
  }

  /// Waits for the reading, however long that takes.
  private func state(_ bytes: [UInt8], in directory: TestDirectory, _ limits: LayerTreeLimits = .init()) async throws
    -> LayerIndex.State
  {
    let index = LayerIndex(directory.path.appending("trees"), limits: limits)
    let file = directory.path.appending("layer")
    try writeFileAtomically(file, bytes)
    let source = LayerIndex.Source(digest: ContentStore.digest(of: bytes), size: Int64(bytes.count)) {
      try openat2(AT_FDCWD, file.string, flags: O_RDONLY)
    }
    while true {
      let state = index.state(source)
      guard case .reading = state else { return state }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  private func path(_ text: String) -> [[UInt8]] { text.split(separator: "/").map { Array($0.utf8) } }

  @Test func namesAreFoundWithWhatTheArchiveSaysOfThem() async throws {
    let directory = try TestDirectory()
    let tree = try await tree(
      [
        ConsoleFixture.entry(.directory, "usr", mode: 0o1777), ConsoleFixture.file("usr/bin/tool", 100),
        ConsoleFixture.file("./usr/bin/zz", 11), ConsoleFixture.entry(.symbolicLink, "bin", link: "usr/bin"),
        ConsoleFixture.entry(.hardLink, "usr/bin/again", link: "usr/bin/tool"), ConsoleFixture.file("/abs", 1),
        ConsoleFixture.file("../out", 1), ConsoleFixture.file([0x61, 0xff], 2),
        ConsoleFixture.file("etc/.wh.gone"), ConsoleFixture.file("etc/.wh..wh..opq"), ConsoleFixture.file("etc/.wh..wh.plnk", 5),
        ConsoleFixture.file("twice", 5), ConsoleFixture.file("twice", 7),
      ], in: directory)
    let root = try tree.root
    #expect(tree.isComplete && root.size == 100 + 11 + 1 + 2 + 7)
    #expect(try tree.children(of: root).map { $0.name } == ["abs", "a\u{ff}", "bin", "etc", "twice", "usr"].map { name in
      name == "a\u{ff}" ? [0x61, 0xff] : Array(name.utf8)
    })
    let bin = try #require(try tree.find(path("usr/bin")))
    #expect(bin.flags == .implied && bin.childCount == 3 && bin.size == 111)
    #expect(try tree.children(of: bin, from: 1, limit: 1).map(\.name) == [Array("tool".utf8)])
    #expect(try tree.find(path("usr"))?.mode == 0o1777)
    let again = try #require(try tree.find(path("usr/bin/again")))
    #expect(again.kind == .hardLink)
    #expect(try tree.link(of: again) == Array("usr/bin/tool".utf8))
    #expect(try tree.find(path("etc"))?.flags.contains(.opaque) == true)
    #expect(try tree.find(path("etc/gone"))?.kind == .whiteout)
    #expect(try tree.find(path("etc/none")) == nil && tree.find(path("twice/x")) == nil)
    #expect(Formats.mode(try #require(try tree.find(path("usr")))) == "drwxrwxrwt")
  }

  @Test func wasteIsWhatLaterLayersHide() async throws {
    let (first, second, third) = (try TestDirectory(), try TestDirectory(), try TestDirectory())
    let trees = [
      try await tree(
        [
          ConsoleFixture.file("kept", 1), ConsoleFixture.file("overwritten", 10), ConsoleFixture.file("deleted", 100),
          ConsoleFixture.file("dir/a", 1000), ConsoleFixture.file("dir/b", 2000), ConsoleFixture.file("opaque/x", 10_000),
          ConsoleFixture.file("becomes/dir/y", 20_000), ConsoleFixture.file("anew/z", 40_000),
        ], in: first),
      try await tree(
        [
          ConsoleFixture.file("overwritten", 11), ConsoleFixture.file(".wh.deleted"), ConsoleFixture.file("dir/a", 1001),
          ConsoleFixture.file("opaque/.wh..wh..opq"), ConsoleFixture.file("opaque/new", 3), ConsoleFixture.file("becomes", 4),
          ConsoleFixture.file(".wh.anew"), ConsoleFixture.file("anew/other", 5),
        ], in: second),
      try await tree([ConsoleFixture.file(".wh.dir"), ConsoleFixture.file("overwritten", 12)], in: third),
    ]
    let space = try WastedSpace(trees)
    #expect(space.wastedByLayer == [10 + 100 + 1000 + 2000 + 10_000 + 20_000 + 40_000, 11 + 1001, 0])
    #expect(space.wasted == 73_110 + 1012 && space.total == 73_111 + (11 + 1001 + 3 + 4 + 5) + 12)
    let items = space.items.map { "\(String(decoding: $0.path, as: UTF8.self)) \($0.layer) \($0.hiddenBy) \($0.isDeleted)" }
    #expect(items.contains("deleted 0 1 true") && items.contains("overwritten 0 1 false"))
    #expect(items.contains("overwritten 1 2 false") && items.contains("opaque/x 0 1 true"))
    #expect(items.contains("becomes 0 1 false") && items.contains("dir 0 2 true") && items.contains("dir 1 2 true"))
    #expect(space.items.first?.bytes == 40_000)
    #expect(try WastedSpace([trees[0]]).wasted == 0)
  }

  @Test func aLayerOfTooManyNamesIsShownAsFarAsItGoes() async throws {
    let directory = try TestDirectory()
    var limits = LayerTreeLimits()
    limits.nodes = 50
    let tree = try await tree((0..<200).map { ConsoleFixture.file("f\($0)", 1) }, in: directory, limits)
    #expect(!tree.isComplete && tree.nodeCount == 50)
    limits = LayerTreeLimits()
    limits.plain = 4096
    let second = try TestDirectory()
    #expect(try await !self.tree([ConsoleFixture.file("big", 100_000)], in: second, limits).isComplete)
  }

  @Test(arguments: [
    [UInt8](repeating: 0x41, count: 4096), Array("\u{1f}\u{8b}nothing of gzip at all".utf8), [0x1f, 0x8b, 8, 0, 0, 0],
  ])
  func whatIsNoLayerIsToldSo(_ bytes: [UInt8]) async throws {
    let directory = try TestDirectory()
    guard case .failed(let why) = try await state(bytes, in: directory) else {
      Issue.record("read all the same")
      return
    }
    #expect(!why.contains(directory.path.string))
  }

  @Test func aDamagedTreeIsMadeAnewOrRefused() async throws {
    let directory = try TestDirectory()
    _ = try await tree([ConsoleFixture.file("a/b", 5)], in: directory)
    let trees = directory.path.appending("trees")
    let listing = try #require(opendir(trees.string))
    defer { closedir(listing) }
    var name = ""
    while let entry = readdir(listing) {
      let found = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if found.hasPrefix("sha256-") { name = found }
    }
    let file = trees.appending(name)
    let whole = try readFile(file)
    for cut in [0, 7, 31, whole.count - 1] {
      try writeFileAtomically(file, Array(whole.prefix(cut)))
      #expect(LayerTree(file) == nil)
    }
    // Numbers that lead elsewhere are errors, never reads outside the file.
    for index in 32..<min(whole.count, 32 + 3 * LayerTree.nodeSize) {
      var altered = whole
      altered[index] = 0xff
      try writeFileAtomically(file, altered)
      guard let tree = LayerTree(file) else { continue }
      _ = try? WastedSpace([tree, tree])
      _ = try? tree.find(path("a/b"))
    }
  }

  @Test func treesThatWereNotUsedForLongestMakeRoom() async throws {
    let directory = try TestDirectory()
    let index = LayerIndex(directory.path.appending("trees"), capacity: 6000)
    var digests: [Digest] = []
    for number in 0..<6 {
      let bytes = try ConsoleFixture.tar((0..<30).map { ConsoleFixture.file("n\(number)-\($0)", 1) })
      let file = directory.path.appending("layer\(number)")
      try writeFileAtomically(file, bytes)
      let digest = ContentStore.digest(of: bytes)
      digests.append(digest)
      let source = LayerIndex.Source(digest: digest, size: Int64(bytes.count)) {
        try openat2(AT_FDCWD, file.string, flags: O_RDONLY)
      }
      while case .reading = index.state(source) { try await Task.sleep(for: .milliseconds(2)) }
    }
    let kept = digests.filter { index.cached($0) != nil }
    #expect(kept.count < 6 && !kept.isEmpty)
  }

  @Test func aLayerIsOnlyShownWhereTheRepositoryHasIt() async throws {
    let fixture = try ConsoleFixture()
    let secret = try ConsoleFixture.tar([ConsoleFixture.file("password", 10)])
    let digest = try await fixture.push("private/app", ["1"], layers: [secret])
    // A page of a layer that is still being read asks to be fetched again.
    var page = ""
    repeat {
      page = try await fixture.get("/ui/r/private/app/-/image/\(digest)/layer/1").text
    } while page.contains("http-equiv=\"refresh\"")
    #expect(page.contains("password"))
    // A layer that is kept elsewhere may be named without being there: its digest opens nothing.
    let config = try await fixture.push(blob: Array("{}".utf8), to: "public/app", type: .config)
    let foreign = Descriptor(
      mediaType: MediaType("application/vnd.oci.image.layer.nondistributable.v1.tar"),
      digest: ContentStore.digest(of: secret), size: Int64(secret.count))
    let manifest = Manifest(config: config, layers: [foreign])
    let other = try fixture.registry.putManifest(
      try ConsoleFixture.json(manifest), contentType: .manifest, in: "public/app", tags: []
    ).digest
    let answer = try await fixture.get("/ui/r/public/app/-/image/\(other)/layer/1")
    #expect(answer.status == 200 && !answer.text.contains("password") && answer.text.contains("cannot be looked into"))
    #expect(try await fixture.get("/ui/r/public/app/-/image/\(other)/layer/2").status == 404)
    #expect(try await fixture.get("/ui/r/public/app/-/image/\(digest)/layer/1").status == 404)
  }
}
