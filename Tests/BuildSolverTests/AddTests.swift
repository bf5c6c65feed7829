import BuildSolver
import Foundation
import Testing

@Suite(.enabled(if: isRoot, "needs root: overlay mounts, owners of files"))
struct AddTests {
  @Test(arguments: ["", "gz", "bz2", "xz"]) func unpacksLocalArchives(_ compression: String) async throws {
    let bench = try Workbench()
    try bench.archive("files", "f('d/x', b'content', 0o640, 7); l('d/l', 'x'); f('.wh.y')", compression: compression)
    let built = try await bench.build("FROM scratch\nADD files /to\nCOPY files /as-it-is\n")
    #expect(built.files["to/d/x"] == "f 640 7:0 content")
    #expect(built.files["to/d/l"] == "l x")
    // A name that means something in a layer means nothing in a user's archive.
    #expect(built.files["to/.wh.y"] != nil || built.files["to/y"] == nil)
    #expect(built.files["as-it-is"]?.hasPrefix("f 644") ?? false)
  }

  @Test func ownersWinOverTheArchives() async throws {
    let bench = try Workbench()
    try bench.archive("a.tar", "f('x', b'', 0o644, 7)")
    let built = try await bench.build("FROM scratch\nADD --chown=3:4 a.tar /\n")
    #expect(built.files["x"] == "f 644 3:4 ")
  }

  @Test func whatIsNoArchiveIsCopied() async throws {
    let bench = try Workbench()
    try bench.write("a.tar", "not a tar")
    try bench.write("d/inner.tar", "")
    let built = try await bench.build("FROM scratch\nADD a.tar /x/\nADD d /d\n")
    #expect(built.files["x/a.tar"] == "f 644 0:0 not a tar")
    #expect(built.files["d/inner.tar"] != nil)
  }

  @Test func hostileArchivesStayInside() async throws {
    let bench = try Workbench()
    try bench.archive("dots.tar", "f('../../../../../../../../tmp/clipper-escaped-dots', b'x')")
    let error = await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nADD dots.tar /\n") }
    #expect("\(try #require(error))".contains("../"))
    try bench.archive("link.tar", "l('out', '/tmp'); f('out/clipper-escaped-link', b'x')")
    let built = try await bench.build("FROM scratch\nWORKDIR /tmp\nADD link.tar /d/\n")
    #expect(built.files["tmp/clipper-escaped-link"] == "f 644 0:0 x" && built.files["d/out"] == "l /tmp")
    try bench.archive("hard.tar", "l('passwd', '/etc/passwd', tarfile.LNKTYPE)")
    await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nADD hard.tar /\n") }
    for name in ["dots", "link"] { #expect(access("/tmp/clipper-escaped-\(name)", F_OK) != 0) }
    #expect(try bench.leftovers() == [])
  }

  @Test func truncatedArchivesAreErrors() async throws {
    let bench = try Workbench()
    try bench.archive("a.tar", "f('x', __import__('os').urandom(100000))", compression: "gz")
    truncate(bench.context.appending("a.tar").string, 5000)
    await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nADD a.tar /d/\n") }
    #expect(try bench.leftovers() == [])
  }
}
