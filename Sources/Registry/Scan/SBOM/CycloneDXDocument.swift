internal import ImageSpec

/// CycloneDX 1.5 and 1.6, as their JSON schemas have it.
struct CycloneDXDocument: Encodable {
  struct Named: Encodable { let name: String }

  struct LicenseChoice: Encodable {
    struct License: Encodable {
      var id: String?
      var name: String?
    }
    var license: License?
    var expression: String?
  }

  struct Property: Encodable {
    let name: String
    let value: String
  }

  struct Occurrences: Encodable {
    struct Occurrence: Encodable { let location: String }
    let occurrences: [Occurrence]
  }

  struct Component: Encodable {
    let type: String
    let reference: String?
    var supplier: Named?
    var group: String?
    let name: String
    var version: String?
    var licenses: [LicenseChoice]?
    var purl: String?
    var evidence: Occurrences?
    var properties: [Property]?

    enum CodingKeys: String, CodingKey {
      case type, supplier, group, name, version, licenses, purl, evidence, properties
      case reference = "bom-ref"
    }
  }

  struct Tools: Encodable { let components: [Component] }

  struct Metadata: Encodable {
    let timestamp: String
    let tools: Tools
    let component: Component
  }

  struct Dependency: Encodable {
    let ref: String
    let dependsOn: [String]
  }

  let schema: String
  let bomFormat = "CycloneDX"
  let specVersion: String
  let serialNumber: String
  let version = 1
  let metadata: Metadata
  let components: [Component]
  let dependencies: [Dependency]

  enum CodingKeys: String, CodingKey {
    case bomFormat, specVersion, serialNumber, version, metadata, components, dependencies
    case schema = "$schema"
  }

  init(_ bill: BillOfMaterials, version: String) {
    schema = "http://cyclonedx.org/schema/bom-\(version).schema.json"
    specVersion = version
    serialNumber = "urn:uuid:\(bill.identifier("cyclonedx"))"
    let image = Component(
      type: "container", reference: bill.imageURL, name: bill.name, version: bill.image.digest.description,
      purl: bill.imageURL)
    metadata = Metadata(
      timestamp: bill.timestamp,
      tools: Tools(components: [
        Component(type: "application", reference: nil, name: BillOfMaterials.tool)
      ]), component: image)
    var components: [Component] = []
    if let system = bill.image.system {
      components.append(
        Component(
          type: "operating-system", reference: "os:\(system.id)", name: system.id,
          version: system.versionID.isEmpty ? nil : system.versionID))
    }
    components += bill.image.packages.enumerated().map { Self.component($1, $0, bill.image.system) }
    self.components = components
    dependencies = [Dependency(ref: bill.imageURL, dependsOn: components.compactMap(\.reference))]
  }

  private static func component(_ package: Package, _ index: Int, _ system: OperatingSystem?) -> Component {
    var properties = [Property(name: "clipper:path", value: "/\(package.path)")]
    if let layer = package.layer { properties.append(Property(name: "clipper:layer", value: layer.description)) }
    let supplier = package.supplier.map { text in
      Named(name: String(text.prefix { $0 != "<" }.prefix(200).filter { !$0.isNewline }))
    }
    var component = Component(
      type: "library", reference: "\(index + 1):\(package.kind.rawValue)/\(package.name)@\(package.version)",
      supplier: supplier, name: package.name, version: package.version, licenses: licenses(package.licenses),
      purl: PackageURL.of(package, system: system),
      evidence: Occurrences(occurrences: [.init(location: "/\(package.path)")]), properties: properties)
    if package.kind == .maven, let colon = package.name.firstIndex(of: ":") {
      component = component.grouped(package.name[..<colon], package.name[package.name.index(after: colon)...])
    }
    return component
  }

  private static func licenses(_ statements: [String]) -> [LicenseChoice]? {
    switch LicenseExpression(statements) {
    case nil: nil
    case .identifier(let id): [LicenseChoice(license: .init(id: id))]
    case .expression(let expression): [LicenseChoice(expression: expression)]
    case .text(let text): [LicenseChoice(license: .init(name: String(text.prefix(500))))]
    }
  }
}

extension CycloneDXDocument.Component {
  fileprivate func grouped(_ group: Substring, _ name: Substring) -> CycloneDXDocument.Component {
    CycloneDXDocument.Component(
      type: type, reference: reference, supplier: supplier, group: String(group), name: String(name), version: version,
      licenses: licenses, purl: purl, evidence: evidence, properties: properties)
  }
}
