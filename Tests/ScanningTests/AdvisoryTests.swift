import Content
import Foundation
import ImageSpec
import Metadata
import SystemPackage
import Testing

@testable import Scanning

@Suite struct AdvisoryTests {
  private func advisory(_ text: String) throws -> Advisory { try AdvisoryParser.advisory(Array(text.utf8)) }

  private func affected(_ ecosystem: String, _ events: String, type: String = "ECOSYSTEM", versions: String = "[]")
    throws
    -> AffectedPackage
  {
    try #require(
      advisory(
        #"{"id":"X-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"\#(ecosystem)","name":"p"},"#
          + #""ranges":[{"type":"\#(type)","events":[\#(events)]}],"versions":\#(versions)}]}"#
      ).affected.first)
  }

  @Test func evaluatesRanges() throws {
    let npm = try affected(
      "npm", #"{"introduced":"0"},{"fixed":"1.2.0"},{"introduced":"2.0.0-rc.1"},{"fixed":"2.1.0"}"#, type: "SEMVER")
    for version in ["0.0.1", "1.1.9", "1.2.0-beta", "2.0.0-rc.1", "2.0.0"] {
      #expect(npm.match(version).isAffected, "\(version)")
    }
    for version in ["1.2.0", "2.0.0-alpha", "2.1.0", "3.0.0"] { #expect(!npm.match(version).isAffected, "\(version)") }
    #expect(
      npm.match("1.0.0").fixed == "1.2.0" && npm.match("2.0.0").fixed == "2.1.0" && npm.match("3.0.0").fixed == nil)

    // Events in no order, and the last affected version is one.
    let last = try affected("PyPI", #"{"last_affected":"2.0"},{"introduced":"1.0"}"#)
    #expect(
      last.match("2.0").isAffected && last.match("1.0.0").isAffected && !last.match("2.0.post1").isAffected
        && !last.match("0.9").isAffected)

    let limit = try affected("npm", #"{"introduced":"0"},{"limit":"2.0.0"}"#)
    #expect(limit.match("1.9.9").isAffected && !limit.match("2.0.0").isAffected)

    let debian = try affected("Debian:12", #"{"introduced":"0"},{"fixed":"3.0.15-1~deb12u1"}"#)
    #expect(
      debian.match("3.0.14-1~deb12u2").isAffected && !debian.match("3.0.15-1~deb12u1").isAffected
        && !debian.match("1:1").isAffected)

    let listed = try affected(
      "Go", #"{"introduced":"1.0.0"},{"fixed":"1.1.0"}"#, type: "SEMVER", versions: #"["1.0.5","0.5.0"]"#)
    #expect(listed.match("0.5.0").isAffected && listed.match("1.0.7").isAffected && !listed.match("0.6.0").isAffected)
    // What a range says already is not kept.
    #expect(listed.versions == ["0.5.0"])
  }

  @Test func leavesOutWhatImagesAreNotSearchedFor() throws {
    let text =
      #"{"id":"X","modified":"m","affected":[{"package":{"ecosystem":"Hex","name":"p"},"versions":["1"]},"#
      + #"{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"GIT","events":[{"introduced":"0"}]}]}]}"#
    #expect(try advisory(text).affected.isEmpty)
    for broken in ["{}", "[]", "7", "{\"id\":7}", "{\"id\":\"x\"}", "{\"id\":\"\",\"modified\":\"m\"}", "{"] {
      #expect(throws: AdvisoryParser.Failure.self, "\(broken)") { try advisory(broken) }
    }
  }

  @Test func takesTheNameOfTheOneCVE() throws {
    func name(_ more: String) throws -> String { try advisory("{\"id\":\"GHSA-1\",\"modified\":\"m\",\(more)}").name }
    #expect(try name(#""aliases":["CVE-2026-1","PYSEC-1"]"#) == "CVE-2026-1")
    #expect(try name(#""upstream":["CVE-2026-1"],"aliases":["CVE-2026-1"]"#) == "CVE-2026-1")
    #expect(try name(#""upstream":["CVE-2026-1","CVE-2026-2"]"#) == "GHSA-1")
    #expect(try name(#""aliases":[]"#) == "GHSA-1")
  }

  // MARK: the database

  private static func record(
    _ id: String, _ ecosystem: String, _ name: String, fixed: String, more: String = ""
  ) -> String {
    #"{"id":"\#(id)","modified":"2026-02-03T00:00:00Z"\#(more),"affected":[{"package":{"ecosystem":"\#(ecosystem)","name":"\#(name)"},"#
      + #""ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"\#(fixed)"}]}]}]}"#
  }

  private final class Fixture {
    let images: TestImages
    let database: AdvisoryDatabase
    var files: Int = 0

    init() throws {
      images = try TestImages()
      database = try AdvisoryDatabase(SQLiteMetadata(images.store))
    }

    func file(_ content: some Sequence<UInt8>, _ name: String = "f.json") throws -> FilePath {
      files += 1
      let folder = images.directory.appendingPathComponent("input-\(files)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let url = folder.appendingPathComponent(name)
      try Data(Array(content)).write(to: url)
      return FilePath(url.path)
    }

    func findings(_ layers: [TestImages.Entry]...) throws -> [Finding] {
      try database.findings(for: images.scan(images.image(layers)))
    }
  }

  private static let debian: [TestImages.Entry] = [
    .text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
    .text(
      "var/lib/dpkg/status",
      "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: 3.0.14-1~deb12u2\n"
    ),
  ]

  @Test func matchesSystemPackagesByTheirSourceAndRelease() throws {
    let fixture = try Fixture()
    let records = [
      Self.record(
        "DEBIAN-CVE-2026-1", "Debian:12", "openssl", fixed: "3.0.15-1~deb12u1", more: #","upstream":["CVE-2026-1"]"#),
      Self.record("DEBIAN-CVE-2026-2", "Debian:11", "openssl", fixed: "9"),
      Self.record("DEBIAN-CVE-2026-3", "Debian:12", "libssl3", fixed: "9"),
      Self.record("UBUNTU-CVE-2026-4", "Ubuntu:22.04", "openssl", fixed: "9"),
      Self.record("DSA-1", "Debian:12", "openssl", fixed: "3.0.15", more: #","upstream":["CVE-2026-1","CVE-2026-5"]"#),
      Self.record("OLD", "Debian:12", "openssl", fixed: "9", more: #","withdrawn":"2026-01-01T00:00:00Z""#),
      #"{"id":"CVE-2026-1","modified":"2026-01-01T00:00:00Z","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}"#,
    ]
    let loaded = try fixture.database.load([fixture.file("[\(records.joined(separator: ","))]".utf8)], as: "Debian")
    #expect(loaded.records == 6 && loaded.withdrawn == 1)
    let findings = try fixture.findings(Self.debian)
    #expect(findings.map(\.name) == ["CVE-2026-1", "DSA-1"])
    // The distributor does not say how bad it is, the CVE's own record does.
    #expect(findings[0].severity == .critical && findings[0].fixedVersion == "3.0.15-1~deb12u1")
    #expect(findings[0].package.name == "libssl3" && findings[0].package.layer != nil)
    #expect(findings[1].severity == .undefined)
  }

  @Test func matchesLanguagesByTheirNames() throws {
    let fixture = try Fixture()
    let records = [
      Self.record(
        "GHSA-1", "PyPI", "Foo.Bar", fixed: "2.0",
        more: #","aliases":["CVE-2026-7"],"database_specific":{"severity":"HIGH"}"#),
      Self.record("PYSEC-1", "PyPI", "foo-bar", fixed: "2.0", more: #","aliases":["CVE-2026-7"]"#),
      Self.record("GO-1", "Go", "a.b/c", fixed: "1.1.0"), Self.record("GHSA-2", "npm", "foo-bar", fixed: "9.0.0"),
    ]
    _ = try fixture.database.load([fixture.file("[\(records.joined(separator: ","))]".utf8)], as: "x")
    let findings = try fixture.findings([
      .text("a/requirements.txt", "foo_bar==1.9\n"), .text("b/go.mod", "require a.b/c v1.0.0\n"),
    ])
    // Two records of one CVE are one finding, of the one that says more.
    #expect(findings.map(\.name) == ["CVE-2026-7", "GO-1"])
    #expect(findings[0].record == "GHSA-1" && findings[0].severity == .high)
    #expect(findings[0].uri == "https://nvd.nist.gov/vuln/detail/CVE-2026-7")
  }

  @Test func replacesASourceAsAWhole() throws {
    let fixture = try Fixture()
    let old = try fixture.file(
      "[\(Self.record("A", "Debian:12", "openssl", fixed: "9")),\(Self.record("B", "Debian:12", "openssl", fixed: "9"))]"
        .utf8)
    let new = try fixture.file(Self.record("C", "Debian:12", "openssl", fixed: "9").utf8)
    _ = try fixture.database.load([old], as: "s")
    #expect(try fixture.findings(Self.debian).map(\.name) == ["A", "B"])
    // A load that fails changes nothing.
    for bad in ["[\(Self.record("D", "npm", "x", fixed: "1")),{}]", "{", "[]", #"{"id":"E","modified":"m"}"#] {
      let file = try fixture.file(bad.utf8)
      #expect(throws: AdvisoryError.self, "\(bad)") { try fixture.database.load([file], as: "s") }
    }
    #expect(try fixture.findings(Self.debian).map(\.name) == ["A", "B"])
    _ = try fixture.database.load([new], as: "s")
    #expect(try fixture.findings(Self.debian).map(\.name) == ["C"])
    #expect(
      try fixture.database.sources().map { "\($0.name) \($0.records) \($0.newest)" } == ["s 1 2026-02-03T00:00:00Z"])
    #expect(try fixture.database.remove("s") && !fixture.database.remove("s"))
    #expect(try fixture.findings(Self.debian) == [])
    // Nothing is left behind of what was replaced, given up or removed.
    for table in ["scan_source", "scan_advisory", "scan_affected"] {
      #expect(
        try fixture.database.metadata.read { try $0.value(Int.self, "SELECT COUNT(*) FROM \(table)") } == 0, "\(table)")
    }
  }

  @Test func loadsArchivesAndDirectories() throws {
    let fixture = try Fixture()
    let records = (1...1203).map { Self.record("R-\($0)", "Debian:12", "openssl", fixed: "9") }
    let entries = records.enumerated().map { TestImages.Entry.text("all/R-\($0).json", $1) }
    let tar = try TestImages.archive(entries + [.text("README", "no record")])
    #expect(try fixture.database.load([fixture.file(tar, "x.tar")], as: "tar").records == 1203)
    let script = """
      import io, json, sys, zipfile
      out = io.BytesIO()
      with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for n, r in enumerate(json.loads(sys.argv[1]) * 40): z.writestr("R-%d.json" % n, json.dumps(r))
      sys.stdout.buffer.write(out.getvalue())
      """
    if let zip = try python(script, ["[\(records.prefix(30).joined(separator: ","))]"]) {
      #expect(try fixture.database.load([fixture.file(zip, "x.zip")], as: "zip").records == 1200)
      #expect(throws: AdvisoryError.self) {
        try fixture.database.load([fixture.file(zip.prefix(zip.count / 2), "y.zip")], as: "cut")
      }
    } else {
      print("SKIPPED: zip archives of advisories: python3 is not installed")
    }
    let folder = fixture.images.directory.appendingPathComponent("feed")
    try FileManager.default.createDirectory(at: folder.appendingPathComponent("a/b"), withIntermediateDirectories: true)
    try Data(records[0].utf8).write(to: folder.appendingPathComponent("a/b/1.json"))
    try Data(records[1].utf8).write(to: folder.appendingPathComponent("2.json"))
    try Data("x".utf8).write(to: folder.appendingPathComponent("notes.txt"))
    #expect(try fixture.database.load([FilePath(folder.path)], as: "folder").records == 2)
    #expect(throws: AdvisoryError.self) { try fixture.database.load([FilePath("/nonexistent/x")], as: "none") }
    #expect(try fixture.database.sources().map(\.name).filter { $0 != "zip" } == ["folder", "tar"])
  }
}
