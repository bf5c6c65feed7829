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
    let search = Formats.cut(visit.request.query["q"] ?? "", 255)
    let names = try visit.registry.repositoryNames(limit: RepositoryList.sortable + 1)
    var fields =
      names.count > RepositoryList.sortable ? try leafed(search, visit) : try sorted(names, search.lowercased(), visit)
    // To one who has not signed in, an empty list says nothing.
    if fields["isEmptyRegistry"] as? Bool == true, visit.principal == .anonymous,
      visit.server.policy.anonymous == .none
    {
      throw ConsoleError.signInFirst
    }
    fields["search"] = search
    fields["isFiltered"] = !search.isEmpty
    fields["imagePrefix"] = visit.imagePrefix
    fields["realms"] = Self.realms(visit)
    return Page("repositories", title: "Repositories", fields: fields)
  }

  private static func link(_ search: String, _ items: (name: String, value: String)?...) -> String {
    let all = (search.isEmpty ? [] : [(name: "q", value: search)]) + items.compactMap { $0 }
    return all.isEmpty ? ConsoleRoute.root : "\(ConsoleRoute.root)?\(Query(all))"
  }

  /// All repositories of a registry that has few, in any order, and what they come to.
  private func sorted(_ names: [String], _ needle: String, _ visit: Visit) throws -> Fields {
    let query = visit.request.query
    let order = Order(rawValue: query["sort"] ?? "") ?? .name
    let visible = try list.figures(of: visit.pullable(names), visit.registry)
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
      Self.link(
        query["q"].map { Formats.cut($0, 255) } ?? "", sort == .name ? nil : ("sort", sort.rawValue),
        page == 1 ? nil : ("page", String(page)))
    }
    return [
      "sort": order.rawValue, "sorts": order != .name, "rows": shown.map { Self.row($0, visit) },
      "hasRows": !shown.isEmpty, "hasOrders": true,
      "orders": Order.allCases.map { ["name": $0.title, "link": link(sort: $0), "current": $0 == order] as Fields },
      "total": Formats.plural(found.count, "repository", "repositories"), "isEmptyRegistry": visible.isEmpty,
      "summary": [
        ["figure": Formats.count(visible.count), "what": visible.count == 1 ? "repository" : "repositories"],
        ["figure": Formats.count(visible.reduce(0) { $0 + $1.tags }), "what": "tags"],
        ["figure": Formats.size(visible.reduce(0) { $0 + $1.size }), "what": "in repositories"],
      ],
      "leaf": Self.leaf(
        previous: number > 1 ? link(page: number - 1) : nil, next: number < pages ? link(page: number + 1) : nil,
        "Page \(Formats.count(number)) of \(Formats.count(pages))", isNeeded: pages > 1),
    ]
  }

  /// Names that are looked at for one page, for somebody who may see few of them.
  private static let namesPerPage = 1000
  private static let namesAtOnce = 200

  /// A page of the names after the last one's, of a registry that has many.
  private func leafed(_ search: String, _ visit: Visit) throws -> Fields {
    let after = visit.request.query["after"]
    var last = after
    var found: [String] = []
    var looked = 0
    var isMore = true
    while isMore, found.count <= Self.repositoriesPerPage, looked < Self.namesPerPage {
      let names = try visit.registry.repositoryNames(
        containing: search.lowercased(), after: last, limit: Self.namesAtOnce)
      found += try visit.pullable(names)
      looked += names.count
      last = names.last ?? last
      isMore = names.count == Self.namesAtOnce
    }
    let shown = found.prefix(Self.repositoriesPerPage)
    // The page goes on after its last name, or where looking ended.
    let next = found.count > shown.count ? shown.last : isMore ? last : nil
    let rows = try list.figures(of: Array(shown), visit.registry).map { Self.row($0, visit) }
    return [
      "rows": rows, "hasRows": !rows.isEmpty, "isLong": true,
      "total": search.isEmpty ? "" : "Repositories",
      "isEmptyRegistry": rows.isEmpty && next == nil && after == nil && search.isEmpty,
      "leaf": Self.leaf(
        previous: after == nil ? nil : Self.link(search), next: next.map { Self.link(search, ("after", $0)) },
        after.map { "after \(Formats.cut($0, 255))" } ?? "", isNeeded: after != nil || next != nil),
    ]
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
