import Foundation
import ImageSpec
import SystemPackage
import TestDirectories
import Testing

@testable import Scanning

@Suite struct BillOfMaterialsTests {
  private static let layer: [TestImages.Entry] = [
    .text("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
    .text(
      "var/lib/dpkg/status",
      "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nMaintainer: A Team <a@example.org>\n"
        + "Source: openssl (3.0-1)\nVersion: 1:3.0+b\n"),
    .text("node_modules/@s/x/package.json", #"{"name":"@s/x","version":"1.2.3","license":"(MIT OR Apache-2.0)"}"#),
    .text("node_modules/y/package.json", #"{"name":"y","version":"1.0.0","license":"MIT"}"#),
    .text("node_modules/z/package.json", #"{"name":"z","version":"1.0.0","license":"Do what </text> you like"}"#),
    .text("x.dist-info/METADATA", "Name: Foo\nVersion: 1\nLicense: BSD\nAuthor: É \"q\"\n"),
  ]

  private func documents() throws -> [BillFormat: [UInt8]] {
    let images = try TestImages()
    let bill = BillOfMaterials(try images.scan(images.image([Self.layer])), name: "registry.example/team/app:1")
    return try Dictionary(uniqueKeysWithValues: BillFormat.allCases.map { ($0, try bill.document($0)) })
  }

  @Test func givesTheSameBytesForTheSameImage() throws {
    let (first, second) = (try documents(), try documents())
    for format in BillFormat.allCases { #expect(first[format] == second[format], "\(format)") }
    let text = String(decoding: first[.spdxTagValue] ?? [], as: UTF8.self)
    // Of the image's own time, to the second.
    #expect(text.contains("\nCreated: 2026-01-02T03:04:05Z\n"))
  }

  @Test func saysInSPDXWhatThereIs() throws {
    let document = try JSON(parsing: documents()[.spdxJSON] ?? [])
    let packages = document["packages"]?.array ?? []
    #expect(packages.compactMap { $0["name"]?.string } == ["registry.example/team/app:1", "debian", "libssl3", "@s/x", "y", "z", "foo"])
    let urls = packages.compactMap { $0["externalRefs"]?.array?.first?["referenceLocator"]?.string }
    #expect(urls.contains("pkg:deb/debian/libssl3@1%3A3.0%2Bb?arch=amd64&distro=debian-12&upstream=openssl%403.0-1"))
    #expect(urls.contains("pkg:npm/%40s/x@1.2.3"))
    #expect(packages[2]["supplier"] == .string("Person: A Team (a@example.org)"))
    #expect(packages.map { $0["licenseDeclared"]?.string } == ["NOASSERTION", "NOASSERTION", "NOASSERTION", "(MIT OR Apache-2.0)", "MIT", "LicenseRef-1", "LicenseRef-2"])
    #expect(packages[2]["sourceInfo"]?.string?.hasPrefix("found by /var/lib/dpkg/status in the layer sha256:") == true)
    // Every relation is between things that are there.
    let ids = Set(packages.compactMap { $0["SPDXID"]?.string }).union(["SPDXRef-DOCUMENT"])
    let relations = document["relationships"]?.array ?? []
    #expect(relations.count == packages.count)
    for relation in relations {
      #expect(ids.contains(relation["spdxElementId"]?.string ?? "") && ids.contains(relation["relatedSpdxElement"]?.string ?? ""))
    }
  }

  @Test func saysInCycloneDXWhatThereIs() throws {
    for (format, version) in [(BillFormat.cycloneDXJSON, "1.6"), (.cycloneDX15JSON, "1.5")] {
      let document = try JSON(parsing: documents()[format] ?? [])
      #expect(document["specVersion"] == .string(version))
      let components = document["components"]?.array ?? []
      #expect(components.compactMap { $0["name"]?.string } == ["debian", "libssl3", "@s/x", "y", "z", "foo"])
      let references = Set(components.compactMap { $0["bom-ref"]?.string })
      #expect(references.count == components.count)
      #expect(Set(document["dependencies"]?.array?.first?["dependsOn"]?.strings ?? []) == references)
      #expect(components[2]["licenses"]?.array == [.object(["expression": .string("(MIT OR Apache-2.0)")])])
    }
  }

  /// What a stranger's package says of itself stays a value: it can neither begin nor end one.
  @Test func keepsAValueInItsMarks() throws {
    let images = try TestImages()
    let layer: [TestImages.Entry] = [
      .text(
        "node_modules/a/package.json",
        #"{"name":"<text>","version":"1</te</text>xt></text>\#u{301}","license":"MIT"}"#),
      .text("x</text>\nPackageName: evil/requirements.txt", "b==1.0.0\n"),
    ]
    let bill = BillOfMaterials(try images.scan(images.image([layer])), name: "registry.example/team/app:1")
    let text = String(decoding: try bill.document(.spdxTagValue), as: UTF8.self)
    #expect(text.contains("PackageName: b\n"))
    let marked = Array(text.utf8).split(separator: Array("<text>".utf8), omittingEmptySubsequences: false)
    #expect(marked.map { $0.ranges(of: Array("</text>".utf8)).count } == [0, 1])
    #expect(marked.map { $0.ranges(of: Array("evil".utf8)).count } == [0, 1])
  }

  /// Each package with terms of its own: what a bill costs grows with the packages, not with their square.
  @Test func takesAsManyLicensesAsPackages() throws {
    let packages = (0..<30_000).map { number in
      var package = Package(.npm, name: "p\(number)", version: "1")
      package.licenses = ["Terms \(number / 2)"]
      return package
    }
    let digest = try Digest(parsing: "sha256:" + String(repeating: "a", count: 64))
    let image = ScannedImage(
      digest: digest, config: ImageConfig(platform: Platform(os: "linux", architecture: "amd64")), system: nil,
      packages: packages)
    let document = SPDXDocument(BillOfMaterials(image, name: "registry.example/app:1"))
    #expect(document.hasExtractedLicensingInfos?.count == 15_000)
    #expect(document.packages.last?.licenseDeclared == "LicenseRef-15000")
  }

  /// The formats' own validators, where Python has them.
  @Test func validatorsFindNothing() throws {
    let script = """
      import sys
      path, kind = sys.argv[1:]
      text = open(path).read()
      if kind.startswith("spdx"):
        try: from spdx_tools.spdx.parser.parse_anything import parse_file; from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
        except ImportError: sys.exit(3)
        for message in validate_full_spdx_document(parse_file(path)): print(message.validation_message)
      else:
        try: from cyclonedx.validation.json import JsonStrictValidator; from cyclonedx.schema import SchemaVersion
        except ImportError: sys.exit(3)
        version = SchemaVersion.V1_5 if kind.endswith("1.5") else SchemaVersion.V1_6
        found = JsonStrictValidator(version).validate_str(text)
        if found: print(found)
      """
    let folder = URL(fileURLWithPath: try makeTestDirectory("bill").string)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (format, bytes) in try documents() {
      let file = folder.appendingPathComponent(format == .spdxJSON ? "x.spdx.json" : format == .spdxTagValue ? "x.spdx" : "\(format).json")
      try Data(bytes).write(to: file)
      guard let answer = try python(script, [file.path, format.rawValue]) else {
        print("SKIPPED: validation of \(format.rawValue): Python's spdx-tools and cyclonedx-python-lib[validation] are needed")
        continue
      }
      #expect(String(decoding: answer, as: UTF8.self) == "", "\(format)")
    }
  }

  @Test(arguments: [
    (["MIT"], LicenseExpression.identifier("MIT")), (["GPL-2.0-only WITH Classpath-exception-2.0"], .expression("GPL-2.0-only WITH Classpath-exception-2.0")),
    (["MIT and (BSD-3-Clause or Zlib)"], .expression("MIT AND (BSD-3-Clause OR Zlib)")), (["MIT", "Zlib"], .expression("MIT AND Zlib")),
    (["GPL-2+"], .text("GPL-2+")), (["MIT OR"], .text("MIT OR")), (["(MIT"], .text("(MIT")), (["MIT", "Mine"], .text("MIT, Mine")),
  ])
  func knowsLicenses(_ statements: [String], _ expected: LicenseExpression) { #expect(LicenseExpression(statements) == expected) }

  @Test func endsWithDeepLicenses() {
    let deep = String(repeating: "(", count: 1000) + "MIT" + String(repeating: ")", count: 1000)
    #expect(LicenseExpression([deep]) == .text(deep))
    #expect(LicenseExpression([]) == nil)
  }
}
