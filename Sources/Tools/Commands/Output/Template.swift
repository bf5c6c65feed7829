/// The part of Go's text/template that `--format` is used with: fields, `json`, `join`, `upper`, `lower`, `title`,
/// `split`, `len`, `index`, `print`, `println`, `printf`, comparisons, pipelines, `if`, `range` and `with`.
struct Template {
  private let nodes: [Node]

  init(_ text: String) throws {
    // A shell hands `\t` and `\n` on as they were typed.
    let text = text.replacing("\\t", with: "\t").replacing("\\n", with: "\n")
    var parser = Parser(text: text)
    nodes = try parser.nodes(until: []).nodes
  }

  func render(_ value: Value) throws -> String {
    var output = ""
    try Self.render(nodes, value, root: value, into: &output)
    return output
  }

  // MARK: Tree

  private indirect enum Node {
    case text(String)
    case output(Pipeline)
    case condition(Pipeline, then: [Node], otherwise: [Node])
    case range(Pipeline, each: [Node], otherwise: [Node])
    case with(Pipeline, then: [Node], otherwise: [Node])
  }

  private typealias Pipeline = [[Term]]

  private enum Term {
    case path([String], fromRoot: Bool)
    case word(String)
    case literal(Value)
    case group(Pipeline)
  }

  // MARK: Evaluation

  private static func render(_ nodes: [Node], _ dot: Value, root: Value, into output: inout String) throws {
    for node in nodes {
      switch node {
      case .text(let text): output += text
      case .output(let pipeline): output += try evaluate(pipeline, dot, root).text
      case .condition(let pipeline, let then, let otherwise):
        let holds = try evaluate(pipeline, dot, root).isTrue
        try render(holds ? then : otherwise, dot, root: root, into: &output)
      case .with(let pipeline, let then, let otherwise):
        let value = try evaluate(pipeline, dot, root)
        try render(value.isTrue ? then : otherwise, value.isTrue ? value : dot, root: root, into: &output)
      case .range(let pipeline, let each, let otherwise):
        let value = try evaluate(pipeline, dot, root)
        let items: [Value]
        switch value {
        case .array(let values): items = values
        case .object(let members): items = members.sorted { $0.key < $1.key }.map(\.value)
        case .null: items = []
        default: throw Failure("template: range cannot walk over \(value.text)")
        }
        for item in items { try render(each, item, root: root, into: &output) }
        if items.isEmpty { try render(otherwise, dot, root: root, into: &output) }
      }
    }
  }

  private static func evaluate(_ pipeline: Pipeline, _ dot: Value, _ root: Value) throws -> Value {
    var piped: Value?
    for command in pipeline {
      piped = try call(command, piped, dot, root)
    }
    return piped ?? .null
  }

  private static func call(_ command: [Term], _ piped: Value?, _ dot: Value, _ root: Value) throws -> Value {
    guard let first = command.first else { throw Failure("template: a command is missing") }
    guard case .word(let name) = first else {
      guard command.count == 1, piped == nil else { throw Failure("template: only a function takes arguments") }
      return try value(first, dot, root)
    }
    var arguments = try command.dropFirst().map { try value($0, dot, root) }
    if let piped { arguments.append(piped) }
    return try apply(name, arguments)
  }

  private static func value(_ term: Term, _ dot: Value, _ root: Value) throws -> Value {
    switch term {
    case .literal(let value): return value
    case .group(let pipeline): return try evaluate(pipeline, dot, root)
    case .word(let name): return try apply(name, [])
    case .path(let names, let fromRoot):
      var value = fromRoot ? root : dot
      for name in names {
        guard case .object(let members) = value else {
          if case .null = value { return .null }
          throw Failure("template: there is no field \"\(name)\" in \(value.text.prefix(60))")
        }
        guard let next = members[name] else {
          throw Failure("template: there is no field \"\(name)\"; there are \(members.keys.sorted().joined(separator: ", "))")
        }
        value = next
      }
      return value
    }
  }

  private static func apply(_ name: String, _ arguments: [Value]) throws -> Value {
    func argument(_ index: Int) throws -> Value {
      guard index < arguments.count else { throw Failure("template: \(name) needs \(index + 1) arguments") }
      return arguments[index]
    }
    switch name {
    case "json": return .string(try argument(0).json())
    case "upper": return .string(try argument(0).text.uppercased())
    case "lower": return .string(try argument(0).text.lowercased())
    case "title":
      let text = try argument(0).text
      return .string(text.prefix(1).uppercased() + text.dropFirst())
    case "len":
      guard let count = try argument(0).count else { throw Failure("template: len of \(try argument(0).text)") }
      return .integer(Int64(count))
    case "join":
      guard case .array(let values) = try argument(0) else { throw Failure("template: join needs a list") }
      return .string(values.map(\.text).joined(separator: try argument(1).text))
    case "split":
      let separator = try argument(1).text
      return .array(try argument(0).text.split(separator: separator, omittingEmptySubsequences: false).map { .string(String($0)) })
    case "index":
      return try arguments.dropFirst().reduce(argument(0)) { try element($1, of: $0) }
    case "print": return .string(arguments.map(\.text).joined())
    case "println": return .string(arguments.map(\.text).joined(separator: " ") + "\n")
    case "printf": return .string(try format(try argument(0).text, Array(arguments.dropFirst())))
    case "eq": return .bool(try arguments.dropFirst().contains(argument(0)))
    case "ne": return .bool(try argument(0) != argument(1))
    case "lt", "le", "gt", "ge": return .bool(try compare(name, argument(0), argument(1)))
    case "not": return .bool(try !argument(0).isTrue)
    case "and": return arguments.first { !$0.isTrue } ?? arguments.last ?? .null
    case "or": return arguments.first { $0.isTrue } ?? arguments.last ?? .null
    case "true", "false": return .bool(name == "true")
    case "nil": return .null
    default: throw Failure("template: function \"\(name)\" not defined")
    }
  }

  private static func element(_ index: Value, of value: Value) throws -> Value {
    switch (value, index) {
    case (.array(let values), .integer(let index)):
      guard values.indices.contains(Int(index)) else { throw Failure("template: index out of range: \(index)") }
      return values[Int(index)]
    case (.object(let members), .string(let key)): return members[key] ?? .null
    default: throw Failure("template: cannot index \(value.text.prefix(60)) by \(index.text)")
    }
  }

  private static func compare(_ name: String, _ left: Value, _ right: Value) throws -> Bool {
    func ordered<Number: Comparable>(_ left: Number, _ right: Number) -> Bool {
      switch name {
      case "lt": left < right
      case "le": left <= right
      case "gt": left > right
      default: left >= right
      }
    }
    switch (left, right) {
    case (.integer(let left), .integer(let right)): return ordered(left, right)
    case (.string(let left), .string(let right)): return ordered(left, right)
    case (.number(let left), .number(let right)): return ordered(left, right)
    case (.integer(let left), .number(let right)): return ordered(Double(left), right)
    case (.number(let left), .integer(let right)): return ordered(left, Double(right))
    default: throw Failure("template: \(name) cannot compare \(left.text) and \(right.text)")
    }
  }

  private static func format(_ pattern: String, _ arguments: [Value]) throws -> String {
    var output = ""
    var rest = arguments[...]
    var characters = Substring(pattern)
    while let character = characters.popFirst() {
      guard character == "%" else {
        output.append(character)
        continue
      }
      var width = ""
      while let next = characters.first, next == "-" || next.isNumber { width.append(characters.removeFirst()) }
      guard let verb = characters.popFirst() else { throw Failure("template: printf: the format ends with %") }
      if verb == "%" {
        output.append("%")
        continue
      }
      guard let value = rest.popFirst() else { throw Failure("template: printf: an argument for %\(verb) is missing") }
      let text: String
      switch verb {
      case "s", "v", "d": text = value.text
      case "q": text = try Value.string(value.text).json()
      default: throw Failure("template: printf: %\(verb) is not supported; use %s, %v, %d or %q")
      }
      let padding = String(repeating: " ", count: max(0, abs(Int(width) ?? 0) - text.count))
      output += width.hasPrefix("-") ? text + padding : padding + text
    }
    return output
  }

  // MARK: Parsing

  private struct Parser {
    var rest: Substring

    init(text: String) { rest = text[...] }

    /// Reads nodes up to an action among `ends` (`end`, `else`), which is returned.
    mutating func nodes(until ends: Set<String>) throws -> (nodes: [Node], end: String) {
      var nodes: [Node] = []
      while true {
        guard let open = rest.firstRange(of: "{{") else {
          guard ends.isEmpty else { throw Failure("template: {{end}} is missing") }
          if !rest.isEmpty { nodes.append(.text(String(rest))) }
          rest = ""
          return (nodes, "")
        }
        var text = rest[..<open.lowerBound]
        rest = rest[open.upperBound...]
        if rest.hasPrefix("- ") { text = Self.trimmedEnd(text) }
        if !text.isEmpty { nodes.append(.text(String(text))) }
        let action = try readAction()
        let words = action.split(separator: " ", maxSplits: 1)
        switch words.first.map(String.init) ?? "" {
        case let word where ends.contains(word): return (nodes, action)
        case "if", "range", "with": nodes.append(try block(String(words[0]), words.count > 1 ? words[1] : ""))
        case "end", "else": throw Failure("template: unexpected {{\(action)}}")
        case "": throw Failure("template: an empty {{}}")
        case let word where word.hasPrefix("/*"): continue
        default: nodes.append(.output(try Self.pipeline(action[...])))
        }
      }
    }

    private mutating func block(_ keyword: String, _ condition: Substring) throws -> Node {
      let pipeline = try Parser.pipeline(condition)
      let (then, end) = try nodes(until: ["end", "else"])
      var otherwise: [Node] = []
      if end.hasPrefix("else") {
        let more = end.dropFirst("else".count).drop { $0 == " " }
        if more.hasPrefix("if ") {
          otherwise = [try block("if", more.dropFirst(3))]
        } else {
          otherwise = try nodes(until: ["end"]).nodes
        }
      }
      switch keyword {
      case "if": return .condition(pipeline, then: then, otherwise: otherwise)
      case "with": return .with(pipeline, then: then, otherwise: otherwise)
      default: return .range(pipeline, each: then, otherwise: otherwise)
      }
    }

    private mutating func readAction() throws -> String {
      guard let close = rest.firstRange(of: "}}") else { throw Failure("template: }} is missing") }
      var action = rest[..<close.lowerBound]
      rest = rest[close.upperBound...]
      if action.hasPrefix("- ") { action = action.dropFirst(2) }
      if action.hasSuffix(" -") {
        action = action.dropLast(2)
        rest = rest.drop { $0.isWhitespace }
      }
      return String(Self.trimmedEnd(action.drop { $0.isWhitespace }))
    }

    private static func trimmedEnd(_ text: Substring) -> Substring {
      var text = text
      while text.last?.isWhitespace == true { text.removeLast() }
      return text
    }

    static func pipeline(_ text: Substring) throws -> Pipeline {
      var rest = text
      let pipeline = try pipeline(&rest, nested: false)
      guard rest.isEmpty else { throw Failure("template: unexpected \"\(rest)\"") }
      return pipeline
    }

    private static func pipeline(_ rest: inout Substring, nested: Bool) throws -> Pipeline {
      var commands: Pipeline = [[]]
      while true {
        rest = rest.drop { $0.isWhitespace }
        guard let character = rest.first else { break }
        switch character {
        case ")":
          guard nested else { throw Failure("template: unexpected )") }
          rest.removeFirst()
          return commands
        case "|":
          rest.removeFirst()
          commands.append([])
        case "(":
          rest.removeFirst()
          commands[commands.count - 1].append(.group(try pipeline(&rest, nested: true)))
        case "\"", "`": commands[commands.count - 1].append(.literal(.string(try quoted(&rest))))
        default:
          let word = rest.prefix { !$0.isWhitespace && $0 != "|" && $0 != ")" && $0 != "(" }
          rest = rest[word.endIndex...]
          commands[commands.count - 1].append(try term(word))
        }
      }
      guard !nested else { throw Failure("template: ) is missing") }
      return commands
    }

    private static func term(_ word: Substring) throws -> Term {
      if let number = Int64(word) { return .literal(.integer(number)) }
      let fromRoot = word.hasPrefix("$")
      let path = fromRoot ? word.dropFirst() : word
      if path == "." || (fromRoot && path.isEmpty) { return .path([], fromRoot: fromRoot) }
      if path.hasPrefix(".") {
        return .path(path.dropFirst().split(separator: ".", omittingEmptySubsequences: false).map(String.init), fromRoot: fromRoot)
      }
      guard !fromRoot else { throw Failure("template: variables such as \"\(word)\" are not supported") }
      return .word(String(word))
    }

    private static func quoted(_ rest: inout Substring) throws -> String {
      let quote = rest.removeFirst()
      var text = ""
      while let character = rest.popFirst() {
        if character == quote { return text }
        guard character == "\\", quote == "\"" else {
          text.append(character)
          continue
        }
        switch rest.popFirst() {
        case "n": text.append("\n")
        case "t": text.append("\t")
        case let other?: text.append(other)
        case nil: throw Failure("template: a string is not closed")
        }
      }
      throw Failure("template: a string is not closed")
    }
  }
}
