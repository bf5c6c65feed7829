internal import ArgumentParser
internal import Engine
internal import ImageSpec

struct ImagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "images", abstract: "List images.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: [.short, .long], help: "Show all images. (Clipper has no hidden ones.)") var all = false
  @Flag(name: .shortAndLong, help: "Show IDs only.") var quiet = false
  @Flag(help: "Do not shorten IDs.") var noTrunc = false
  @Flag(help: "Show manifest digests.") var digests = false
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Option(name: [.customShort("f"), .long], help: "reference=PATTERN, label=KEY[=VALUE], dangling=BOOL, before=IMAGE, since=IMAGE.")
  var filter: [String] = []
  @Argument(help: "Only this repository, or name with tag; may hold * and ?.") var repository: String?

  func run() throws {
    let engine = try global.engine()
    let filters = try Filters(filter, allowed: ["reference", "label", "dangling", "before", "since"])
    let summaries = try selected(engine, filters)
    let rows = summaries.flatMap { summary in names(of: summary).map { row(summary, $0) } }
    if quiet, format == nil {
      var seen: Set<String> = []
      for row in rows {
        let id = row["ID"]?.text ?? ""
        if seen.insert(id).inserted { printOutput(id + "\n") }
      }
      return
    }
    printOutput(try Self.listing(digests: digests).render(rows, format: format))
  }

  private static func listing(digests: Bool) -> Listing {
    let digest = Listing.Column("DIGEST", "Digest")
    return Listing(
      [.init("REPOSITORY", "Repository"), .init("TAG", "Tag")] + (digests ? [digest] : [])
        + [.init("IMAGE ID", "ID"), .init("CREATED", "CreatedSince"), .init("SIZE", "Size")],
      others: [digest, .init("CREATED AT", "CreatedAt"), .init("CONTAINERS", "Containers"), .init("PLATFORM", "Platform")])
  }

  private func selected(_ engine: Engine, _ filters: Filters) throws -> [ImageSummary] {
    let before = try filters["before"]?.map { try engine.image($0).config.created ?? "" }
    let since = try filters["since"]?.map { try engine.image($0).config.created ?? "" }
    return try engine.images().filter { summary in
      let created = summary.image.config.created ?? ""
      if let before, !before.contains(where: { created < $0 }) { return false }
      if let since, !since.contains(where: { created > $0 }) { return false }
      guard filters.allowsLabels(summary.image.config.config?.labels ?? [:]) else { return false }
      guard try filters.allows("dangling", { try Self.bool($0) == summary.names.isEmpty }) else { return false }
      return true
    }.compactMap { summary in
      guard repository != nil || filters["reference"] != nil else { return summary }
      let patterns = (repository.map { [$0] } ?? []) + (filters["reference"] ?? [])
      let names = summary.names.filter { name in patterns.contains { Self.matches(name, $0) } }
      guard !names.isEmpty else { return nil }
      return summary.named(names)
    }
  }

  private static func bool(_ text: String) throws -> Bool {
    switch text.lowercased() {
    case "true", "1": true
    case "false", "0": false
    default: throw Failure("invalid filter 'dangling=\(text)': use true or false")
    }
  }

  /// A pattern names a repository (any tag) or a repository with a tag.
  static func matches(_ name: Reference, _ pattern: String) -> Bool {
    let repositories = [name.familiarRepository, name.repository]
    return repositories.contains { repository in
      globMatches(repository, pattern) || name.tag.map { globMatches("\(repository):\($0)", pattern) } ?? false
    }
  }

  private func names(of summary: ImageSummary) -> [Reference?] {
    summary.names.isEmpty ? [nil] : summary.names
  }

  private func row(_ summary: ImageSummary, _ name: Reference?) -> [String: Value] {
    let image = summary.image
    let created = image.config.created
    return [
      "Repository": .string(name?.familiarRepository ?? "<none>"), "Tag": .string(name?.tag ?? "<none>"),
      "Digest": .string(image.target.digest.description),
      "ID": .string(noTrunc ? image.id.description : image.id.short),
      "CreatedSince": .string(Timestamp.ago(created)), "CreatedAt": .string(created ?? "N/A"),
      "Size": .string(Phrase.size(summary.size)), "Containers": .string(String(summary.containers)),
      "Platform": .string(image.config.platform.description),
    ]
  }
}

/// A shell's pattern: `*` any characters but a slash, `?` one of them.
func globMatches(_ text: String, _ pattern: String) -> Bool {
  var rest = Array(text.unicodeScalars)[...]
  var pattern = Array(pattern.unicodeScalars)[...]
  var star: (text: ArraySlice<Unicode.Scalar>, pattern: ArraySlice<Unicode.Scalar>)?
  while !rest.isEmpty {
    if pattern.first == "*" {
      pattern = pattern.dropFirst()
      star = (rest, pattern)
    } else if let next = pattern.first, next == rest.first || next == "?" && rest.first != "/" {
      pattern = pattern.dropFirst()
      rest = rest.dropFirst()
    } else if let (text, after) = star, text.first != "/" {
      rest = text.dropFirst()
      star = (rest, after)
      pattern = after
    } else {
      return false
    }
  }
  return pattern.allSatisfy { $0 == "*" }
}
