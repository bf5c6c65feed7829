internal import Glibc
internal import Kernel
internal import Layers
internal import SystemPackage

/// One name in a layer: what its archive says about it.
struct LayerNode: Hashable, Sendable {
  enum Kind: UInt8, Sendable {
    case file = 1
    case directory, symbolicLink, hardLink, characterDevice, blockDevice, fifo
    /// Takes away what lower layers have under this name. (image-spec, layer.md, Whiteouts)
    case whiteout
  }

  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt8
    /// Nothing of what lower layers have in this directory shows. (image-spec, layer.md, Opaque Whiteout)
    static let opaque = Flags(rawValue: 1)
    /// A whiteout of the same name is in the layer, too: this begins anew.
    static let replaces = Flags(rawValue: 2)
    /// A directory that the archive has no entry of its own for.
    static let implied = Flags(rawValue: 4)
  }

  var kind: Kind
  var flags: Flags = []
  /// Permission bits with set-user-ID, set-group-ID and sticky.
  var mode: UInt16 = 0
  var userID: UInt32 = 0
  var groupID: UInt32 = 0
  /// Seconds since 1970.
  var modified: Int64 = 0
  /// Bytes of content; a directory's are those of all below it.
  var size: Int64 = 0
  /// How many names are below a directory, at any depth.
  var descendants: UInt32 = 0
  /// Children are `firstChild ..< firstChild + childCount`, in order of their names' bytes.
  var firstChild: UInt32 = 0
  var childCount: UInt32 = 0
  var nameOffset: UInt32 = 0
  var nameLength: UInt16 = 0
  var linkOffset: UInt32 = 0
  var linkLength: UInt16 = 0
}

/// The names of a layer in a file that is read where a page needs it: a directory costs two reads, however large the layer is.
///
/// ```
/// "clptree1"  8 bytes      nodes  u32   complete u32   plain size  i64   names' length  u32   links' length  u32
/// nodes       52 bytes each, breadth first: a directory's children follow one another
/// names       in the order of the nodes, without separators
/// links       targets, in the order of the nodes
/// ```
/// Numbers are little-endian.
final class LayerTree: Sendable {
  static let magic = Array("clptree1".utf8)
  static let headerSize = 32
  static let nodeSize = 52

  let nodeCount: Int
  /// False where the layer has more names than are kept, or is cut off.
  let isComplete: Bool
  /// Bytes of the uncompressed archive, as far as it was read.
  let plainSize: Int64
  private let file: OwnedDescriptor
  private let names: Int64
  private let links: Int64
  private let end: Int64

  /// Opens a file that `LayerTreeBuilder` wrote. nil where it is none, or not a whole one.
  init?(_ path: FilePath) {
    guard let file = try? openat2(AT_FDCWD, path.string, flags: O_RDONLY) else { return nil }
    guard let header = try? Self.read(file.number, 0, Self.headerSize), header.starts(with: Self.magic) else { return nil }
    var fields = NodeReader(header[8...])
    nodeCount = Int(fields.uint32())
    isComplete = fields.uint32() == 1
    plainSize = fields.int64()
    names = Int64(Self.headerSize) + Int64(nodeCount) * Int64(Self.nodeSize)
    links = names + Int64(fields.uint32())
    end = links + Int64(fields.uint32())
    var facts = stat()
    guard nodeCount > 0, fstat(file.number, &facts) == 0, Int64(facts.st_size) == end else { return nil }
    self.file = file
  }

  var root: LayerNode { get throws { try nodes(0..<1)[0] } }

  func nodes(_ range: Range<Int>) throws -> [LayerNode] {
    guard !range.isEmpty else { return [] }
    guard range.lowerBound >= 0, range.upperBound <= nodeCount else { throw LayerTreeError.damaged }
    let bytes = try Self.read(
      file.number, Int64(Self.headerSize + range.lowerBound * Self.nodeSize), range.count * Self.nodeSize)
    var reader = NodeReader(bytes[...])
    return try range.map { _ in try reader.node() }
  }

  struct Child: Sendable {
    let node: LayerNode
    let name: [UInt8]
  }

  /// Children of a directory in order of their names, at most `limit` from the one at `offset` on.
  func children(of node: LayerNode, from offset: Int = 0, limit: Int = .max) throws -> [Child] {
    let count = Int(node.childCount)
    guard offset < count else { return [] }
    let first = Int(node.firstChild) + offset
    let found = try nodes(first..<(first + min(limit, count - offset)))
    guard let start = found.first?.nameOffset, let last = found.last else { return [] }
    let bytes = try text(names, start, Int(last.nameOffset) - Int(start) + Int(last.nameLength))
    return try found.map { node in
      let from = Int(node.nameOffset) - Int(start)
      guard from >= 0, from + Int(node.nameLength) <= bytes.count else { throw LayerTreeError.damaged }
      return Child(node: node, name: Array(bytes[from..<(from + Int(node.nameLength))]))
    }
  }

  /// Target of a symbolic or hard link.
  func link(of node: LayerNode) throws -> [UInt8] { try text(links, node.linkOffset, Int(node.linkLength)) }

  /// What has this name in a directory; nil where there is none.
  func child(_ name: [UInt8], of node: LayerNode) throws -> LayerNode? {
    var low = Int(node.firstChild), high = Int(node.firstChild) + Int(node.childCount)
    while low < high {
      let middle = (low + high) / 2
      let candidate = try nodes(middle..<(middle + 1))[0]
      let candidateName = try text(names, candidate.nameOffset, Int(candidate.nameLength))
      if candidateName == name { return candidate }
      if candidateName.lexicographicallyPrecedes(name) { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// What a path of names leads to; nil where there is no such thing. Links are not followed.
  func find(_ path: [[UInt8]]) throws -> LayerNode? {
    var node = try root
    for name in path {
      guard node.kind == .directory, let next = try child(name, of: node) else { return nil }
      node = next
    }
    return node
  }

  private func text(_ region: Int64, _ offset: UInt32, _ count: Int) throws -> [UInt8] {
    guard count > 0 else { return [] }
    guard region + Int64(offset) + Int64(count) <= end else { throw LayerTreeError.damaged }
    return try Self.read(file.number, region + Int64(offset), count)
  }

  private static func read(_ number: CInt, _ offset: Int64, _ count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled...])
        let position = off_t(offset + Int64(filled))
        let got = try Errno.retrying { pread(number, rest.baseAddress, rest.count, position) }
        if got == 0 { throw LayerTreeError.damaged }
        filled += got
      }
    }
  }
}

enum LayerTreeError: Error {
  /// The file is not what was written.
  case damaged
}

/// Numbers in the order in which they were written.
private struct NodeReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

  private mutating func number<Value: FixedWidthInteger>(_ type: Value.Type) -> Value {
    let size = MemoryLayout<Value>.size
    var value: Value = 0
    for byte in rest.prefix(size).reversed() { value = value << 8 | Value(truncatingIfNeeded: byte) }
    rest = rest.dropFirst(size)
    return value
  }

  mutating func uint32() -> UInt32 { number(UInt32.self) }
  mutating func int64() -> Int64 { number(Int64.self) }

  mutating func node() throws -> LayerNode {
    guard let kind = LayerNode.Kind(rawValue: number(UInt8.self)) else { throw LayerTreeError.damaged }
    return LayerNode(
      kind: kind, flags: .init(rawValue: number(UInt8.self)), mode: number(UInt16.self), userID: uint32(),
      groupID: uint32(), modified: int64(), size: int64(), descendants: uint32(), firstChild: uint32(),
      childCount: uint32(), nameOffset: uint32(), nameLength: number(UInt16.self), linkOffset: uint32(),
      linkLength: number(UInt16.self))
  }
}

extension LayerNode {
  /// As `LayerTree` reads it: `LayerTree.nodeSize` bytes.
  func encode(to bytes: inout [UInt8]) {
    func put<Value: FixedWidthInteger>(_ value: Value) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    put(kind.rawValue)
    put(flags.rawValue)
    put(mode)
    put(userID)
    put(groupID)
    put(modified)
    put(size)
    put(descendants)
    put(firstChild)
    put(childCount)
    put(nameOffset)
    put(nameLength)
    put(linkOffset)
    put(linkLength)
  }
}
