internal import DistributionSpec
internal import ImageSpec
internal import RegistryServer

/// `/ui/activity`: who pushed, pulled and deleted what, and when. For those who have signed in: it has names in it.
extension Console {
  private static let entriesPerPage = 50
  /// Entries that are looked at for a page, where most are of what its reader may not see.
  private static let lookLimit = 2000

  func activity(_ visit: Visit) throws -> Page {
    guard visit.principal != .anonymous else { throw ConsoleError.signInFirst }
    let query = visit.request.query
    let repository = query["repository"].flatMap { Reference.isPath($0) && $0.utf8.count <= 255 ? $0 : nil }
    if let repository { try visit.checkPull(repository) }
    var last = query["before"].flatMap { Int64($0) } ?? .max
    let isFirst = last == .max
    var shown: [Activity.Entry] = []
    var looked = 0
    var hasMore = true
    while shown.count < Self.entriesPerPage, looked < Self.lookLimit, hasMore {
      let found = try events.latest(
        visit.place.realm, repository: repository, before: last, limit: Self.entriesPerPage + 1)
      hasMore = found.count > Self.entriesPerPage
      for entry in found.prefix(Self.entriesPerPage) where shown.count < Self.entriesPerPage {
        looked += 1
        last = entry.id
        if visit.mayPull(entry.repository) { shown.append(entry) }
      }
    }
    func link(before: Int64?) -> String {
      var items: [(name: String, value: String)] = []
      if let repository { items.append(("repository", repository)) }
      if let before { items.append(("before", String(before))) }
      let path = ConsoleRoute.activity.path
      return items.isEmpty ? path : "\(path)?\(Query(items))"
    }
    var fields: Fields = [
      "rows": shown.map { Self.row($0, visit) }, "hasRows": !shown.isEmpty, "all": ConsoleRoute.activity.path,
      "leaf": Self.leaf(
        previous: isFirst ? nil : link(before: nil), next: hasMore ? link(before: last) : nil,
        isFirst ? "" : "older", isNeeded: hasMore || !isFirst),
    ]
    fields["only"] = repository
    return Page("activity", title: "Activity", fields: fields)
  }

  private static func row(_ entry: Activity.Entry, _ visit: Visit) -> Fields {
    let digest = entry.digest.flatMap { try? Digest(parsing: $0) }
    let isThere = entry.kind != RegistryEvent.Kind.deleteRepository.rawValue
    let parts = split(entry.repository)
    let words =
      switch RegistryEvent.Kind(rawValue: entry.kind) {
      case .push: "pushed"
      case .pull: "pulled"
      case .delete: "deleted"
      case .scan: "scanned"
      case .createRepository: "created"
      case .deleteRepository: "deleted the repository"
      case nil: entry.kind
      }
    return [
      "what": words, "isBad": entry.kind.hasPrefix("delete"), "folder": parts.folder, "base": parts.base,
      "tag": entry.tag.map { ":\(short($0))" } ?? "", "digest": entry.tag == nil ? digest?.short ?? "" : "",
      "link": isThere ? (link(entry, digest) as any Sendable) : false,
      "principal": entry.principal == "-" ? "anonymous" : Formats.cut(entry.principal, 160),
      "time": visit.age(entry.time),
    ]
  }

  private static func link(_ entry: Activity.Entry, _ digest: Digest?) -> String {
    if entry.kind != RegistryEvent.Kind.delete.rawValue, let digest {
      return ConsoleRoute.image(entry.repository, digest).path
    }
    return ConsoleRoute.repository(entry.repository).path
  }
}
