internal import DistributionSpec
internal import ImageSpec
internal import Lifecycle
internal import RegistryServer

/// `/ui/r/<name>/-/lifecycle`: a repository's lifecycle policy, and what it would do at this moment.
extension Console {
  /// Manifests of a repository that a page still counts through; for larger ones, `aws ecr start-lifecycle-policy-preview`
  /// does it in the background.
  private static let planLimit = 20_000
  private static let shownImages = 200

  func lifecycle(_ name: String, _ visit: Visit) throws -> Page {
    try visit.check("ecr:GetLifecyclePolicy", name)
    var fields = try heading(try visit.registry.repository(name), visit)
    fields["tabs"] = try Self.tabs(name, "lifecycle", visit)
    let page = "Lifecycle of \(name)"
    guard let stored = try visit.registry.lifecyclePolicy(of: name) else {
      fields["hasNoPolicy"] = true
      return Page("lifecycle", title: page, fields: fields)
    }
    let policy = try LifecyclePolicy(parsing: stored.text)
    fields["policyText"] = ReadableJSON.format(Array(stored.text.utf8)) ?? stored.text
    fields["rules"] = policy.rules.map(Self.rule)
    fields["evaluated"] = stored.evaluated.map(visit.age) ?? ["text": "not yet", "stamp": ""]
    if let figures = try list.figures(of: name, visit.registry), figures.manifests > Self.planLimit {
      fields["isTooLarge"] = true
    } else {
      try fill(&fields, try visit.registry.planLifecycle(policy, of: name), name, visit)
    }
    return Page("lifecycle", title: page, fields: fields)
  }

  private func fill(_ fields: inout Fields, _ plan: LifecyclePlan, _ name: String, _ visit: Visit) throws {
    let shown = Array(plan.decisions.prefix(Self.shownImages))
    let manifests = try visit.registry.manifests(withIDs: shown.map(\.image), tagLimit: 8)
    fields["isPlanned"] = true
    fields["doesNothing"] = plan.decisions.isEmpty
    fields["outcome"] = [
      ["figure": Formats.count(plan.outcome.expired), "what": "would be deleted"],
      ["figure": Formats.count(plan.outcome.archived), "what": "would be archived"],
    ]
    fields["rows"] = shown.compactMap { decision -> Fields? in
      guard let manifest = manifests[decision.image] else { return nil }
      return [
        "digest": manifest.digest.short, "fullDigest": manifest.digest.description,
        "link": ConsoleRoute.image(name, manifest.digest).path, "tagText": manifest.tags.joined(separator: ", "),
        "size": Formats.size(manifest.contentSize), "pushed": visit.age(manifest.pushed),
        "action": decision.action == .expire ? "delete" : "archive", "isBad": decision.action == .expire,
        "rule": decision.rulePriority,
      ]
    }
    fields["hasRows"] = !shown.isEmpty
    fields["more"] = plan.decisions.count > shown.count ? Formats.count(plan.decisions.count - shown.count) : nil
  }

  private static func rule(_ rule: LifecyclePolicy.Rule) -> Fields {
    let tags =
      switch rule.tags {
      case .any: "any image"
      case .untagged: "images without a tag"
      case .all(let patterns): "images tagged \(patterns.map(\.text).joined(separator: " and "))"
      }
    let criterion =
      switch rule.criterion {
      case .imageCountMoreThan(let count): "all but the newest \(Formats.count(count))"
      case .sinceImagePushed(let days): "pushed more than \(Formats.plural(days, "day", "days")) ago"
      case .sinceImagePulled(let days): "not pulled for \(Formats.plural(days, "day", "days"))"
      case .sinceImageTransitioned(let days): "archived more than \(Formats.plural(days, "day", "days")) ago"
      }
    return [
      "priority": rule.priority, "what": rule.description.map { Formats.cut($0, 256) } ?? "", "whose": tags,
      "when": criterion, "action": rule.action == .expire ? "delete" : "archive", "isBad": rule.action == .expire,
    ]
  }
}
