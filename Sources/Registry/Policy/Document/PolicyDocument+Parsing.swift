extension PolicyDocument {
  /// Reads a policy strictly: what is not known is refused, since a condition that is passed over would open what it
  /// closes. Throws `PolicyError`.
  public init(parsing text: String, as kind: Kind) throws(PolicyError) {
    guard text.unicodeScalars.count <= kind.limit else {
      throw PolicyError(line: 1, path: "", "the policy has more than \(kind.limit) characters")
    }
    let root = PolicyReader(try JSONNode.parse(text), path: "")
    let members = try root.members(["Version", "Id", "Statement"])
    var version = Version.y2008
    if let reader = members["Version"] {
      guard let known = Version(rawValue: try reader.string()) else {
        throw reader.failure("not one of \(Version.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      version = known
    }
    guard let statements = members["Statement"] else { throw root.failure("Statement is missing") }
    let readers = try statements.list()
    guard !readers.isEmpty else { throw statements.failure("there is no statement") }
    var parsed: [Statement] = []
    for reader in readers { parsed.append(try Statement(reader, kind, version)) }
    self.kind = kind
    self.version = version
    id = try members["Id"]?.string()
    self.statements = parsed
    self.text = text
  }
}

extension Statement {
  fileprivate init(_ reader: PolicyReader, _ kind: PolicyDocument.Kind, _ version: PolicyDocument.Version)
    throws(PolicyError)
  {
    let members = try reader.members([
      "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
    ])
    sid = try members["Sid"]?.string()
    guard let effectReader = members["Effect"] else { throw reader.failure("Effect is missing") }
    guard let effect = Effect(rawValue: try effectReader.string()) else {
      throw effectReader.failure("not Allow or Deny")
    }
    self.effect = effect
    let action = try Self.one(of: "Action", members, reader)
    actions = try ActionPattern(action.reader, isNegated: action.isNegated)
    if kind == .identity {
      for name in ["Principal", "NotPrincipal"] where members[name] != nil {
        throw reader.failure("\(name) has no place in the policy of a user, who is the principal")
      }
      principals = nil
    } else {
      let principal = try Self.one(of: "Principal", members, reader)
      guard !principal.isNegated || effect == .deny else {
        throw principal.reader.failure("NotPrincipal goes with Deny alone: it would allow all the world but a few")
      }
      principals = try PrincipalPattern(principal.reader, isNegated: principal.isNegated)
    }
    if kind == .repository {
      for name in ["Resource", "NotResource"] where members[name] != nil {
        throw reader.failure("\(name) has no place in the policy of a repository, which is the resource")
      }
      resources = nil
    } else {
      let resource = try Self.one(of: "Resource", members, reader)
      resources = try ResourcePattern(resource.reader, isNegated: resource.isNegated, version)
    }
    conditions =
      try members["Condition"].map { reader throws(PolicyError) in try Condition.parse(reader, version) } ?? []
  }

  /// An element or its negation, exactly one of which is there.
  private static func one(
    of name: String, _ members: [String: PolicyReader], _ statement: PolicyReader
  ) throws(PolicyError) -> (reader: PolicyReader, isNegated: Bool) {
    switch (members[name], members["Not\(name)"]) {
    case (let reader?, nil): return (reader, false)
    case (nil, let reader?): return (reader, true)
    case (nil, nil): throw statement.failure("\(name) is missing")
    case (_?, _?): throw statement.failure("\(name) and Not\(name) exclude each other")
    }
  }
}

/// A node of a policy's JSON with the way to it, for errors.
struct PolicyReader {
  let node: JSONNode
  let path: String

  init(_ node: JSONNode, path: String) {
    self.node = node
    self.path = path
  }

  func failure(_ message: String) -> PolicyError { PolicyError(line: node.line, path: path, message) }

  func string() throws(PolicyError) -> String {
    guard case .string(let text) = node.value else { throw failure("not a text") }
    return text
  }

  /// The members of an object, all of which are in `names`.
  func members(_ names: Set<String>) throws(PolicyError) -> [String: PolicyReader] {
    var found: [String: PolicyReader] = [:]
    for (name, reader) in try members() {
      guard names.contains(name) else {
        let near = names.first { $0.lowercased() == name.lowercased() }.map { "; it is written \($0)" } ?? ""
        throw failure("\"\(name.prefix(80))\" is not known here\(near)")
      }
      found[name] = reader
    }
    return found
  }

  func members() throws(PolicyError) -> [(name: String, reader: PolicyReader)] {
    guard case .object(let members) = node.value else { throw failure("not an object") }
    return members.map { ($0.name, PolicyReader($0.value, path: path.isEmpty ? $0.name : "\(path).\($0.name)")) }
  }

  /// The elements of a list, or the value alone where it is none.
  func list() throws(PolicyError) -> [PolicyReader] {
    guard case .array(let elements) = node.value else { return [self] }
    return elements.enumerated().map { PolicyReader($1, path: "\(path)[\($0)]") }
  }

  /// One text or several, at least one.
  func strings() throws(PolicyError) -> [(text: String, reader: PolicyReader)] {
    var found: [(text: String, reader: PolicyReader)] = []
    for reader in try list() { found.append((try reader.string(), reader)) }
    guard !found.isEmpty else { throw failure("the list is empty") }
    return found
  }
}
