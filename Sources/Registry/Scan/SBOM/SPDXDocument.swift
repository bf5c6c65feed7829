internal import ImageSpec

/// SPDX 2.3, as its JSON schema has it.
struct SPDXDocument: Encodable {
  struct CreationInfo: Encodable {
    let created: String
    let creators: [String]
  }

  struct ExternalReference: Encodable {
    let referenceCategory = "PACKAGE-MANAGER"
    let referenceType = "purl"
    let referenceLocator: String
  }

  struct Checksum: Encodable {
    let algorithm: String
    let checksumValue: String
  }

  struct Package: Encodable {
    let SPDXID: String
    let name: String
    var versionInfo: String?
    var supplier: String?
    let downloadLocation = "NOASSERTION"
    let filesAnalyzed = false
    var checksums: [Checksum]?
    var sourceInfo: String?
    let licenseConcluded = "NOASSERTION"
    var licenseDeclared = "NOASSERTION"
    let copyrightText = "NOASSERTION"
    var externalRefs: [ExternalReference]?
    var primaryPackagePurpose: String?
  }

  struct ExtractedLicense: Encodable {
    let licenseId: String
    let extractedText: String
    let name: String
  }

  struct Relationship: Encodable {
    let spdxElementId: String
    let relationshipType: String
    let relatedSpdxElement: String
  }

  let spdxVersion = "SPDX-2.3"
  let dataLicense = "CC0-1.0"
  let SPDXID = "SPDXRef-DOCUMENT"
  let name: String
  let documentNamespace: String
  let creationInfo: CreationInfo
  var packages: [Package] = []
  var hasExtractedLicensingInfos: [ExtractedLicense]?
  var relationships: [Relationship] = []

  init(_ bill: BillOfMaterials) {
    name = bill.name
    documentNamespace = "https://spdx.org/spdxdocs/\(BillOfMaterials.tool)-\(bill.identifier("spdx"))"
    creationInfo = CreationInfo(
      created: bill.timestamp, creators: ["Tool: \(BillOfMaterials.tool)"])
    addImage(bill)
    if let system = bill.image.system { addSystem(system) }
    var licenses = OwnLicenses()
    for (index, package) in bill.image.packages.enumerated() {
      let declared = licenses.declared(package.licenses)
      add(package, index, bill.image.system, declared)
    }
    if !licenses.all.isEmpty { hasExtractedLicensingInfos = licenses.all }
  }

  private static let imageID = "SPDXRef-Image"

  private mutating func addImage(_ bill: BillOfMaterials) {
    let digest = bill.image.digest
    packages.append(
      Package(
        SPDXID: Self.imageID, name: bill.name, versionInfo: digest.description,
        checksums: [.init(algorithm: digest.algorithm == .sha256 ? "SHA256" : "SHA512", checksumValue: digest.hex)],
        externalRefs: [.init(referenceLocator: bill.imageURL)], primaryPackagePurpose: "CONTAINER"))
    relationships.append(
      .init(spdxElementId: SPDXID, relationshipType: "DESCRIBES", relatedSpdxElement: Self.imageID))
  }

  private mutating func addSystem(_ system: OperatingSystem) {
    let id = "SPDXRef-OperatingSystem"
    packages.append(
      Package(
        SPDXID: id, name: system.id, versionInfo: system.versionID.isEmpty ? nil : system.versionID,
        primaryPackagePurpose: "OPERATING-SYSTEM"))
    relationships.append(.init(spdxElementId: Self.imageID, relationshipType: "CONTAINS", relatedSpdxElement: id))
  }

  private mutating func add(
    _ package: Scanning.Package, _ index: Int, _ system: OperatingSystem?, _ licenseDeclared: String
  ) {
    let id = "SPDXRef-Package-\(index + 1)"
    let layer = package.layer.map { " in the layer \($0)" } ?? ""
    packages.append(
      Package(
        SPDXID: id, name: package.name, versionInfo: package.version,
        supplier: package.supplier.flatMap { Self.supplier($0, package.kind) }, sourceInfo: "found by /\(package.path)\(layer)",
        licenseDeclared: licenseDeclared,
        externalRefs: [.init(referenceLocator: PackageURL.of(package, system: system))]))
    relationships.append(.init(spdxElementId: Self.imageID, relationshipType: "CONTAINS", relatedSpdxElement: id))
  }

  /// `Name <address>` as `Person: Name (address)`. nil where there is no name.
  private static func supplier(_ text: String, _ kind: PackageKind) -> String? {
    let text = text.split { $0.isWhitespace || $0.isNewline }.joined(separator: " ")
    let name = text.prefix { $0 != "<" && $0 != "(" }.trimmed
    guard !name.isEmpty, name.utf8.count <= 200 else { return nil }
    let address = text.drop { $0 != "<" }.dropFirst().prefix { $0 != ">" }
    let isAddress = address.contains("@") && !address.contains { $0 == " " || $0 == "(" || $0 == ")" }
    return "\(kind == .rpm ? "Organization" : "Person"): \(name)" + (isAddress ? " (\(address))" : "")
  }
}

/// What is no expression of listed licenses becomes a license of the document's own, each text once.
private struct OwnLicenses {
  private(set) var all: [SPDXDocument.ExtractedLicense] = []
  private var ids: [String: String] = [:]

  mutating func declared(_ licenses: [String]) -> String {
    switch LicenseExpression(licenses) {
    case nil: return "NOASSERTION"
    case .identifier(let text), .expression(let text): return text
    case .text(let text):
      if let known = ids[text] { return known }
      let id = "LicenseRef-\(all.count + 1)"
      ids[text] = id
      all.append(.init(licenseId: id, extractedText: text, name: String(text.prefix(120))))
      return id
    }
  }
}
