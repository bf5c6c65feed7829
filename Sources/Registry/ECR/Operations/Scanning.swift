internal import Lifecycle
internal import RegistryServer

/// Scanning of images.
extension Operation {
  static let scanning: [Operation] = [
    Operation(PutImageScanningConfiguration.self), Operation(BatchGetRepositoryScanningConfiguration.self),
    Operation(PutRegistryScanningConfiguration.self), Operation(GetRegistryScanningConfiguration.self),
    Operation(StartImageScan.self), Operation(DescribeImageScanFindings.self),
  ]
}

extension ECRError {
  static func unsupportedImageType(_ image: ImageIdentifier, repository: String, registry: String) -> ECRError {
    ECRError(
      "UnsupportedImageTypeException",
      "The image with imageId \(image) in the repository with name '\(repository)' in the registry with id '\(registry)' "
        + "is of a type that is not supported for scanning")
  }
  static func scanNotFound(_ image: ImageIdentifier, repository: String, registry: String) -> ECRError {
    ECRError(
      "ScanNotFoundException",
      "Image scan does not exist for the image with '\(image)' in the repository with name '\(repository)' in the "
        + "registry with id '\(registry)'")
  }
}

/// `scanOnPush` of a repository; left out, it is off.
struct ImageScanningConfiguration: Codable, Sendable {
  var scanOnPush: Bool?
}

struct PutImageScanningConfiguration: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageScanningConfiguration: ImageScanningConfiguration

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageScanningConfiguration }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let imageScanningConfiguration: ImageScanningConfiguration
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let isOn = imageScanningConfiguration.scanOnPush ?? false
    try call.naming(repositoryName) { try call.registry.setScansOnPush(isOn, repositoryName) }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName, imageScanningConfiguration: .init(scanOnPush: isOn))
  }
}

/// A filter of repositories' names, of the one type that there is.
struct RepositoryFilter: Codable, Sendable {
  let filter: String
  let filterType: String

  init(_ filter: String) {
    self.filter = filter
    filterType = "WILDCARD"
  }
}

struct BatchGetRepositoryScanningConfiguration: OperationInput {
  var repositoryNames: [String]

  enum CodingKeys: String, CodingKey, CaseIterable { case repositoryNames }

  struct Configuration: Encodable {
    let repositoryArn: String
    let repositoryName: String
    let scanOnPush: Bool
    let scanFrequency: String
    let appliedScanFilters: [RepositoryFilter]
  }

  struct Failure: Encodable {
    let repositoryName: String
    let failureCode = "REPOSITORY_NOT_FOUND"
    let failureReason: String
  }

  struct Output: Encodable {
    var scanningConfigurations: [Configuration] = []
    var failures: [Failure] = []
  }

  func run(_ call: Call) throws -> Output {
    var output = Output()
    for name in repositoryNames {
      do {
        let found = try call.registry.scanFrequency(name)
        output.scanningConfigurations.append(
          Configuration(
            repositoryArn: call.arn(name), repositoryName: name, scanOnPush: found.frequency != .manual,
            scanFrequency: found.frequency.rawValue, appliedScanFilters: found.filters.map(RepositoryFilter.init)))
      } catch RegistryError.repositoryUnknown {
        let reason = ECRError.repositoryNotFound(name, registry: call.registryID).description
        output.failures.append(Failure(repositoryName: name, failureReason: reason))
      }
    }
    return output
  }
}

/// The registry's configuration as the wire has it.
struct RegistryScanning: Encodable {
  struct Rule: Codable, Sendable {
    let scanFrequency: String
    let repositoryFilters: [RepositoryFilter]
  }

  let scanType: String
  let rules: [Rule]

  init(_ configuration: ScanningConfiguration) {
    scanType = configuration.kind.rawValue
    rules = configuration.rules.map { rule in
      Rule(scanFrequency: rule.frequency.rawValue, repositoryFilters: rule.filters.map(RepositoryFilter.init))
    }
  }
}

struct PutRegistryScanningConfiguration: OperationInput {
  var scanType: String?
  var rules: [RegistryScanning.Rule]?

  enum CodingKeys: String, CodingKey, CaseIterable { case scanType, rules }

  struct Output: Encodable { let registryScanningConfiguration: RegistryScanning }

  func run(_ call: Call) throws -> Output {
    let configuration = ScanningConfiguration(
      scanType.flatMap(ScanningConfiguration.Kind.init) ?? .basic, rules: try (rules ?? []).map(rule))
    let frequencies = configuration.rules.map(\.frequency)
    guard Set(frequencies).count == frequencies.count else {
      throw ECRError.invalidParameter("rules", "a scan frequency has one rule")
    }
    let refused: ScanningConfiguration.Frequency = configuration.kind == .basic ? .continuous : .manual
    guard !frequencies.contains(refused) else {
      throw ECRError.invalidParameter(
        "rules", "the scan frequency \(refused.rawValue) is not supported for the scan type \(configuration.kind.rawValue)")
    }
    try call.registry.setScanningConfiguration(configuration)
    return Output(registryScanningConfiguration: RegistryScanning(configuration))
  }

  private func rule(_ rule: RegistryScanning.Rule) throws -> ScanningConfiguration.Rule {
    guard let frequency = ScanningConfiguration.Frequency(rawValue: rule.scanFrequency) else {
      throw ECRError.invalidParameter("rules.scanFrequency", "Member must satisfy enum value set")
    }
    return .init(frequency, filters: rule.repositoryFilters.map(\.filter))
  }
}

struct GetRegistryScanningConfiguration: OperationInput {
  /// It takes nothing.
  enum CodingKeys: CodingKey, CaseIterable {}

  struct Output: Encodable {
    let registryId: String
    let scanningConfiguration: RegistryScanning
  }

  func run(_ call: Call) throws -> Output {
    Output(
      registryId: call.registryID, scanningConfiguration: RegistryScanning(try call.registry.scanningConfiguration()))
  }
}

/// The state of an image's scan on the wire.
struct ImageScanStatus: Encodable {
  let status: String
  let description: String?

  init(_ report: ScanReport, of storage: StorageClass, isContinuous: Bool) {
    if storage == .archive {
      status = "IMAGE_ARCHIVED"
      description = "The image is archived; restore it to scan it."
    } else if report.status == .complete, isContinuous {
      status = "ACTIVE"
      description = "Continuous scan is selected for image."
    } else {
      status = report.status.rawValue
      description = report.description
    }
  }
}

extension Call {
  /// Whether the images of a repository are scanned continuously.
  func scansContinuously(_ repository: String) throws -> Bool {
    try registry.scanFrequency(repository).frequency == .continuous
  }
}

struct StartImageScan: OperationInput {
  var registryId: String?
  var repositoryName: String
  var imageId: ImageIdentifier

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, imageId }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let imageId: ImageIdentifier
    let imageScanStatus: ImageScanStatus
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let manifest = try call.naming(repositoryName) { try call.image(imageId, in: repositoryName) }
    guard try call.registry.scanningConfiguration().kind == .basic else {
      throw ECRError.validation("This feature is disabled")
    }
    guard manifest.storageClass == .standard else {
      throw ECRError(
        "ImageArchivedException", "The image with imageId \(imageId) is archived and cannot be scanned; restore it first")
    }
    do {
      try call.server.scans.start(manifest.digest, in: repositoryName, of: call.registry)
    } catch ScanRefusal.unsupportedImage {
      throw ECRError.unsupportedImageType(imageId, repository: repositoryName, registry: call.registryID)
    } catch ScanRefusal.archived {
      throw ECRError(
        "ImageArchivedException",
        "The image with imageId \(imageId) in the repository with name '\(repositoryName)' in the registry with id "
          + "'\(call.registryID)' is archived; restore it to scan it")
    } catch ScanRefusal.scannedLately {
      throw ECRError.limitExceeded(
        "The scan quota per image has been exceeded. Wait and try again: an image is scanned once in 24 hours.")
    }
    guard let report = try call.registry.scanReport(of: manifest.digest, in: repositoryName) else {
      throw ECRError.imageNotFound(imageId, repository: repositoryName, registry: call.registryID)
    }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName,
      imageId: ImageIdentifier(digest: manifest.digest, tag: imageId.imageTag),
      imageScanStatus: ImageScanStatus(report, of: .standard, isContinuous: false))
  }
}
