internal import Yams

/// A value of a configuration file with the line that it begins on.
struct ConfigurationNode {
  enum Content {
    case text(String)
    case none
    case list([ConfigurationNode])
    case mapping([(key: String, value: ConfigurationNode)])
  }

  let line: Int
  let content: Content

  var kind: String {
    switch content {
    case .text: "a value"
    case .none: "nothing"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }

  /// Parses YAML; an empty text is an empty mapping.
  ///
  /// Bounded in size and depth; without aliases and tags, which no configuration needs and which make a file say more than
  /// a reader sees.
  static func parse(_ bytes: [UInt8], file: String) throws(ConfigurationProblems) -> ConfigurationNode {
    guard bytes.count <= 1 << 20 else { throw .init(file, 0, "", "it is larger than 1 MiB") }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .init(file, 0, "", "it is not text in UTF-8") }
    // Yams compares keys with every alias written out: a few lines of aliases of aliases would take for ever. The few
    // that come through here are refused where they stand.
    guard aliasCount(bytes) <= 16 else { throw .init(file, 0, "", "anchors and aliases are not supported here") }
    do {
      let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
      guard let root = try parser.nextRoot() else { return ConfigurationNode(line: 1, content: .mapping([])) }
      let node = try converted(root, file, depth: 0)
      guard try parser.nextRoot() == nil else {
        throw ConfigurationProblems(file, 0, "", "it holds more than one document")
      }
      if case .none = node.content { return ConfigurationNode(line: 1, content: .mapping([])) }
      return node
    } catch let problems as ConfigurationProblems {
      throw problems
    } catch let error as YamlError {
      throw described(error, file)
    } catch {
      throw .init(file, 0, "", "\(error)")
    }
  }

  /// What looks like an alias of an anchor before it; also in quotes, where it is neither. (YAML 1.2, section 7.1)
  private static func aliasCount(_ bytes: [UInt8]) -> Int {
    var anchors: Set<ArraySlice<UInt8>> = []
    var count = 0
    for index in bytes.indices where bytes[index] == UInt8(ascii: "&") || bytes[index] == UInt8(ascii: "*") {
      guard index == 0 || opening.contains(bytes[index - 1]) else { continue }
      let name = bytes[(index + 1)...].prefix(256).prefix(while: isNameByte)
      guard !name.isEmpty else { continue }
      if bytes[index] == UInt8(ascii: "&") { anchors.insert(name) } else if anchors.contains(name) { count += 1 }
    }
    return count
  }

  /// What may stand before a value: blanks, indicators, breaks (Unicode's and a byte order mark by their last bytes).
  private static let opening: [UInt8] = Array(" \t\r\n[{,:-?".utf8) + [0x85, 0xa8, 0xa9, 0xbf]

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  private static func described(_ error: YamlError, _ file: String) -> ConfigurationProblems {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      .init(file, mark.line, "", problem)
    case .duplicatedKeysInMapping(let duplicates, let context):
      .init(file, context.mark.line, duplicates.map { "\($0)" }.joined(separator: ", "), "it is given twice")
    default: .init(file, 0, "", "\(error)")
    }
  }

  private static func converted(_ node: Node, _ file: String, depth: Int) throws(ConfigurationProblems)
    -> ConfigurationNode
  {
    let line = node.mark?.line ?? 0
    guard depth <= 16 else { throw .init(file, line, "", "it is nested deeper than 16 levels") }
    guard node.anchor == nil else { throw .init(file, line, "", "anchors and aliases are not supported here") }
    switch node {
    case .alias: throw .init(file, line, "", "anchors and aliases are not supported here")
    case .scalar(let scalar):
      let isNothing = scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
      return ConfigurationNode(line: line, content: isNothing ? .none : .text(scalar.string))
    case .sequence(let sequence):
      var elements: [ConfigurationNode] = []
      for element in sequence { elements.append(try converted(element, file, depth: depth + 1)) }
      return ConfigurationNode(line: line, content: .list(elements))
    case .mapping(let mapping):
      var members: [(key: String, value: ConfigurationNode)] = []
      for (key, value) in mapping {
        guard case .scalar(let name) = key else { throw .init(file, line, "", "a key is not a word") }
        // The line of the key: where a value is a block, it begins on the next one.
        let value = try converted(value, file, depth: depth + 1)
        members.append((name.string, ConfigurationNode(line: key.mark?.line ?? value.line, content: value.content)))
      }
      return ConfigurationNode(line: line, content: .mapping(members))
    }
  }
}
