internal import DistributionSpec
internal import ImageSpec
internal import RegistryServer
internal import Scanning

/// `…/findings`: what the last scan of an image found. `…/bill/<form>`: what the image consists of.
extension Console {
  private static let findingsPerPage = 100

  func findings(_ name: String, _ digest: Digest, _ visit: Visit) throws -> Page {
    try visit.check("ecr:DescribeImageScanFindings", name)
    var fields = try heading(try visit.registry.repository(name), visit)
    fields["summary"] = nil
    fields["image"] = digest.short
    fields["imageLink"] = ConsoleRoute.image(name, digest).path
    fields["scan"] = try scanSummary(name, digest, visit)
    let start = max(0, Int(visit.request.query["from"] ?? "") ?? 0)
    let found = try visit.registry.scanFindings(of: digest, in: name, from: start, limit: Self.findingsPerPage + 1)
    let shown = found.prefix(Self.findingsPerPage)
    fields["rows"] = shown.map(Self.row)
    fields["hasRows"] = !shown.isEmpty
    let path = ConsoleRoute.findings(name, digest).path
    fields["leaf"] = Self.leaf(
      previous: start > 0 ? "\(path)?from=\(max(0, start - Self.findingsPerPage))" : nil,
      next: found.count > shown.count ? "\(path)?from=\(start + shown.count)" : nil,
      "\(Formats.count(start + 1))–\(Formats.count(start + shown.count))", isNeeded: start > 0 || found.count > shown.count)
    return Page("findings", title: "Findings in \(name)@\(digest.short)", fields: fields)
  }

  private static func row(_ finding: Finding) -> Fields {
    [
      "name": Formats.cut(finding.name, 120), "severity": finding.severity.rawValue.lowercased(),
      "isBad": finding.severity >= .high, "title": Formats.cut(finding.title ?? finding.description ?? "", 200),
      "package": Formats.cut(finding.package.name, 200), "version": Formats.cut(finding.package.version, 120),
      "fixed": Formats.cut(finding.fixedVersion ?? "", 120), "where": Formats.cut(finding.package.path, 300),
      "address": finding.uri.hasPrefix("https://") ? (Formats.cut(finding.uri, 500) as any Sendable) : false,
    ]
  }

  /// How the last scan went, for an image's own page and that of its findings. nil for what cannot be scanned.
  func scanSummary(_ name: String, _ digest: Digest, _ visit: Visit) throws -> Fields {
    var fields: Fields = [
      "link": ConsoleRoute.findings(name, digest).path,
      "bills": [("SPDX", BillFormat.spdxJSON), ("CycloneDX", .cycloneDXJSON)].map {
        ["name": $0.0, "link": ConsoleRoute.bill(name, digest, $0.1).path]
      },
      "isComplete": false, "isClean": false, "state": "This image was not scanned.", "counts": [Fields](),
    ]
    guard try visit.may("ecr:DescribeImageScanFindings", name) else {
      fields["state"] = ""
      return fields
    }
    guard let report = try visit.registry.scanReport(of: digest, in: name) else { return fields }
    switch report.status {
    case .complete:
      let found = Severity.allCases.reversed().compactMap { severity -> Fields? in
        guard let count = report.counts[severity], count > 0 else { return nil }
        return ["severity": severity.rawValue.lowercased(), "count": Formats.count(count), "isBad": severity >= .high]
      }
      fields["isComplete"] = true
      fields["isClean"] = found.isEmpty
      fields["counts"] = found
      fields["state"] = "Scanned \(Formats.age(report.completed ?? report.requested, now: visit.now))."
    case .pending, .inProgress: fields["state"] = "A scan is under way."
    case .failed, .unsupported: fields["state"] = "It could not be scanned: \(Formats.cut(report.description ?? "", 400))"
    }
    return fields
  }

  /// Reads the image's layers. One at a time.
  func bill(_ name: String, _ digest: Digest, _ format: BillFormat, _ visit: Visit) throws -> Content {
    let named = "\(visit.imagePrefix)/\(name)@\(digest)"
    let bytes = try billing.withLockIfAvailable { _ in
      try visit.registry.billOfMaterials(digest, in: name, as: format, named: named)
    }
    guard let bytes else { throw ConsoleError.busy }
    return .file(bytes, type: format.mediaType, name: "\(digest.short).\(format.rawValue)")
  }
}
