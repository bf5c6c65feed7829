import Foundation
import ImageSpec
import Kernel
import Layers
import SystemPackage
import Testing

@Suite struct UnpackTests {
  private func unpack(_ bytes: [UInt8], into directory: TemporaryDirectory, _ options: UnpackOptions = .archive()) throws {
    let unpacker = try LayerUnpacker(into: directory.path, options: options)
    try unpacker.write(bytes)
    _ = try unpacker.finish()
  }

  private func unpack(_ items: [(TarEntry, String)], into directory: TemporaryDirectory, _ options: UnpackOptions = .archive()) throws {
    try unpack(archive(items), into: directory, options)
  }

  @Test func makesFilesDirectoriesAndLinks() throws {
    let directory = try TemporaryDirectory()
    var file = entry(.file, "a/b/file", mode: 0o640)
    file.modified = 1_600_000_000
    var made = entry(.directory, "a", mode: 0o750)
    made.modified = 1_500_000_000
    try unpack(
      [(made, ""), (file, "text"), (entry(.hardLink, "a/hard", link: "a/b/file"), ""), (entry(.symbolicLink, "a/soft", link: "b/file"), "")],
      into: directory)
    #expect(directory.read("a/soft") == "text")
    #expect(directory.status("a/hard").st_ino == directory.status("a/b/file").st_ino)
    #expect(directory.status("a/b/file").st_mode & 0o7777 == 0o640)
    #expect(directory.status("a/b/file").st_mtim.tv_sec == 1_600_000_000)
    #expect(directory.status("a").st_mtim.tv_sec == 1_500_000_000)
    #expect(directory.status("a").st_mode & 0o7777 == 0o750)
  }

  @Test(arguments: ["../outside", "a/../../outside", "/../outside", "a/b/../../../outside"])
  func refusesNamesThatLeadOut(_ name: String) throws {
    let directory = try TemporaryDirectory()
    #expect(throws: LayerError.self) { try unpack([(entry(.file, name), "x")], into: directory) }
    #expect(access(directory.path.removingLastComponent().appending("outside").string, F_OK) != 0)
  }

  @Test func takesAbsoluteNamesAsInside() throws {
    let directory = try TemporaryDirectory()
    try unpack([(entry(.file, "/etc/clipper-test"), "x")], into: directory)
    #expect(directory.read("etc/clipper-test") == "x")
  }

  // CVE-2018-1002200's kind: a link first, then a file through it.
  @Test(arguments: ["/", "..", "../..", "/tmp"])
  func keepsWritesThroughLinksInside(_ target: String) throws {
    let outer = try TemporaryDirectory()
    let inner = outer.path.appending("root")
    mkdir(inner.string, 0o755)
    let unpacker = try LayerUnpacker(into: inner, options: .archive())
    let bytes = try archive([(entry(.symbolicLink, "link", mode: 0o777, link: target), ""), (entry(.file, "link/planted"), "x")])
    // A link to what is not there is an error; the others are followed inside.
    try? unpacker.write(bytes)
    _ = try? unpacker.finish()
    #expect(!outer.exists("planted"))
    #expect(access("/planted", F_OK) != 0)
    #expect(access("/tmp/planted", F_OK) != 0)
  }

  @Test(arguments: ["../../etc/passwd", "/etc/passwd", "../secret"])
  func refusesHardLinksToWhatIsOutside(_ target: String) throws {
    let outer = try TemporaryDirectory()
    try outer.write("secret", "outside")
    let inner = outer.path.appending("root")
    mkdir(inner.string, 0o755)
    let unpacker = try LayerUnpacker(into: inner, options: .archive())
    #expect(throws: LayerError.self) {
      try unpacker.write(archive([(entry(.hardLink, "stolen", link: target), "")]))
      _ = try unpacker.finish()
    }
    #expect(!outer.exists("root/stolen"))
  }

  @Test func replacesALinkInsteadOfWritingThroughIt() throws {
    let directory = try TemporaryDirectory()
    try directory.write("kept", "old")
    try unpack([(entry(.symbolicLink, "a", mode: 0o777, link: "kept"), ""), (entry(.file, "a"), "new")], into: directory)
    #expect(directory.read("kept") == "old")
    #expect(directory.read("a") == "new")
  }

  @Test func replacesADirectoryByAFileAndBack() throws {
    let directory = try TemporaryDirectory()
    try unpack(
      [(entry(.directory, "x", mode: 0o755), ""), (entry(.file, "x/y"), "1"), (entry(.file, "x"), "2")], into: directory)
    #expect(directory.read("x") == "2")
    try unpack([(entry(.directory, "x", mode: 0o755), ""), (entry(.file, "x/z"), "3")], into: directory)
    #expect(directory.read("x/z") == "3")
  }

  @Test func refusesDevicesWhereTheyAreNotWanted() throws {
    let directory = try TemporaryDirectory()
    var options = UnpackOptions.archive()
    options.devices = false
    #expect(throws: LayerError.self) {
      try unpack([(entry(.characterDevice, "null"), "")], into: directory, options)
    }
    #expect(!directory.exists("null"))
  }

  @Test func reportsATruncatedArchive() throws {
    let directory = try TemporaryDirectory()
    let bytes = try archive([(entry(.file, "a"), String(repeating: "x", count: 5000))])
    #expect(throws: LayerError.self) { try unpack(Array(bytes[..<2000]), into: directory) }
  }

  @Test(.enabled(if: isRoot, "needs root: overlay's whiteouts are devices and trusted attributes"))
  func turnsWhiteoutsIntoOverlays() throws {
    let directory = try TemporaryDirectory()
    try unpack(
      [
        (entry(.file, "etc/.wh.gone"), ""), (entry(.directory, "opt", mode: 0o755), ""), (entry(.file, "opt/.wh..wh..opq"), ""),
        (entry(.file, "opt/new"), "x"), (entry(.file, ".wh.both"), ""), (entry(.directory, "both", mode: 0o755), ""),
      ], into: directory, .layer)
    #expect(directory.status("etc/gone").st_mode & S_IFMT == S_IFCHR)
    #expect(directory.status("etc/gone").st_rdev == 0)
    #expect(!directory.exists("opt/.wh..wh..opq"))
    #expect(directory.status("both").st_mode & S_IFMT == S_IFDIR)
    // And back: the same archive's meaning, in the form of a layer.
    var names: [String] = []
    let unpacker = NameReader { names.append($0) }
    let reader = TarReader(unpacker)
    _ = try writeLayer(of: directory.path) { try reader.write($0) }
    #expect(names == ["both", "both/.wh..wh..opq", "etc", "etc/.wh.gone", "opt", "opt/.wh..wh..opq", "opt/new"])
  }

  @Test(.enabled(if: isRoot, "needs root: a whiteout names a file of another directory only by its parent"), arguments: [".wh...", ".wh..", ".wh."])
  func refusesWhiteoutsOfParents(_ name: String) throws {
    let directory = try TemporaryDirectory()
    #expect(throws: LayerError.self) { try unpack([(entry(.file, "a/" + name), "")], into: directory, .layer) }
  }

  @Test(.enabled(if: isRoot, "needs root: attributes of overlayfs are trusted ones"))
  func ignoresOverlayAttributesOfAnArchive() throws {
    let directory = try TemporaryDirectory()
    var hostile = entry(.directory, "d", mode: 0o755)
    hostile.attributes = ["trusted.overlay.redirect": Array("/etc".utf8), "trusted.overlay.metacopy": []]
    try unpack([(hostile, "")], into: directory, .layer)
    let made = try openat2(workingDirectory, directory.path.appending("d").string, flags: O_RDONLY)
    #expect(try extendedAttribute(made.number, "trusted.overlay.redirect") == nil)
  }

  @Test(.enabled(if: isRoot, "needs root: owners of files"))
  func writesTheSameBytesForTheSameTree() throws {
    let directory = try TemporaryDirectory()
    try directory.write("b/file", "text")
    try directory.write("a", "text")
    chown(directory.path.appending("a").string, 1000, 1001)
    link(directory.path.appending("a").string, directory.path.appending("z").string)
    symlink("a", directory.path.appending("s").string)
    func layer(of path: FilePath) throws -> (bytes: [UInt8], digest: Digest) {
      var bytes: [UInt8] = []
      _ = try writeLayer(of: path) { bytes += $0 }
      let copy = try TemporaryDirectory()
      let unpacker = try LayerUnpacker(into: copy.path)
      try unpacker.write(bytes)
      return (bytes, try unpacker.finish().diffID)
    }
    let copy = try TemporaryDirectory()
    let first = try layer(of: directory.path)
    let unpacker = try LayerUnpacker(into: copy.path)
    try unpacker.write(first.bytes)
    _ = try unpacker.finish()
    #expect(try layer(of: copy.path).digest == first.digest)
    #expect(copy.status("z").st_ino == copy.status("a").st_ino)
    #expect(copy.status("a").st_uid == 1000)
  }
}

private final class NameReader: TarConsumer {
  private let body: (String) -> Void
  init(_ body: @escaping (String) -> Void) { self.body = body }
  func begin(_ entry: TarEntry) { body(entry.displayName) }
  func content(_ bytes: UnsafeRawBufferPointer) {}
  func end() {}
}
