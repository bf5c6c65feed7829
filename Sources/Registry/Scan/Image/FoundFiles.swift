internal import ImageSpec

/// What one file tells.
struct FoundFile {
  var packages: [Package] = []
  var system: OperatingSystem?
}

/// The files that tell of packages as they stand after some layers: a tree, so that a whiteout costs the length of its
/// path, however many there are.
struct FoundFiles {
  private final class Node {
    var children: [String: Node] = [:]
    var file: FoundFile?
  }

  private let root = Node()

  private func node(_ path: String) -> Node? {
    var node = root
    for part in path.split(separator: "/") {
      guard let child = node.children[String(part)] else { return nil }
      node = child
    }
    return node
  }

  func file(_ path: String) -> FoundFile? { node(path)?.file }

  func put(_ file: FoundFile, at path: String) {
    var node = root
    for part in path.split(separator: "/") {
      let child = node.children[String(part)] ?? Node()
      node.children[String(part)] = child
      node = child
    }
    node.file = file
  }

  /// A path and all below it.
  func remove(_ path: String) {
    guard let slash = path.lastIndex(of: "/") else {
      root.children[path] = nil
      return
    }
    node(String(path[..<slash]))?.children[String(path[path.index(after: slash)...])] = nil
  }

  /// All below a directory.
  func removeChildren(_ path: String) { node(path)?.children = [:] }

  /// A directory takes the place of a file.
  func removeFile(_ path: String) { node(path)?.file = nil }

  /// In the order of paths.
  func all() -> [(path: String, file: FoundFile)] {
    var found: [(path: String, file: FoundFile)] = []
    // A path's length is bounded, and so is the depth here.
    func visit(_ node: Node, _ path: String) {
      if let file = node.file { found.append((path, file)) }
      for (name, child) in node.children { visit(child, path.isEmpty ? name : "\(path)/\(name)") }
    }
    visit(root, "")
    return found.sorted { $0.path < $1.path }
  }
}
