/// The same document as tags and values. (SPDX 2.3, 4.4)
enum SPDXTagValue {
  static func text(_ document: SPDXDocument) -> [UInt8] {
    var text = ""
    func add(_ tag: String, _ value: String?) {
      guard let value else { return }
      // A value of several lines stands between marks. Marks in a stranger's text would begin or end it elsewhere.
      let plain = unmarked(value)
      text += plain.contains { $0.isNewline } ? "\(tag): <text>\(plain)</text>\n" : "\(tag): \(plain)\n"
    }
    add("SPDXVersion", document.spdxVersion)
    add("DataLicense", document.dataLicense)
    add("SPDXID", document.SPDXID)
    add("DocumentName", document.name)
    add("DocumentNamespace", document.documentNamespace)
    for creator in document.creationInfo.creators { add("Creator", creator) }
    add("Created", document.creationInfo.created)
    for package in document.packages {
      text += "\n"
      add("PackageName", package.name)
      add("SPDXID", package.SPDXID)
      add("PackageVersion", package.versionInfo)
      add("PackageSupplier", package.supplier)
      add("PackageDownloadLocation", package.downloadLocation)
      add("FilesAnalyzed", package.filesAnalyzed ? "true" : "false")
      for checksum in package.checksums ?? [] { add("PackageChecksum", "\(checksum.algorithm): \(checksum.checksumValue)") }
      add("PackageSourceInfo", package.sourceInfo)
      add("PackageLicenseConcluded", package.licenseConcluded)
      add("PackageLicenseDeclared", package.licenseDeclared)
      add("PackageCopyrightText", package.copyrightText)
      for reference in package.externalRefs ?? [] {
        add("ExternalRef", "\(reference.referenceCategory) \(reference.referenceType) \(reference.referenceLocator)")
      }
      add("PrimaryPackagePurpose", package.primaryPackagePurpose)
    }
    for license in document.hasExtractedLicensingInfos ?? [] {
      text += "\n"
      add("LicenseID", license.licenseId)
      text += "ExtractedText: <text>\(unmarked(license.extractedText))</text>\n"
      add("LicenseName", license.name)
    }
    text += "\n"
    for relationship in document.relationships {
      add(
        "Relationship",
        "\(relationship.spdxElementId) \(relationship.relationshipType) \(relationship.relatedSpdxElement)")
    }
    return Array(text.utf8)
  }

  /// Without marks. What takes their place can be no part of another one. By bytes: with an accent, the end of one would
  /// be another character.
  private static func unmarked(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "<")) else { return text }
    let bytes = Array(text.utf8).replacing(Array("</text>".utf8), with: Array("(/text)".utf8))
      .replacing(Array("<text>".utf8), with: Array("(text)".utf8))
    return String(decoding: bytes, as: UTF8.self)
  }
}
