internal import DistributionSpec
internal import RegistryServer

/// `/ui/`: what the registry has, for who asks.
extension Console {
  private static let repositoriesPerPage = 50

  private enum Order: String, CaseIterable {
    case name, pushed, size, tags

    var title: String {
      switch self {
      case .name: "Name"
      case .pushed: "Last push"
      case .size: "Size"
      case .tags: "Tags"
      }
    }
  }

  func repositories(_ visit: Visit) throws -> Page {
    let query = visit.request.query
    let search = Formats.cut(query["q"] ?? "", 255)
    let order = Order(rawValue: query["sort"] ?? "") ?? .name
    let all = try list.figures(visit.registry)
    let names = try visit.visible(all.map(\.name))
    let visible = all.filter { names.contains($0.name) }
    // To one who has not signed in, an empty list says nothing.
    if visible.isEmpty, visit.principal == .anonymous, visit.server.policy.anonymous == .none {
      throw ConsoleError.signInFirst
    }
    let needle = search.lowercased()
    var found = needle.isEmpty ? visible : visible.filter { $0.name.contains(needle) }
    switch order {
    case .name: break
    case .pushed: found.sort { ($1.pushed ?? 0, $0.name) < ($0.pushed ?? 0, $1.name) }
    case .size: found.sort { ($1.size, $0.name) < ($0.size, $1.name) }
    case .tags: found.sort { ($1.tags, $0.name) < ($0.tags, $1.name) }
    }
    let pages = max(1, (found.count + Self.repositoriesPerPage - 1) / Self.repositoriesPerPage)
    let number = min(max(1, Int(query["page"] ?? "") ?? 1), pages)
    let shown = found.dropFirst((number - 1) * Self.repositoriesPerPage).prefix(Self.repositoriesPerPage)

    func link(page: Int = 1, sort: Order = order) -> String {
      var items: [(name: String, value: String)] = []
      if !search.isEmpty { items.append(("q", search)) }
      if sort != .name { items.append(("sort", sort.rawValue)) }
      if page > 1 { items.append(("page", String(page))) }
      return items.isEmpty ? ConsoleRoute.root : "\(ConsoleRoute.root)?\(Query(items))"
    }
    var fields: Fields = [
      "search": search, "sort": order.rawValue, "sorts": order != .name, "rows": shown.map { Self.row($0, visit) },
      "hasRows": !shown.isEmpty,
      "orders": Order.allCases.map { ["name": $0.title, "link": link(sort: $0), "current": $0 == order] as Fields },
      "total": Formats.plural(found.count, "repository", "repositories"), "isEmptyRegistry": visible.isEmpty,
      "isFiltered": !search.isEmpty, "imagePrefix": visit.imagePrefix,
      "summary": [
        ["figure": Formats.count(visible.count), "what": visible.count == 1 ? "repository" : "repositories"],
        ["figure": Formats.count(visible.reduce(0) { $0 + $1.tags }), "what": "tags"],
        ["figure": Formats.size(visible.reduce(0) { $0 + $1.size }), "what": "in repositories"],
      ],
      "leaf": Self.leaf(
        previous: number > 1 ? link(page: number - 1) : nil, next: number < pages ? link(page: number + 1) : nil,
        "Page \(Formats.count(number)) of \(Formats.count(pages))", isNeeded: pages > 1),
    ]
    fields["realms"] = Self.realms(visit)
    if visible.count >= RepositoryList.limit { fields["limit"] = Formats.count(RepositoryList.limit) }
    return Page("repositories", title: "Repositories", fields: fields)
  }

  /// The server's realms, where it has several.
  private static func realms(_ visit: Visit) -> [Fields] {
    let table = visit.server.realms
    guard !table.declared.isEmpty else { return [] }
    let base = visit.server.baseURL(visit.request)
    let scheme = base.prefix { $0 != ":" }
    return table.all.map { realm in
      [
        "name": visit.realmName(realm), "current": realm == visit.place.realm,
        "address": "\(scheme)://\(table.imagePrefix(of: realm, host: visit.server.host(visit.request)))\(ConsoleRoute.root)",
      ]
    }
  }

  private static func row(_ figures: RepositoryFigures, _ visit: Visit) -> Fields {
    let parts = Self.split(figures.name)
    var row: Fields = [
      "folder": parts.folder, "base": parts.base, "link": ConsoleRoute.repository(figures.name).path,
      "tags": Formats.count(figures.tags), "size": Formats.size(figures.size),
      "tagsText": Formats.plural(figures.tags, "tag", "tags"),
    ]
    row["pushed"] = figures.pushed.map(visit.age) ?? ["text": "empty", "stamp": ""]
    return row
  }

  /// `team/app` is `app` in the folder `team/`.
  static func split(_ name: String) -> (folder: String, base: String) {
    guard let slash = name.lastIndex(of: "/") else { return ("", name) }
    return (String(name[...slash]), String(name[name.index(after: slash)...]))
  }

  /// Links to the pages before and after.
  static func leaf(previous: String?, next: String?, _ text: String, isNeeded: Bool) -> Fields {
    var leaf: Fields = ["isNeeded": isNeeded, "text": text]
    leaf["previous"] = previous
    leaf["next"] = next
    return leaf
  }
}
