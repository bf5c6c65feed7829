import FoundationEssentials
import DistributionSpec
import ImageSpec
import Metadata
import RegistryServer
import Testing

@testable import Console

@Suite struct FindingsTests {
  private static let packages = """
    Package: openssl
    Status: install ok installed
    Architecture: amd64
    Version: 3.0.1-1

    """

  private func push(_ fixture: ConsoleFixture) async throws -> Digest {
    let name = "var/lib/dpkg/status"
    let layer = try ConsoleFixture.tar(
      [ConsoleFixture.file(name, Self.packages.utf8.count)], contents: [name: Self.packages])
    return try await fixture.push("team/app", ["1"], layers: [layer])
  }

  @Test func whatAScanFoundIsShownByItsSeverity() async throws {
    let fixture = try ConsoleFixture()
    let digest = try await push(fixture)
    let cookie = ["cookie": try #require(try await fixture.signIn().cookie)]
    let image = try await fixture.get("/ui/r/team/app/-/tag/1", cookie).text
    #expect(image.contains("This image was not scanned."))
    let id = try fixture.registry.storedManifest(.digest(digest), in: "team/app").id
    let finding = """
      {"name": "CVE-2026-0001", "severity": "CRITICAL", "record": "DSA-1", "title": "</td><script>", "references": [], "related": [],
      "modified": "2026-01-01T00:00:00Z", "fixedVersion": "3.0.2-1",
      "package": {"kind": "deb", "name": "openssl", "version": "3.0.1-1", "path": "var/lib/dpkg/status"}}
      """
    try fixture.registry.metadata.write { session in
      try session.execute(
        """
        INSERT INTO registry_scan (manifest, status, requested, completed, counts)
        VALUES (?1, 'COMPLETE', 1, 1, '{"CRITICAL":1}')
        """, [id])
      try session.execute(
        "INSERT INTO registry_scan_finding (manifest, position, body) VALUES (?1, 0, ?2)", [id, finding])
    }
    let after = HTMLDocument(try await fixture.get("/ui/r/team/app/-/tag/1", cookie).text)
    #expect(after.text.contains("1 critical") && after.faults.isEmpty)
    let target = "/ui/r/team/app/-/image/\(digest)/findings"
    #expect(try await fixture.get(target).status == 303)
    let answer = try await fixture.get(target, cookie)
    let page = HTMLDocument(answer.text)
    #expect(answer.status == 200 && page.faults.isEmpty)
    for part in ["CVE-2026-0001", "critical", "openssl", "3.0.2-1", "</td><script>"] { #expect(page.text.contains(part)) }
    #expect(page.links.contains("https://nvd.nist.gov/vuln/detail/CVE-2026-0001"))
  }

  @Test func aBillOfMaterialsNamesThePackages() async throws {
    let fixture = try ConsoleFixture()
    let digest = try await push(fixture)
    for form in ["spdx-json", "cyclonedx-json"] {
      let answer = try await fixture.get("/ui/r/team/app/-/image/\(digest)/bill/\(form)")
      #expect(answer.status == 200 && answer.text.contains("openssl") && answer.text.contains("3.0.1-1"))
      #expect(answer["content-security-policy"] == "default-src 'none'; sandbox")
    }
    #expect(try await fixture.get("/ui/r/team/app/-/image/\(digest)/bill/other").status == 404)
    // An index has no layers to look into.
    let stored = try fixture.registry.storedManifest(.digest(digest), in: "team/app")
    let index = Index(manifests: [Descriptor(mediaType: .manifest, digest: digest, size: stored.size)])
    let other = try fixture.registry.putManifest(
      try ConsoleFixture.json(index), contentType: .index, in: "team/app", tags: []
    ).digest
    #expect(try await fixture.get("/ui/r/team/app/-/image/\(other)/bill/spdx-json").status == 404)
  }
}
