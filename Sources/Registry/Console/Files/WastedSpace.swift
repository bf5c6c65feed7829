/// What an image carries and does not show: files that a later layer overwrites or deletes.
struct WastedSpace: Sendable {
  struct Item: Sendable {
    let path: [UInt8]
    /// Bytes in `layer`, of everything below where it is a directory.
    let bytes: Int64
    /// Counted from 0, lowest first.
    let layer: Int
    let hiddenBy: Int
    let isDeleted: Bool
    let isDirectory: Bool
  }

  /// Bytes of files in all layers, and those of them that do not show.
  private(set) var total: Int64 = 0
  private(set) var wasted: Int64 = 0
  /// Of each layer, lowest first.
  private(set) var wastedByLayer: [Int64]
  private(set) var totalByLayer: [Int64]
  /// How many names do not show; a directory that is gone as a whole counts once.
  private(set) var count = 0
  /// The largest, in order of size.
  private(set) var items: [Item] = []
  /// False where one of the layers' trees is not complete.
  let isComplete: Bool

  static let itemLimit = 200

  /// Looks at directories only that more than one layer has.
  init(_ trees: [LayerTree]) throws {
    isComplete = trees.allSatisfy(\.isComplete)
    let roots = try trees.map { try $0.root }
    totalByLayer = roots.map(\.size)
    wastedByLayer = roots.map { _ in 0 }
    total = totalByLayer.reduce(0, +)
    try merge(roots.enumerated().map { Part(layer: $0.offset, node: $0.element) }, [], trees)
    trim(to: Self.itemLimit)
  }

  private struct Part {
    let layer: Int
    let node: LayerNode
  }

  /// Directories of several layers, lowest first, that show as one.
  private mutating func merge(_ parts: [Part], _ path: [UInt8], _ trees: [LayerTree]) throws {
    var showing = parts[...]
    if let opaque = parts.lastIndex(where: { $0.node.flags.contains(.opaque) }) {
      for part in parts[..<opaque] {
        for child in try trees[part.layer].children(of: part.node) {
          hide(Part(layer: part.layer, node: child.node), Self.join(path, child.name), by: parts[opaque].layer, true)
        }
      }
      showing = parts[opaque...]
    }
    guard showing.count > 1 else { return }
    var named: [[UInt8]: [Part]] = [:]
    // What only one layer has needs no look, and most layers have few names: the largest is asked for the others' names.
    let largest = showing.max { $0.node.childCount < $1.node.childCount }
    for part in showing where part.layer != largest?.layer {
      for child in try trees[part.layer].children(of: part.node) {
        named[child.name, default: []].append(Part(layer: part.layer, node: child.node))
      }
    }
    for name in named.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      var entries = named[name] ?? []
      if let largest, let node = try trees[largest.layer].child(name, of: largest.node) {
        let place = entries.firstIndex { $0.layer > largest.layer } ?? entries.endIndex
        entries.insert(Part(layer: largest.layer, node: node), at: place)
      }
      try resolve(entries, Self.join(path, name), trees)
    }
  }

  /// What several layers have under one name, lowest first.
  private mutating func resolve(_ entries: [Part], _ path: [UInt8], _ trees: [LayerTree]) throws {
    var current: [Part] = []
    for entry in entries {
      let continues =
        entry.node.kind == .directory && !entry.node.flags.contains(.replaces)
        && current.allSatisfy { $0.node.kind == .directory }
      if !continues {
        for part in current { hide(part, path, by: entry.layer, entry.node.kind == .whiteout) }
        current = []
      }
      if entry.node.kind != .whiteout { current.append(entry) }
    }
    if current.count > 1 { try merge(current, path, trees) }
  }

  private mutating func hide(_ part: Part, _ path: [UInt8], by layer: Int, _ isDeleted: Bool) {
    guard part.node.kind != .whiteout else { return }
    count += 1
    wasted += part.node.size
    wastedByLayer[part.layer] += part.node.size
    guard part.node.size > 0 else { return }
    items.append(
      Item(
        path: path, bytes: part.node.size, layer: part.layer, hiddenBy: layer, isDeleted: isDeleted,
        isDirectory: part.node.kind == .directory))
    if items.count >= Self.itemLimit * 8 { trim(to: Self.itemLimit) }
  }

  private mutating func trim(to limit: Int) {
    items.sort { ($1.bytes, $0.path.count) < ($0.bytes, $1.path.count) }
    items.removeLast(max(0, items.count - limit))
  }

  private static func join(_ path: [UInt8], _ name: [UInt8]) -> [UInt8] {
    path.isEmpty ? name : path + [UInt8(ascii: "/")] + name
  }
}
