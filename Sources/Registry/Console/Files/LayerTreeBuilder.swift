internal import Glibc
internal import Kernel
internal import Layers
internal import SystemPackage

/// How much of a layer is looked at.
struct LayerTreeLimits: Sendable {
  /// Names that are kept.
  var nodes = 300_000
  /// Bytes of all names and of all links' targets.
  var text = 32 << 20
  /// Bytes of the uncompressed archive.
  var plain: Int64 = 32 << 30
  /// Directories in one another.
  var depth = 200
}

/// Gathers the names of a layer's archive while it is read, and writes them as a `LayerTree`.
final class LayerTreeBuilder: TarConsumer {
  /// Thrown out of the reader where a limit is reached: what was gathered is good.
  struct Full: Error {}

  private struct Building {
    var node: LayerNode
    var name: [UInt8]
    var link: [UInt8] = []
    var children: [[UInt8]: Int] = [:]
  }

  private let limits: LayerTreeLimits
  private var nodes = [Building(node: LayerNode(kind: .directory, flags: .implied, mode: 0o755), name: [])]
  private var text = 0

  init(_ limits: LayerTreeLimits = LayerTreeLimits()) { self.limits = limits }

  // MARK: entries

  func begin(_ entry: TarEntry) throws {
    var path = entry.name.split(separator: UInt8(ascii: "/")).map(Array.init).filter { $0 != Array(".".utf8) }
    // Nothing is unpacked here, so a name that leads out of the layer harms nobody; it has no place in the tree either.
    guard path.count <= limits.depth, !path.contains(Array("..".utf8)) else { return }
    guard let name = path.popLast() else {
      apply(entry, to: 0)
      return
    }
    guard name.count <= 4096 else { return }
    let parent = try directory(path)
    if name == Self.opaque {
      nodes[parent].node.flags.insert(.opaque)
    } else if name.starts(with: Self.reserved) {
      // aufs's own: no layer means anything by it.
      return
    } else if name.starts(with: Self.whiteout) {
      try whiteOut(Array(name.dropFirst(Self.whiteout.count)), in: parent)
    } else {
      apply(entry, to: try child(name, of: parent))
    }
  }

  func content(_ bytes: UnsafeRawBufferPointer) throws {}
  func end() throws {}

  private static let whiteout = Array(".wh.".utf8)
  private static let reserved = Array(".wh..wh.".utf8)
  private static let opaque = Array(".wh..wh..opq".utf8)

  private func directory(_ path: [[UInt8]]) throws -> Int {
    var index = 0
    for name in path {
      guard name.count <= 4096 else { throw LayerError.malformed("a name has more than 4096 bytes") }
      index = try child(name, of: index)
      if nodes[index].node.kind != .directory {
        nodes[index].node = LayerNode(
          kind: .directory, flags: nodes[index].node.flags.union(.implied), mode: 0o755)
      }
    }
    return index
  }

  private func child(_ name: [UInt8], of parent: Int) throws -> Int {
    if let known = nodes[parent].children[name] {
      // It is a name of this layer again, beside the whiteout.
      if nodes[known].node.kind == .whiteout { nodes[known].node.flags.insert(.replaces) }
      return known
    }
    guard nodes.count < limits.nodes, text + name.count <= limits.text else { throw Full() }
    text += name.count
    nodes.append(Building(node: LayerNode(kind: .directory, flags: .implied, mode: 0o755), name: name))
    nodes[parent].children[name] = nodes.count - 1
    return nodes.count - 1
  }

  private func whiteOut(_ name: [UInt8], in parent: Int) throws {
    guard !name.isEmpty else { return }
    if let known = nodes[parent].children[name] {
      nodes[known].node.flags.insert(.replaces)
      return
    }
    let index = try child(name, of: parent)
    nodes[index].node = LayerNode(kind: .whiteout)
  }

  private func apply(_ entry: TarEntry, to index: Int) {
    let kind: LayerNode.Kind =
      switch entry.kind {
      case .file: .file
      case .directory: .directory
      case .symbolicLink: .symbolicLink
      case .hardLink: .hardLink
      case .characterDevice: .characterDevice
      case .blockDevice: .blockDevice
      case .fifo: .fifo
      }
    if index == 0, kind != .directory { return }
    let flags = nodes[index].node.flags.subtracting(.implied)
    nodes[index].node = LayerNode(
      kind: kind, flags: flags, mode: UInt16(truncatingIfNeeded: entry.mode & 0o7777), userID: entry.userID,
      groupID: entry.groupID, modified: entry.modified, size: min(entry.size, 1 << 50))
    // What an archive has below a name that it then says is a file is gone when it is unpacked.
    if kind != .directory { nodes[index].children = [:] }
    if kind == .symbolicLink || kind == .hardLink, entry.linkName.count <= 4096,
      text + entry.linkName.count <= limits.text
    {
      text += entry.linkName.count
      nodes[index].link = entry.linkName
    }
  }

  // MARK: the file

  /// `plainSize` is how much of the archive was read; `isComplete` whether that was all.
  func write(to path: FilePath, plainSize: Int64, isComplete: Bool) throws {
    let (order, sorted) = arrange()
    var encoded: [UInt8] = []
    encoded.reserveCapacity(sorted.count * LayerTree.nodeSize)
    var names: [UInt8] = [], links: [UInt8] = []
    for (index, var node) in zip(order, sorted) {
      let (name, link) = (nodes[index].name, nodes[index].link)
      node.nameOffset = UInt32(names.count)
      node.nameLength = UInt16(name.count)
      node.linkOffset = UInt32(links.count)
      node.linkLength = UInt16(link.count)
      names += name
      links += link
      node.encode(to: &encoded)
    }
    var header = LayerTree.magic
    for number in [UInt32(sorted.count), isComplete ? 1 : 0] {
      withUnsafeBytes(of: number.littleEndian) { header.append(contentsOf: $0) }
    }
    withUnsafeBytes(of: plainSize.littleEndian) { header.append(contentsOf: $0) }
    for number in [UInt32(names.count), UInt32(links.count)] {
      withUnsafeBytes(of: number.littleEndian) { header.append(contentsOf: $0) }
    }
    try writeFileAtomically(path, header + encoded + names + links, mode: 0o600)
  }

  /// Breadth first, children by name, and what a directory has in all.
  private func arrange() -> (order: [Int], nodes: [LayerNode]) {
    var order = [0]
    var sorted: [LayerNode] = []
    var parents = [-1]
    var next = 0
    while next < order.count {
      var node = nodes[order[next]].node
      let children = nodes[order[next]].children.sorted { $0.key.lexicographicallyPrecedes($1.key) }
      node.firstChild = UInt32(order.count)
      node.childCount = UInt32(children.count)
      for child in children {
        order.append(child.value)
        parents.append(next)
      }
      sorted.append(node)
      next += 1
    }
    for index in sorted.indices.dropFirst().reversed() {
      let parent = parents[index]
      sorted[parent].size += sorted[index].size
      sorted[parent].descendants += sorted[index].descendants + 1
    }
    return (order, sorted)
  }
}
