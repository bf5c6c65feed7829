internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer
internal import Scanning

struct DescribeImageScanFindings: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageId: ImageIdentifier
  var nextToken: String?
  var maxResults: Int?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageId, nextToken, maxResults }

  struct Findings: Encodable {
    var imageScanCompletedAt: Double?
    var vulnerabilitySourceUpdatedAt: Double?
    var findingSeverityCounts: [String: Int]
    var findings: [BasicFinding]?
    var enhancedFindings: [EnhancedFinding]?
  }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let imageId: ImageIdentifier
    let imageScanStatus: ImageScanStatus
    let imageScanFindings: Findings?
    let nextToken: String?
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let manifest = try call.naming(repositoryName) { try call.image(imageId, in: repositoryName) }
    guard let report = try call.registry.scanReport(of: manifest.digest, in: repositoryName) else {
      throw ECRError.scanNotFound(imageId, repository: repositoryName, registry: call.registryID)
    }
    let start = try Page.position(nextToken).map { text in
      guard let position = Int(text), position >= 0 else { throw Page.invalidToken }
      return position
    }
    let page = Page(maxResults)
    let isEnhanced = try call.registry.scanningConfiguration().kind == .enhanced
    var answer: Findings?
    var next: String?
    // What an earlier scan found is shown while the next one goes on.
    if report.completed != nil {
      let found = try call.registry.scanFindings(
        of: manifest.digest, in: repositoryName, from: start ?? 0, limit: page.limit + 1)
      let shown = found.prefix(page.limit)
      if found.count > page.limit { next = Page.token(String((start ?? 0) + page.limit)) }
      var findings = Findings(findingSeverityCounts: Self.counts(report))
      findings.imageScanCompletedAt = report.completed.map(seconds)
      findings.vulnerabilitySourceUpdatedAt = report.advisories.map(seconds)
      if isEnhanced {
        let image = EnhancedFinding.Image(manifest, repositoryName, call)
        findings.enhancedFindings = shown.map { EnhancedFinding($0, image, report, call) }
      } else {
        findings.findings = shown.map(BasicFinding.init)
      }
      answer = findings
    }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName,
      imageId: ImageIdentifier(digest: manifest.digest, tag: imageId.imageTag),
      imageScanStatus: ImageScanStatus(
        report, of: manifest.storageClass, isContinuous: try call.scansContinuously(repositoryName)),
      imageScanFindings: answer, nextToken: next)
  }

  static func counts(_ report: ScanReport) -> [String: Int] {
    Dictionary(uniqueKeysWithValues: report.counts.map { ($0.key.rawValue, $0.value) })
  }
}

/// What DescribeImages says of an image's findings.
struct ScanSummary: Encodable {
  let imageScanCompletedAt: Double
  let vulnerabilitySourceUpdatedAt: Double?
  let findingSeverityCounts: [String: Int]

  /// nil for an image whose scan has not come to its end.
  init?(_ report: ScanReport) {
    guard let completed = report.completed else { return nil }
    imageScanCompletedAt = seconds(completed)
    vulnerabilitySourceUpdatedAt = report.advisories.map(seconds)
    findingSeverityCounts = DescribeImageScanFindings.counts(report)
  }
}

/// A finding as basic scanning shows it.
struct BasicFinding: Encodable {
  struct Attribute: Encodable {
    let key: String
    let value: String
  }

  let name: String
  let description: String?
  let uri: String
  let severity: String
  let attributes: [Attribute]

  init(_ finding: Finding) {
    name = finding.name
    description = finding.description
    uri = finding.uri
    severity = finding.severity.rawValue
    var values: [(String, String?)] = [
      ("package_version", finding.package.version), ("package_name", finding.package.name),
      ("package_manager", finding.package.kind.manager), ("package_path", "/\(finding.package.path)"),
      ("fixed_in_version", finding.fixedVersion),
    ]
    if let cvss = finding.cvss {
      let version = cvss.version.rawValue.prefix(1)
      values += [("CVSS\(version)_VECTOR", cvss.vector), ("CVSS\(version)_SCORE", String(cvss.score))]
    }
    // Values have 256 characters at most. (botocore, ecr, AttributeValue)
    attributes = values.compactMap { key, value in value.map { Attribute(key: key, value: String($0.prefix(256))) } }
  }
}

extension PackageKind {
  /// As Amazon Inspector calls what manages such packages.
  var manager: String {
    switch self {
    case .deb, .rpm: "OS"
    case .apk: "APK"
    case .npm: "NODEPKG"
    case .pypi: "PYTHONPKG"
    case .gem: "GEMSPEC"
    case .golang: "GOMOD"
    case .cargo: "CARGO"
    case .composer: "COMPOSER"
    case .swift: "SWIFTPM"
    case .maven: "JAR"
    }
  }
}

/// A finding as enhanced scanning shows it.
struct EnhancedFinding: Encodable {
  struct Cvss: Encodable {
    let baseScore: Double
    let scoringVector: String
    let source: String
    let version: String
  }

  struct VulnerablePackage: Encodable {
    let arch: String?
    let epoch: Int?
    let filePath: String
    let name: String
    let packageManager: String
    let release: String?
    let sourceLayerHash: String?
    let version: String
    let fixedInVersion: String

    /// Epoch and release stand apart from the version of a system's package.
    init(_ finding: Finding) {
      let package = finding.package
      var text = package.version[...]
      var (epoch, release): (Int?, String?) = (nil, nil)
      if package.kind == .deb || package.kind == .rpm {
        if let colon = text.firstIndex(of: ":"), let number = Int(text[..<colon]) {
          epoch = number
          text = text[text.index(after: colon)...]
        }
        if let hyphen = text.lastIndex(of: "-") {
          release = String(text[text.index(after: hyphen)...])
          text = text[..<hyphen]
        }
      }
      (self.epoch, self.release, version) = (epoch, release, String(text))
      arch = package.architecture
      filePath = package.path
      name = package.name
      packageManager = package.kind.manager
      sourceLayerHash = package.layer?.description
      fixedInVersion = finding.fixedVersion ?? "NotAvailable"
    }
  }

  struct Details: Encodable {
    let cvss: [Cvss]
    let referenceUrls: [String]
    let relatedVulnerabilities: [String]
    let source: String
    let sourceUrl: String
    let vendorCreatedAt: Double?
    let vendorSeverity: String
    let vendorUpdatedAt: Double?
    let vulnerabilityId: String
    let vulnerablePackages: [VulnerablePackage]
  }

  struct Remediation: Encodable {
    struct Recommendation: Encodable { let text: String }
    let recommendation: Recommendation
  }

  struct ScoreDetails: Encodable {
    struct Score: Encodable {
      let adjustments: [String] = []
      let score: Double
      let scoreSource: String
      let scoringVector: String
      let version: String
    }
    let cvss: Score
  }

  /// The image that a finding is of.
  struct Image: Encodable {
    struct Details: Encodable {
      struct Container: Encodable {
        let imageHash: String
        let imageTags: [String]
        let pushedAt: Double
        let registry: String
        let repositoryName: String
      }
      let awsEcrContainerImage: Container
    }

    let details: Details
    let id: String
    let type = "AWS_ECR_CONTAINER_IMAGE"

    init(_ manifest: StoredManifest, _ repository: String, _ call: Call) {
      id = "\(call.arn(repository))/\(manifest.digest)"
      details = Details(
        awsEcrContainerImage: .init(
          imageHash: manifest.digest.description, imageTags: manifest.tags, pushedAt: seconds(manifest.pushed),
          registry: call.registryID, repositoryName: repository))
    }
  }

  let awsAccountId: String
  let description: String?
  let findingArn: String
  let firstObservedAt: Double?
  let lastObservedAt: Double?
  let packageVulnerabilityDetails: Details
  let remediation: Remediation
  let resources: [Image]
  let score: Double?
  let scoreDetails: ScoreDetails?
  let severity: String
  let status = "ACTIVE"
  let title: String
  let type = "PACKAGE_VULNERABILITY"
  let updatedAt: Double?
  let fixAvailable: String

  init(_ finding: Finding, _ image: Image, _ report: ScanReport, _ call: Call) {
    let package = finding.package
    let source = String(finding.record.prefix { $0 != "-" })
    awsAccountId = call.registryID
    description = finding.description
    // The same finding has the same name in every scan.
    let key = "\(image.id)\n\(finding.name)\n\(package.kind.rawValue)\n\(package.name)\n\(package.version)"
    findingArn = "arn:aws:inspector2:\(call.region):\(call.registryID):finding/\(payloadHash(Array(key.utf8)).prefix(32))"
    firstObservedAt = report.completed.map(seconds)
    lastObservedAt = firstObservedAt
    updatedAt = firstObservedAt
    packageVulnerabilityDetails = Details(
      cvss: finding.cvss.map {
        [Cvss(baseScore: $0.score, scoringVector: $0.vector, source: source, version: $0.version.rawValue)]
      } ?? [],
      referenceUrls: finding.references, relatedVulnerabilities: finding.related, source: source, sourceUrl: finding.uri,
      vendorCreatedAt: finding.published.flatMap(Self.time), vendorSeverity: finding.severity.rawValue,
      vendorUpdatedAt: Self.time(finding.modified), vulnerabilityId: finding.name,
      vulnerablePackages: [VulnerablePackage(finding)])
    remediation = Remediation(
      recommendation: .init(
        text: finding.fixedVersion.map { "Update \(package.name) to \($0) or later." } ?? "None Provided"))
    resources = [image]
    score = finding.cvss?.score
    scoreDetails = finding.cvss.map {
      ScoreDetails(
        cvss: .init(score: $0.score, scoreSource: source, scoringVector: $0.vector, version: $0.version.rawValue))
    }
    severity = finding.severity == .undefined ? "UNTRIAGED" : finding.severity.rawValue
    title = "\(finding.name) - \(package.name)"
    fixAvailable = finding.fixedVersion == nil ? "NO" : "YES"
  }

  /// Of an RFC 3339 time, without its fraction.
  private static func time(_ text: String) -> Double? {
    let whole = text.firstIndex(of: ".").map { "\(text[..<$0])Z" } ?? text
    return (try? Date(whole, strategy: .iso8601))?.timeIntervalSince1970
  }
}
