internal import Yams

/// A YAML or JSON value with the line it began on. Aliases are resolved, keys are strings.
struct ManifestNode {
  indirect enum Content {
    /// `plain` is false for quoted and block text, which is a string whatever it looks like.
    case scalar(String, plain: Bool)
    case mapping([Member])
    case sequence([ManifestNode])
  }

  struct Member {
    let key: String
    let line: Int
    let value: ManifestNode
  }

  let line: Int
  let content: Content

  subscript(_ key: String) -> ManifestNode? {
    guard case .mapping(let members) = content else { return nil }
    return members.first { $0.key == key }?.value
  }

  var isNull: Bool {
    guard case .scalar(let text, plain: true) = content else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(text)
  }

  /// The kind of value, as an error names it.
  var kind: String {
    switch content {
    case .mapping: "an object"
    case .sequence: "a list"
    case .scalar(_, plain: false): "a string"
    case .scalar(let text, plain: true): Scalar(text).kind
    }
  }
}

/// Bounds on what a file may hold, well above any manifest that a cluster's API server takes (3 MiB).
public struct ManifestLimits: Sendable {
  public var bytes = 8 << 20
  var depth = 64
  /// Values in a file with every alias written out.
  var values = 400_000
  var documents = 1000

  public init() {}
}

/// Reads the documents of a file.
struct ManifestReader {
  let problems: Problems
  let limits: ManifestLimits
  private var values = 0

  init(problems: Problems, limits: ManifestLimits = .init()) {
    self.problems = problems
    self.limits = limits
  }

  /// The documents that are not empty. What cannot be read is reported to `problems`.
  mutating func documents(of bytes: [UInt8]) -> [ManifestNode] {
    guard bytes.count <= limits.bytes else {
      problems.error(0, "", "is larger than \(limits.bytes >> 20) MiB, which no manifest needs")
      return []
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      problems.error(0, "", "is not text in UTF-8")
      return []
    }
    // Yams hashes mapping keys with every alias written out, so the bound has to come before it.
    guard AliasWeight.ofText(bytes) <= limits.bytes * 8 else {
      problems.error(0, "", "its aliases expand to more than \(limits.bytes * 8 >> 20) MiB")
      return []
    }
    var documents: [ManifestNode] = []
    do {
      // No resolver rules: which plain text is a number is decided by the field that reads it.
      let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
      while let root = try parser.nextRoot() {
        guard documents.count < limits.documents else {
          problems.error(0, "", "holds more than \(limits.documents) documents")
          return documents
        }
        if let node = convert(root, path: "", depth: 0), !node.isNull { documents.append(node) }
        if !problems.errors.isEmpty { return documents }
      }
    } catch {
      report(error)
    }
    return documents
  }

  private mutating func convert(_ node: Node, path: String, depth: Int) -> ManifestNode? {
    let line = node.mark?.line ?? 0
    values += 1
    guard values <= limits.values else {
      if values == limits.values + 1 {
        problems.error(line, path, "the file holds more than \(limits.values) values with its aliases written out")
      }
      return nil
    }
    guard depth <= limits.depth else {
      problems.error(line, path, "is nested deeper than \(limits.depth) levels")
      return nil
    }
    switch node {
    case .scalar(let scalar):
      return scalarNode(scalar, line: line, path: path)
    case .sequence(let sequence):
      var elements: [ManifestNode] = []
      for (index, element) in sequence.enumerated() {
        guard let value = convert(element, path: "\(path)[\(index)]", depth: depth + 1) else { return nil }
        elements.append(value)
      }
      return ManifestNode(line: line, content: .sequence(elements))
    case .mapping(let mapping):
      return mappingNode(mapping, line: line, path: path, depth: depth)
    case .alias:
      problems.error(line, path, "is an alias of nothing")
      return nil
    }
  }

  private func scalarNode(_ scalar: Node.Scalar, line: Int, path: String) -> ManifestNode? {
    let plain: Bool
    switch Tag.Name(rawValue: scalar.tag.rawValue) {
    case .implicit: plain = scalar.style == .plain || scalar.style == .any
    case .str, .nonSpecific: plain = false
    case .int, .float, .bool, .null: plain = true
    case let name:
      problems.error(line, path, "the tag \(name.rawValue) has no meaning in a manifest")
      return nil
    }
    return ManifestNode(line: line, content: .scalar(scalar.string, plain: plain))
  }

  private mutating func mappingNode(_ mapping: Node.Mapping, line: Int, path: String, depth: Int) -> ManifestNode? {
    var members: [ManifestNode.Member] = []
    var seen: Set<String> = []
    for (key, value) in mapping {
      let keyLine = key.mark?.line ?? line
      guard case .scalar(let name) = key else {
        problems.error(keyLine, path, "a field's name must be a string")
        return nil
      }
      if name.string == "<<", name.style == .plain {
        problems.error(keyLine, path, "merge keys (<<) are not part of Kubernetes manifests: write the fields out")
        return nil
      }
      guard seen.insert(name.string).inserted else {
        problems.error(keyLine, path.isEmpty ? name.string : "\(path).\(name.string)", "is given twice")
        return nil
      }
      let inner = path.isEmpty ? name.string : "\(path).\(name.string)"
      guard let converted = convert(value, path: inner, depth: depth + 1) else { return nil }
      members.append(.init(key: name.string, line: keyLine, value: converted))
    }
    return ManifestNode(line: line, content: .mapping(members))
  }

  private func report(_ error: any Error) {
    switch error as? YamlError {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      let before = context.map { "\($0.text) that began on line \($0.mark.line), " } ?? ""
      problems.error(mark.line, "", "is not YAML: \(before)\(problem)")
    case .duplicatedKeysInMapping(let keys, let context):
      problems.error(context.mark.line, keys.sorted().joined(separator: ", "), "is given twice in one object")
    case .reader(let problem, _, _, _):
      problems.error(0, "", "is not YAML: \(problem)")
    default:
      problems.error(0, "", "is not YAML: \(error)")
    }
  }
}

/// An upper bound on the bytes that a text stands for with its aliases written out, found without parsing it.
enum AliasWeight {
  private struct Anchor {
    var start: Int
    var before: Int
    var weight: Int?
  }

  /// An anchor's value ends before its first alias (YAML 1.2, 7.1), so what stands between the two, aliases
  /// included, bounds it. Text that only looks like anchors (C in a ConfigMap) adds a little and does no harm.
  static func ofText(_ bytes: [UInt8]) -> Int {
    var anchors: [[UInt8]: Anchor] = [:]
    var total = bytes.count
    var index = 0
    var opens = true
    while index < bytes.count {
      let byte = bytes[index]
      if opens, byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") {
        let start = index + 1
        var end = start
        while end < bytes.count, isName(bytes[end]) { end += 1 }
        if end > start {
          let name = Array(bytes[start..<min(end, start + 128)])
          if byte == UInt8(ascii: "&") {
            let old = anchors[name]?.weight
            anchors[name] = Anchor(start: start, before: total, weight: old.map { -$0 })
          } else if var anchor = anchors[name] {
            let weight: Int
            if let known = anchor.weight, known > 0 {
              weight = known
            } else {
              weight = max(end - anchor.start + (total - anchor.before), -(anchor.weight ?? 0))
              anchor.weight = weight
              anchors[name] = anchor
            }
            let (sum, overflow) = total.addingReportingOverflow(weight)
            if overflow { return Int.max }
            total = sum
          }
        }
        index = max(end, index + 1)
        opens = false
        continue
      }
      opens = isIndicatorOrBlank(byte)
      index += 1
    }
    return total
  }

  private static func isName(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
      || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }

  private static func isIndicatorOrBlank(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "["), UInt8(ascii: "{"),
      UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: "\""), UInt8(ascii: "'"):
      true
    default: byte >= 0x80
    }
  }
}
