/// Reads a record in OSV's format. (OSV schema 1.7)
enum AdvisoryParser {
  enum Failure: Error, Hashable, CustomStringConvertible {
    case notARecord(String)
    case malformed(String)

    var description: String {
      switch self {
      case .notARecord(let what): "not a record in OSV's format: \(what)"
      case .malformed(let reason): reason
      }
    }
  }

  private static let textLimit = 4096
  private static let listLimit = 100
  /// Of one package.
  private static let versionsLimit = 50_000
  private static let eventsLimit = 1000

  static func advisory(_ bytes: [UInt8]) throws(Failure) -> Advisory {
    let document: JSON
    do { document = try JSON(parsing: bytes) } catch { throw .malformed(error.description) }
    return try advisory(document)
  }

  static func advisory(_ document: JSON) throws(Failure) -> Advisory {
    guard let id = document["id"]?.string, (1...256).contains(id.utf8.count) else { throw .notARecord("it has no id") }
    guard let modified = document["modified"]?.string, modified.utf8.count <= 64 else {
      throw .notARecord("\"\(id)\" does not say when it was modified")
    }
    var advisory = Advisory(id: id, modified: modified)
    advisory.published = document["published"]?.string
    advisory.withdrawn = document["withdrawn"]?.string
    advisory.aliases = Array((document["aliases"]?.strings ?? []).prefix(listLimit))
    advisory.upstream = Array((document["upstream"]?.strings ?? []).prefix(listLimit))
    advisory.summary = text(document["summary"])
    advisory.details = text(document["details"])
    (advisory.vectors, advisory.severity) = severity(document)
    advisory.references = (document["references"]?.array ?? []).prefix(20).compactMap { $0["url"]?.string }
    for entry in document["affected"]?.array ?? [] {
      if let package = affected(entry) { advisory.affected.append(package) }
    }
    return advisory
  }

  private static func text(_ value: JSON?) -> String? {
    guard let text = value?.string, !text.isEmpty else { return nil }
    return text.utf8.count <= textLimit ? text : String(decoding: text.utf8.prefix(textLimit), as: UTF8.self) + "…"
  }

  /// Vectors, and what the source itself calls it: Ubuntu as a severity of its own type, GitHub and Debian in what is
  /// specific to the database or ecosystem.
  private static func severity(_ value: JSON) -> (vectors: [String], word: Severity?) {
    var vectors: [String] = []
    var word: Severity?
    for entry in (value["severity"]?.array ?? []).prefix(listLimit) {
      guard let score = entry["score"]?.string else { continue }
      if entry["type"]?.string?.hasPrefix("CVSS_") == true {
        vectors.append(score)
      } else {
        word = Severity(word: score) ?? word
      }
    }
    for place in ["ecosystem_specific", "database_specific"] {
      guard word == nil else { break }
      word = (value[place]?["severity"] ?? value[place]?["urgency"])?.string.flatMap { Severity(word: $0) }
    }
    return (vectors, word)
  }

  /// nil for a package that is not looked for, and for one that only commits are known of.
  private static func affected(_ entry: JSON) -> AffectedPackage? {
    guard let ecosystem = entry["package"]?["ecosystem"]?.string, let scheme = Ecosystem.versions(ecosystem),
      let name = entry["package"]?["name"]?.string, (1...512).contains(name.utf8.count), ecosystem.utf8.count <= 256
    else { return nil }
    var package = AffectedPackage(ecosystem: ecosystem, name: Ecosystem.normal(name, ecosystem))
    for range in (entry["ranges"]?.array ?? []).prefix(listLimit) {
      let type = range["type"]?.string
      guard type == "SEMVER" || type == "ECOSYSTEM" else { continue }
      let events = (range["events"]?.array ?? []).prefix(eventsLimit).compactMap(event)
      if !events.isEmpty { package.ranges.append(AffectedRange(isSemantic: type == "SEMVER", events: events, scheme)) }
    }
    // Most lists only spell out what the ranges say.
    package.versions = (entry["versions"]?.strings ?? []).prefix(versionsLimit).filter { version in
      !package.ranges.contains { $0.contains(version, scheme) }
    }
    guard !package.ranges.isEmpty || !package.versions.isEmpty else { return nil }
    (package.vectors, package.severity) = severity(entry)
    return package
  }

  private static func event(_ entry: JSON) -> AffectedRange.Event? {
    if let version = entry["introduced"]?.string { return .introduced(version) }
    if let version = entry["fixed"]?.string { return .fixed(version) }
    if let version = entry["last_affected"]?.string { return .lastAffected(version) }
    return entry["limit"]?.string.map { .limit($0) }
  }
}
