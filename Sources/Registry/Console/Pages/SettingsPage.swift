internal import DistributionSpec
internal import ImageSpec
internal import RegistryServer

/// `/ui/r/<name>/-/settings`: how a repository is set up. Changed with `aws ecr`, not here.
extension Console {
  func settings(_ name: String, _ visit: Visit) throws -> Page {
    let repository = try visit.registry.repository(name)
    var fields = try heading(repository, visit)
    fields["tabs"] = try Self.tabs(name, "settings", visit)
    let rule = repository.mutability
    fields["mutability"] =
      switch rule.rule {
      case .mutable: "A tag may be moved to another image."
      case .immutable: "A tag stays at the image that it was first given to."
      case .mutableExcept: "A tag may be moved to another image, except for those that match:"
      case .immutableExcept: "A tag stays at the image that it was first given to, except for those that match:"
      }
    fields["mutabilityName"] = rule.rule.rawValue
    fields["exclusions"] = rule.rule.hasExclusions ? rule.exclusions : []
    if try visit.may("ecr:GetRepositoryPolicy", name) {
      let policy = try visit.registry.repositorySetting(.repositoryPolicy, of: name, as: String.self)
      fields["showsPolicy"] = true
      fields["policyText"] = policy.map { ReadableJSON.format(Array($0.utf8)) ?? Formats.cut($0, 100_000) }
    }
    let frequency = try visit.registry.scanFrequency(name).frequency
    fields["scanning"] =
      switch frequency {
      case .manual: "Images are scanned when somebody asks for it."
      case .onPush: "Images are scanned when they are pushed."
      case .continuous: "Images are scanned when they are pushed, and again when what is known of vulnerabilities changes."
      }
    let labels = repository.labels.sorted { $0.key < $1.key }.prefix(200)
    fields["labels"] = labels.map { ["key": $0.key, "value": $0.value] }
    fields["hasLabels"] = !labels.isEmpty
    return Page("settings", title: "Settings of \(name)", fields: fields)
  }
}
