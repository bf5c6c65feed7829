internal import DistributionSpec
internal import ImageSpec
internal import RegistryServer

/// `/ui/r/<name>`: the tags of a repository, or all its manifests.
extension Console {
  static let rowsPerPage = 50

  private enum View: String {
    case tags, manifests, untagged
  }

  func repository(_ name: String, _ visit: Visit) throws -> Page {
    let repository = try visit.registry.repository(name)
    let view = View(rawValue: visit.request.query["view"] ?? "") ?? .tags
    var fields = try heading(repository, visit)
    fields["tabs"] = try Self.tabs(name, view.rawValue, visit)
    let isTags = view == .tags
    fields["isTags"] = isTags
    fields["self"] = ConsoleRoute.repository(name).path
    let rows = try isTags ? tagRows(name, visit, &fields) : manifestRows(name, view == .untagged, visit, &fields)
    fields["rows"] = rows
    fields["hasRows"] = !rows.isEmpty
    let latest = try visit.registry.tags(in: name, .newest, limit: 10)
    if let tag = latest.first(where: { facts.summary($0.manifest, visit.registry).isRunnable })?.tag {
      fields["commands"] = Self.commands(name, ":\(tag)", visit)
    }
    fields["push"] = Self.pushCommands(name, visit)
    return Page("repository", title: name, fields: fields)
  }

  /// What every page of a repository begins with.
  func heading(_ repository: Repository, _ visit: Visit) throws -> Fields {
    let parts = Self.split(repository.name)
    var fields: Fields = [
      "folder": parts.folder, "base": parts.base, "repository": repository.name,
      "repositoryLink": ConsoleRoute.repository(repository.name).path, "created": visit.age(repository.created),
    ]
    if let figures = try list.figures(of: repository.name, visit.registry) {
      var facts = [
        ["figure": Formats.count(figures.tags), "what": figures.tags == 1 ? "tag" : "tags"],
        ["figure": Formats.count(figures.manifests), "what": figures.manifests == 1 ? "manifest" : "manifests"],
        ["figure": Formats.size(figures.size), "what": "stored"],
      ]
      if let pushed = figures.pushed {
        facts.append(["figure": Formats.age(pushed, now: visit.now), "what": "last push"])
      }
      fields["summary"] = facts
    }
    return fields
  }

  /// The pages of a repository; `current` is one of them.
  static func tabs(_ name: String, _ current: String, _ visit: Visit) throws -> [Fields] {
    let path = ConsoleRoute.repository(name).path
    var tabs = [
      ("tags", "Tags", path), ("manifests", "All manifests", "\(path)?view=manifests"),
      ("untagged", "Untagged", "\(path)?view=untagged"),
    ]
    if try visit.may("ecr:GetLifecyclePolicy", name) {
      tabs.append(("lifecycle", "Lifecycle", ConsoleRoute.lifecycle(name).path))
    }
    tabs.append(("settings", "Settings", ConsoleRoute.settings(name).path))
    if visit.principal != .anonymous {
      tabs.append(("activity", "Activity", "\(ConsoleRoute.activity.path)?\(Query([("repository", name)]))"))
    }
    return tabs.map { ["text": $0.1, "link": $0.2, "current": $0.0 == current] }
  }

  // MARK: rows

  private func tagRows(_ name: String, _ visit: Visit, _ fields: inout Fields) throws -> [Fields] {
    let query = visit.request.query
    let prefix = Formats.cut(query["q"] ?? "", 128)
    let byName = query["sort"] == "name" || !prefix.isEmpty
    let position: TagPosition =
      if byName {
        .name(after: query["after"] ?? "")
      } else {
        Self.newest(query["after"])
      }
    let found = try visit.registry.tags(in: name, position, prefix: prefix, limit: Self.rowsPerPage + 1)
    let shown = found.prefix(Self.rowsPerPage)
    func link(sort: String?, after: String?) -> String {
      var items: [(name: String, value: String)] = []
      if !prefix.isEmpty { items.append(("q", prefix)) }
      if let sort { items.append(("sort", sort)) }
      if let after { items.append(("after", after)) }
      let path = ConsoleRoute.repository(name).path
      return items.isEmpty ? path : "\(path)?\(Query(items))"
    }
    let sort = byName ? "name" : nil
    let isFirst = query["after"] == nil
    let next = found.count > shown.count ? shown.last.map { byName ? $0.tag : "\($0.updated).\($0.tag)" } : nil
    fields["search"] = prefix
    fields["isFiltered"] = !prefix.isEmpty
    fields["orders"] = [
      ["name": "Newest", "link": link(sort: nil, after: nil), "current": !byName],
      ["name": "Name", "link": link(sort: "name", after: nil), "current": byName],
    ] as [Fields]
    fields["leaf"] = Self.leaf(
      previous: isFirst ? nil : link(sort: sort, after: nil), next: next.map { link(sort: sort, after: $0) },
      isFirst ? "" : byName ? "after \(Formats.cut(query["after"] ?? "", 128))" : "older tags",
      isNeeded: !isFirst || next != nil)
    return shown.map { row in
      var fields = manifestRow(row.manifest, name, visit)
      fields["tag"] = row.tag
      fields["shortTag"] = Self.short(row.tag)
      fields["link"] = ConsoleRoute.tag(name, row.tag).path
      fields["pushed"] = visit.age(row.updated)
      return fields
    }
  }

  /// cosign's tags are made of a digest, which nobody reads to its end: `sha256-7cbc5e05b8f4….sig`.
  static func short(_ tag: String) -> String {
    guard tag.utf8.count > 72, tag.hasPrefix("sha256-") || tag.hasPrefix("sha512-") else { return tag }
    let end = tag.lastIndex(of: ".").map { tag[$0...] } ?? ""
    return "\(tag.prefix(19))…\(end)"
  }

  /// `1700000000000.v1.2`: when the last one of the page before was moved, and its name.
  private static func newest(_ text: String?) -> TagPosition {
    guard let text, let dot = text.firstIndex(of: "."), let time = Int64(text[..<dot]) else { return .newest }
    return .newest(before: time, after: String(text[text.index(after: dot)...]))
  }

  private func manifestRows(
    _ name: String, _ untagged: Bool, _ visit: Visit, _ fields: inout Fields
  ) throws -> [Fields] {
    let last = visit.request.query["before"].flatMap { Int64($0) }
    let found = try visit.registry.latestManifests(
      in: name, before: last ?? .max, untagged: untagged, limit: Self.rowsPerPage + 1)
    let shown = found.prefix(Self.rowsPerPage)
    let base = "\(ConsoleRoute.repository(name).path)?view=\(untagged ? "untagged" : "manifests")"
    let next = found.count > shown.count ? shown.last.map { "\(base)&before=\($0.id)" } : nil
    fields["leaf"] = Self.leaf(
      previous: last == nil ? nil : base, next: next, last == nil ? "" : "older manifests",
      isNeeded: last != nil || next != nil)
    return shown.map { manifest in
      var row = manifestRow(manifest, name, visit)
      row["link"] = ConsoleRoute.image(name, manifest.digest).path
      row["tags"] = manifest.tags.map { ["tag": $0, "link": ConsoleRoute.tag(name, $0).path] }
      row["pushed"] = visit.age(manifest.pushed)
      return row
    }
  }

  private func manifestRow(_ manifest: StoredManifest, _ name: String, _ visit: Visit) -> Fields {
    let summary = facts.summary(manifest, visit.registry)
    var platforms = summary.platforms.prefix(4).map { $0 }
    if summary.platforms.count > 4 { platforms.append("+\(summary.platforms.count - 4)") }
    return [
      "digest": manifest.digest.short, "digestLink": ConsoleRoute.image(name, manifest.digest).path,
      "fullDigest": manifest.digest.description, "kind": summary.label, "isImage": summary.kind == .image,
      "platforms": platforms, "size": Formats.size(manifest.contentSize),
      "pulled": manifest.pulled.map(visit.age) ?? ["text": "never", "stamp": ""],
    ]
  }

  // MARK: commands

  static func commands(_ name: String, _ reference: String, _ visit: Visit) -> [Fields] {
    let image = "\(visit.imagePrefix)/\(name)\(reference)"
    return ["docker", "podman", "clipper"].map { ["tool": $0, "command": "\($0) pull \(image)"] }
  }

  static func pushCommands(_ name: String, _ visit: Visit) -> [Fields] {
    let base = visit.server.baseURL(visit.request)
    let image = "\(visit.imagePrefix)/\(name):TAG"
    return [
      ["tool": "sign in", "command": "docker login \(visit.host)"],
      [
        "tool": "with AWS",
        "command": "aws ecr get-login-password --endpoint-url \(base) | docker login -u AWS --password-stdin \(visit.host)",
      ],
      ["tool": "push", "command": "docker tag IMAGE \(image) && docker push \(image)"],
      ["tool": "clipper", "command": "clipper push IMAGE \(image)"],
    ]
  }
}
