internal import DistributionSpec
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import RegistryServer

/// `…/layer/<n>/<path>`: the files of a layer. `…/wasted`: what an image's layers have and do not show.
extension Console {
  private static let namesPerPage = 500

  /// The layers of an image that the repository has, lowest first.
  private func layers(_ name: String, _ digest: Digest, _ visit: Visit) throws -> [Descriptor] {
    let stored = try visit.registry.storedManifest(.digest(digest), in: name)
    guard case .manifest(let manifest) = try ImageDocument(digest, stored.mediaType, visit.registry).content else {
      throw ConsoleError.notFound
    }
    return manifest.layers
  }

  private func state(_ layer: Descriptor, _ name: String, _ visit: Visit) throws -> LayerIndex.State {
    guard layer.mediaType.isLayer, !layer.mediaType.rawValue.hasSuffix("+encrypted") else {
      return .failed("it is of the type \(Formats.cut(layer.mediaType.rawValue, 120)), which is not read here")
    }
    // Knowing a digest is not enough: the repository must have the blob.
    guard let blob = try visit.registry.blob(layer.digest, in: name) else {
      return .failed("the registry does not have it: it is kept elsewhere")
    }
    let (store, storage) = (visit.registry.store, visit.registry.storage)
    return layers.state(
      LayerIndex.Source(
        digest: layer.digest, size: blob.size,
        open: {
          let lease = try store.lease()
          defer { lease.release() }
          try storage.fetch(layer.digest)
          return try store.open(layer.digest)
        }))
  }

  func layer(_ name: String, _ digest: Digest, _ number: Int, _ path: [[UInt8]], _ visit: Visit) throws -> Content {
    let all = try layers(name, digest, visit)
    guard number <= all.count else { throw ConsoleError.notFound }
    let layer = all[number - 1]
    var fields = try heading(try visit.registry.repository(name), visit)
    fields["summary"] = nil
    fields["image"] = digest.short
    fields["imageLink"] = ConsoleRoute.image(name, digest).path
    fields["number"] = number
    fields["layerTotal"] = all.count
    fields["layerDigest"] = layer.digest.description
    fields["size"] = Formats.size(layer.size)
    fields["leaf"] = Self.leaf(
      previous: number > 1 ? ConsoleRoute.layer(name, digest, number: number - 1, path: []).path : nil,
      next: number < all.count ? ConsoleRoute.layer(name, digest, number: number + 1, path: []).path : nil,
      "Layer \(number) of \(all.count)", isNeeded: true)
    fields["path"] = Self.steps(name, digest, number, path)
    let title = "Layer \(number) of \(name)@\(digest.short)"
    switch try state(layer, name, visit) {
    case .ready(let tree):
      try fill(&fields, tree, all, name, digest, number, path, visit)
      return .page(Page("layer", title: title, fields: fields))
    case .reading(let done):
      fields["waiting"] = "Reading the layer: \(Formats.size(done)) of \(Formats.size(layer.size)). This is done once."
      return .waiting(Page("layer", title: title, refresh: 1, fields: fields))
    case .busy:
      fields["waiting"] = "Other layers are being read. This page tries again."
      return .waiting(Page("layer", title: title, refresh: 5, fields: fields))
    case .failed(let why):
      fields["trouble"] = "This layer cannot be looked into: \(why)."
      return .page(Page("layer", title: title, fields: fields))
    }
  }

  private static func steps(_ name: String, _ digest: Digest, _ number: Int, _ path: [[UInt8]]) -> [Fields] {
    (0...path.count).map { count in
      [
        "name": count == 0 ? "/" : text(path[count - 1]), "isLast": count == path.count,
        "slash": count == 0 ? " " : " / ",
        "link": ConsoleRoute.layer(name, digest, number: number, path: Array(path.prefix(count))).path,
      ]
    }
  }

  /// A name for people: what is not UTF-8 is repaired.
  static func text(_ name: [UInt8]) -> String { Formats.cut(String(decoding: name, as: UTF8.self), 512) }

  // MARK: a directory

  private func fill(
    _ fields: inout Fields, _ tree: LayerTree, _ all: [Descriptor], _ name: String, _ digest: Digest,
    _ number: Int, _ path: [[UInt8]], _ visit: Visit
  ) throws {
    guard let node = try tree.find(path) else { throw ConsoleError.notFound }
    let root = try tree.root
    fields["plain"] = Formats.size(tree.plainSize)
    fields["names"] = Formats.plural(root.descendants, "name", "names")
    fields["isIncomplete"] = !tree.isComplete
    fields["isOpaque"] = node.flags.contains(.opaque)
    guard node.kind == .directory else {
      fields["file"] = try Self.row(LayerTree.Child(node: node, name: path.last ?? []), tree, largest: 1, link: nil)
      fields["isFile"] = true
      return
    }
    let query = visit.request.query
    let offset = max(0, Int(query["from"] ?? "") ?? 0)
    let bySize = query["sort"] == "size" && node.childCount <= 20_000
    var shown: ArraySlice<LayerTree.Child>
    if bySize {
      let sorted = try tree.children(of: node).sorted { ($1.node.size, $0.name.count) < ($0.node.size, $1.name.count) }
      shown = sorted.dropFirst(offset).prefix(Self.namesPerPage)
    } else {
      shown = try tree.children(of: node, from: offset, limit: Self.namesPerPage)[...]
    }
    let fates = fates(shown.map(\.name), path, number, all)
    let base = ConsoleRoute.layer(name, digest, number: number, path: path).path
    func link(sort: Bool, from: Int) -> String {
      let items = (sort ? ["sort=size"] : []) + (from > 0 ? ["from=\(from)"] : [])
      return items.isEmpty ? base : "\(base)?\(items.joined(separator: "&"))"
    }
    let largest = shown.map(\.node.size).max() ?? 0
    fields["rows"] = try shown.map { child in
      var row = try Self.row(
        child, tree, largest: largest,
        link: child.node.kind == .directory
          ? ConsoleRoute.layer(name, digest, number: number, path: path + [child.name]).path : nil)
      row["fate"] = fates[child.name] ?? ""
      return row
    }
    fields["hasRows"] = !shown.isEmpty
    fields["isDirectory"] = true
    fields["up"] = path.isEmpty
      ? false : ConsoleRoute.layer(name, digest, number: number, path: Array(path.dropLast())).path
    fields["orders"] = [
      ["name": "Name", "link": link(sort: false, from: 0), "current": !bySize],
      ["name": "Size", "link": link(sort: true, from: 0), "current": bySize],
    ] as [Fields]
    let end = offset + shown.count
    fields["pages"] = Self.leaf(
      previous: offset > 0 ? link(sort: bySize, from: max(0, offset - Self.namesPerPage)) : nil,
      next: end < Int(node.childCount) ? link(sort: bySize, from: end) : nil,
      "\(Formats.count(offset + 1))–\(Formats.count(end)) of \(Formats.count(node.childCount))",
      isNeeded: offset > 0 || end < Int(node.childCount))
  }

  private static func row(
    _ child: LayerTree.Child, _ tree: LayerTree, largest: Int64, link: String?
  ) throws -> Fields {
    let node = child.node
    var row: Fields = [
      "name": text(child.name), "mode": node.kind == .whiteout ? "" : Formats.mode(node),
      "owner": node.kind == .whiteout ? "" : "\(node.userID):\(node.groupID)",
      "size": node.kind == .directory || node.kind == .file ? Formats.size(node.size) : "",
      "bar": Bar.width(node.size, of: largest), "modified": node.modified > 0 ? Formats.minute(node.modified) : "",
      "isDirectory": node.kind == .directory, "isWhiteout": node.kind == .whiteout, "fate": "",
      "isImplied": node.flags.contains(.implied), "opens": link ?? false, "target": false, "note": "",
    ]
    switch node.kind {
    case .symbolicLink: row["target"] = "→ \(text(try tree.link(of: node)))"
    case .hardLink: row["target"] = "= /\(text(try tree.link(of: node)))"
    case .characterDevice: row["note"] = "character device"
    case .blockDevice: row["note"] = "block device"
    case .fifo: row["note"] = "named pipe"
    case .whiteout: row["note"] = "deleted here"
    case .directory: row["note"] = node.flags.contains(.opaque) ? "replaces the directory below" : ""
    case .file: break
    }
    return row
  }

  /// What later layers do to names of a directory, as far as their trees are there already.
  private func fates(_ names: [[UInt8]], _ path: [[UInt8]], _ number: Int, _ all: [Descriptor]) -> [[UInt8]: String] {
    var fates: [[UInt8]: String] = [:]
    for (index, layer) in all.enumerated().dropFirst(number) {
      guard let tree = layers.cached(layer.digest), let node = try? tree.find(path), node.kind == .directory else {
        continue
      }
      for name in names where fates[name] == nil {
        if let later = try? tree.child(name, of: node) {
          if later.kind == .whiteout {
            fates[name] = "deleted by layer \(index + 1)"
          } else if later.kind != .directory {
            fates[name] = "replaced by layer \(index + 1)"
          }
        } else if node.flags.contains(.opaque) {
          fates[name] = "deleted by layer \(index + 1)"
        }
      }
    }
    return fates
  }

  // MARK: wasted space

  /// Told where all layers were read before; nil where that is yet to be asked for.
  func wastedSummary(_ layers: [Descriptor], _ digest: Digest, _ name: String) -> Fields {
    ["link": ConsoleRoute.wasted(name, digest).path, "isNeeded": layers.count > 1]
  }

  func wasted(_ name: String, _ digest: Digest, _ visit: Visit) throws -> Content {
    let all = try layers(name, digest, visit)
    var fields = try heading(try visit.registry.repository(name), visit)
    fields["summary"] = nil
    fields["image"] = digest.short
    fields["imageLink"] = ConsoleRoute.image(name, digest).path
    let title = "Wasted space in \(name)@\(digest.short)"
    guard all.count <= 200 else { throw ConsoleError.notFound }
    var trees: [LayerTree] = []
    var waiting: [String] = []
    var refresh = 1
    for (index, layer) in all.enumerated() {
      switch try state(layer, name, visit) {
      case .ready(let tree): trees.append(tree)
      case .reading(let done): waiting.append("layer \(index + 1): \(Formats.size(done)) of \(Formats.size(layer.size))")
      case .busy:
        waiting.append("layer \(index + 1)")
        refresh = 5
      case .failed(let why):
        fields["trouble"] = "Layer \(index + 1) cannot be looked into: \(why)."
        return .page(Page("wasted", title: title, fields: fields))
      }
    }
    guard waiting.isEmpty else {
      fields["waiting"] = "Reading the layers, once: \(waiting.prefix(4).joined(separator: ", "))."
      return .waiting(Page("wasted", title: title, refresh: refresh, fields: fields))
    }
    fill(&fields, try WastedSpace(trees), all, name, digest)
    return .page(Page("wasted", title: title, fields: fields))
  }

  private func fill(
    _ fields: inout Fields, _ space: WastedSpace, _ all: [Descriptor], _ name: String, _ digest: Digest
  ) {
    fields["isDone"] = true
    fields["isIncomplete"] = !space.isComplete
    fields["nothing"] = space.wasted == 0
    fields["facts"] = [
      ["figure": Formats.size(space.wasted), "what": "wasted"],
      ["figure": Formats.percent(space.total - space.wasted, of: space.total), "what": "efficiency"],
      ["figure": Formats.size(space.total), "what": "of files in all layers"],
      ["figure": Formats.count(space.count), "what": space.count == 1 ? "name does not show" : "names do not show"],
    ]
    let largest = space.totalByLayer.max() ?? 0
    fields["layers"] = all.indices.map { index in
      [
        "number": index + 1, "link": ConsoleRoute.layer(name, digest, number: index + 1, path: []).path,
        "total": Formats.size(space.totalByLayer[index]), "wasted": Formats.size(space.wastedByLayer[index]),
        "hasWaste": space.wastedByLayer[index] > 0, "share": Formats.percent(space.wastedByLayer[index], of: space.totalByLayer[index]),
        "bar": Bar.width(space.totalByLayer[index], of: largest), "wastedBar": Bar.width(space.wastedByLayer[index], of: largest),
      ] as Fields
    }
    let most = space.items.first?.bytes ?? 0
    fields["items"] = space.items.map { item -> Fields in
      let parent = item.path.split(separator: UInt8(ascii: "/")).map(Array.init).dropLast()
      return [
        "path": "/\(Self.text(item.path))" + (item.isDirectory ? "/" : ""), "size": Formats.size(item.bytes),
        "bar": Bar.width(item.bytes, of: most), "layer": item.layer + 1, "by": item.hiddenBy + 1,
        "how": item.isDeleted ? "deleted" : "overwritten",
        "link": ConsoleRoute.layer(name, digest, number: item.layer + 1, path: Array(parent)).path,
      ]
    }
    fields["hasItems"] = !space.items.isEmpty
  }
}
