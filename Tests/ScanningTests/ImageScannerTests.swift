import Content
import Foundation
import ImageSpec
import Testing

@testable import Scanning

@Suite struct ImageScannerTests {
  private func npm(_ name: String, _ version: String) -> String { #"{"name":"\#(name)","version":"\#(version)"}"# }

  @Test func findsPackagesSystemAndLayers() throws {
    let images = try TestImages()
    let table = "Package: curl\nStatus: install ok installed\nVersion: 7.88.1-10\n\n"
    let digest = try images.image([
      [.text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"), .text("var/lib/dpkg/status", table)],
      [.text("./var/lib/dpkg/status", table + "Package: wget\nStatus: install ok installed\nVersion: 1.21\n")],
    ])
    let scanned = try images.scan(digest)
    #expect(scanned.system?.ecosystem == "Debian:12")
    #expect(scanned.packages.map(\.name) == ["curl", "wget"])
    let manifest = try JSONDecoder().decode(Manifest.self, from: Data(images.store.read(digest)))
    // A table that is written anew does not make its layer the origin of what was in it before.
    #expect(scanned.packages.map(\.layer) == manifest.layers.map { Optional($0.digest) })
    #expect(scanned.packages[0].path == "var/lib/dpkg/status")
  }

  @Test func honoursWhiteouts() throws {
    let images = try TestImages()
    let lower: [TestImages.Entry] = [
      .text("a/node_modules/x/package.json", npm("x", "1.0.0")),
      .text("a/node_modules/y/package.json", npm("y", "1.0.0")),
      .text("b/yarn.lock", "z@1:\n  version \"1.0.0\"\n"),
    ]
    #expect(try images.names([lower, [.whiteout("a/node_modules/.wh.x")]]) == ["y 1.0.0", "z 1.0.0"])
    #expect(try images.names([lower, [.whiteout(".wh.a")]]) == ["z 1.0.0"])
    #expect(try images.names([lower, [.whiteout("b/.wh.yarn.lock")]]) == ["x 1.0.0", "y 1.0.0"])
    // An opaque directory keeps what its own layer brings, also where that stands before it.
    let opaque: [TestImages.Entry] = [
      .text("a/node_modules/w/package.json", npm("w", "1.0.0")), .whiteout("a/node_modules/.wh..wh..opq"),
      .text("a/node_modules/v/package.json", npm("v", "1.0.0")),
    ]
    #expect(try images.names([lower, opaque]) == ["v 1.0.0", "w 1.0.0", "z 1.0.0"])
    #expect(try images.names([lower, [.whiteout(".wh..wh..opq")]]) == [])
  }

  @Test func seesWhatReplacesAFile() throws {
    let images = try TestImages()
    let lower: [TestImages.Entry] = [.text("a/yarn.lock", "z@1:\n  version \"1.0.0\"\n")]
    #expect(try images.names([lower, [.link("a/yarn.lock", to: "/x")]]) == [])
    #expect(try images.names([lower, [.directory("a/yarn.lock")]]) == [])
    #expect(try images.names([lower, [.text("a", "")]]) == [])
    #expect(try images.names([lower, [.text("a/yarn.lock", "z@1:\n  version \"2.0.0\"\n")]]) == ["z 2.0.0"])
    #expect(
      try images.names([
        [.text("a/yarn.lock", "z@1:\n  version \"1.0.0\"\n"), .hardLink("b/yarn.lock", to: "a/yarn.lock")],
        [.whiteout("a/.wh.yarn.lock")],
      ]) == ["z 1.0.0"])
    // Of two entries of one name, the last holds.
    #expect(try images.names([lower + [.text("a/yarn.lock", "")]]) == [])
  }

  @Test func prefersGoModToGoSum() throws {
    let images = try TestImages()
    let sum = TestImages.Entry.text("m/go.sum", "a.b/c v1.0.0 h1:x\na.b/c v1.1.0 h1:y\n")
    #expect(try images.names([[sum]]) == ["a.b/c v1.0.0", "a.b/c v1.1.0"])
    #expect(try images.names([[sum, .text("m/go.mod", "require a.b/c v1.1.0\n")]]) == ["a.b/c v1.1.0"])
  }

  @Test func ignoresHostileNames() throws {
    let images = try TestImages()
    let lock = "z@1:\n  version \"1.0.0\"\n"
    let deep = String(repeating: "d/", count: 2000) + "yarn.lock"
    #expect(
      try images.names([[.text("../../yarn.lock", lock), .text("a/../../yarn.lock", lock), .text(deep, lock)]]) == [])
    #expect(try images.names([[.text("/a/./b/../yarn.lock", lock)], [.whiteout("a/.wh.yarn.lock")]]) == [])
    #expect(
      try images.names([[.text("a/yarn.lock", lock)], [.whiteout("../.wh.a"), .whiteout(".wh."), .whiteout(".wh...")]])
        == ["z 1.0.0"])
  }

  @Test func stopsAtItsLimits() throws {
    let images = try TestImages()
    var limits = ScanLimits()
    limits.entries = 10
    let many = try images.image([(0..<11).map { .text("f\($0)", "") }])
    #expect(throws: ScanError.tooManyEntries(limit: 10)) { try images.scan(many, limits: limits) }
    limits = ScanLimits()
    limits.textBytes = 100
    let large = try images.image([[.file("yarn.lock", Array(repeating: 0x20, count: 101))]])
    #expect(throws: ScanError.fileTooLarge(path: "yarn.lock", limit: 100)) { try images.scan(large, limits: limits) }
    limits = ScanLimits()
    limits.bytes = 4096
    #expect(throws: ScanError.tooManyBytes(limit: 4096)) { try images.scan(many, limits: limits) }
    limits = ScanLimits()
    limits.packages = 1
    let two = try images.image([[.text("requirements.txt", "a==1\nb==2\n")]])
    #expect(throws: ScanError.tooManyPackages(limit: 1)) { try images.scan(two, limits: limits) }
  }

  @Test func refusesALayerThatIsABomb() throws {
    // 300 MB of zeros in zstd's smallest form: a frame of blocks that repeat one byte.
    var bomb: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58]
    let size = 128 << 10
    let block = UInt32(size) << 3 | 1 << 1
    for index in 0..<2400 {
      let header = block | (index == 2399 ? 1 : 0)
      bomb += [UInt8(header & 0xff), UInt8(header >> 8 & 0xff), UInt8(header >> 16 & 0xff), 0]
    }
    let images = try TestImages()
    let digest = try images.image(blobs: [(bomb, .layerZstd)])
    #expect(throws: ScanError.self) { try images.scan(digest) }
    do { _ = try images.scan(digest) } catch let error as ScanError {
      guard case .compressedTooWell = error else { return #expect(Bool(false), "\(error)") }
    }
  }

  @Test func refusesWhatIsNoImage() throws {
    let images = try TestImages()
    let artifact = try images.image(blobs: [(Array("{}".utf8), .init("application/vnd.example"))], config: .empty)
    #expect(throws: ScanError.self) { try images.scan(artifact) }
    #expect(throws: ScanError.self) { try ImageScanner(images.store).scan(artifact, mediaType: .index) }
    let broken = try images.image(blobs: [(Array("no archive at all".utf8), .layer)])
    #expect(throws: ScanError.self) { try images.scan(broken) }
    let foreign = try images.image(blobs: [([], .init("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"))])
    #expect(throws: ScanError.self) { try images.scan(foreign) }
  }

  /// What Go's linker writes, somewhere in a program.
  private func program(at offset: Int, version: String, modules: String) -> [UInt8] {
    func text(_ text: String) -> [UInt8] {
      [UInt8(text.utf8.count & 0x7f) | 0x80, UInt8(text.utf8.count >> 7)] + text.utf8
    }
    var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46] + Array(repeating: 0xff, count: offset - 4)
    bytes += [0xff] + Array(" Go buildinf:".utf8) + [8, 2] + Array(repeating: 0, count: 16)
    let marks = String(repeating: "m", count: 16)
    return bytes + text(version) + text(marks + modules + marks) + Array(repeating: 0, count: 5000)
  }

  @Test func readsTheModulesOfAGoProgram() throws {
    let modules =
      "path\tx\nmod\tx\t(devel)\t\ndep\ta.b/c\tv1.0.0\th1:x\ndep\td.e/f\tv2.0.0\n=>\tg.h/i\tv3.0.0\th1:y\nbuild\t-x=y\n"
    let bytes = program(at: 80_000, version: "go1.22.1 X:y", modules: modules)
    let images = try TestImages()
    let expected = ["a.b/c v1.0.0", "g.h/i v3.0.0", "stdlib 1.22.1"]
    #expect(try images.names([[.file("usr/bin/x", bytes, mode: 0o755)]]) == expected)
    #expect(try images.names([[.file("usr/bin/x", bytes, mode: 0o644)]]) == [])
    // In pieces of any size it is the same.
    for size in [1, 7, 13, 16, 1000, 79_999, 80_001] {
      var info = GoBuildInfo()
      bytes.withUnsafeBytes { bytes in
        for start in stride(from: 0, to: bytes.count, by: size) {
          info.write(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + size, bytes.count)]))
        }
      }
      info.finish()
      #expect(info.packages.map { "\($0.name) \($0.version)" }.sorted() == expected, "pieces of \(size)")
    }
  }

  @Test func knowsTheGoOfARealProgram() throws {
    guard let program = try? Data(contentsOf: URL(fileURLWithPath: "/usr/bin/skopeo")) else {
      return print("SKIPPED: version of Go in a real program: skopeo is not installed")
    }
    let images = try TestImages()
    let scanned = try images.scan(images.image([[.file("usr/bin/skopeo", [UInt8](program), mode: 0o755)]]))
    #expect(scanned.packages.contains { $0.name == "stdlib" && $0.version.hasPrefix("1.") })
  }

  @Test func readsJavaArchivesInsideOthers() throws {
    let script = """
      import io, sys, zipfile
      def jar(entries, method):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as z:
          for name, data in entries: z.writestr(name, data)
        return out.getvalue()
      def pom(g, a, v): return ("META-INF/maven/%s/%s/pom.properties" % (g, a), "#x\\nversion=%s\\ngroupId=%s\\nartifactId=%s\\n" % (v, g, a))
      inner = jar([pom("org.apache.logging.log4j", "log4j-core", "2.14.1")], zipfile.ZIP_DEFLATED)
      bomb = jar([("META-INF/maven/x/y/pom.properties", b"\\0" * (100 << 20))], zipfile.ZIP_DEFLATED)
      sys.stdout.buffer.write(jar([pom("com.example", "app", "1.0"), ("BOOT-INF/lib/log4j.jar", inner), ("BOOT-INF/lib/bomb.jar", bomb), ("x.jar", b"no zip")], zipfile.ZIP_STORED))
      """
    guard let jar = try python(script) else { return print("SKIPPED: Java archives: python3 is not installed") }
    let images = try TestImages()
    #expect(
      try images.names([[.file("app/app.jar", jar)]]) == [
        "com.example:app 1.0", "org.apache.logging.log4j:log4j-core 2.14.1",
      ])
    // Cut anywhere, it is read without harm.
    for end in stride(from: 0, to: jar.count, by: max(1, jar.count / 50)) {
      #expect(jar[..<end].withUnsafeBytes { JavaArchive.packages($0).packages } == [])
    }
  }
}
