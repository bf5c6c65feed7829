/// Reads the fields of one object strictly: each has the type that Kubernetes gives it, a field that nobody asked for
/// is unknown, and one that has no meaning here is refused with the reason.
final class ObjectReader {
  let node: ManifestNode
  let path: String
  let problems: Problems
  private let members: [String: ManifestNode.Member]
  private var asked: Set<String> = []

  /// nil, with a problem reported, where the node is not an object.
  init?(_ node: ManifestNode, path: String, problems: Problems) {
    guard case .mapping(let members) = node.content else {
      problems.error(node.line, path, "must be an object, not \(node.kind)")
      return nil
    }
    self.node = node
    self.path = path
    self.problems = problems
    self.members = Dictionary(members.map { ($0.key, $0) }) { first, _ in first }
  }

  var line: Int { node.line }

  func path(_ field: String) -> String {
    // Keys such as labels' hold dots of their own.
    let name = field.contains(".") || field.contains("/") ? "['\(field)']" : (path.isEmpty ? field : ".\(field)")
    return path + name
  }

  func line(of field: String) -> Int { members[field]?.line ?? line }

  func has(_ field: String) -> Bool {
    asked.insert(field)
    return members[field].map { !$0.value.isNull } ?? false
  }

  func error(_ field: String, _ message: String) { problems.error(line(of: field), path(field), message) }

  func warning(_ field: String, _ message: String) { problems.warning(line(of: field), path(field), message) }

  /// The field's value; nil where it is missing or null, which mean the same to Kubernetes.
  func value(_ field: String) -> ManifestNode? {
    asked.insert(field)
    guard let value = members[field]?.value, !value.isNull else { return nil }
    return value
  }

  private func required<Value>(_ field: String, _ value: Value?) -> Value? {
    if value == nil, members[field].map({ $0.value.isNull }) ?? true { problems.error(line, path(field), "is missing") }
    return value
  }

  // MARK: scalars

  func string(_ field: String) -> String? {
    guard let value = value(field) else { return nil }
    return Self.string(value, path: path(field), problems)
  }

  func requiredString(_ field: String) -> String? {
    let text = required(field, string(field))
    if text == "" {
      error(field, "must not be empty")
      return nil
    }
    return text
  }

  func string<Choice: RawRepresentable & CaseIterable>(_ field: String, of type: Choice.Type) -> Choice?
  where Choice.RawValue == String {
    guard let text = string(field) else { return nil }
    if let choice = Choice(rawValue: text) { return choice }
    let names = Choice.allCases.map(\.rawValue).filter { !$0.isEmpty }
    error(field, "\"\(text)\" is not one of \(names.joined(separator: ", "))")
    return nil
  }

  func bool(_ field: String) -> Bool? {
    guard let value = value(field) else { return nil }
    guard case .scalar(let text, plain: true) = value.content, let bool = Scalar(text).bool else {
      error(field, "must be true or false, not \(value.kind)")
      return nil
    }
    return bool
  }

  func integer(_ field: String, in range: ClosedRange<Int64> = 0...Int64(Int32.max)) -> Int64? {
    guard let value = value(field) else { return nil }
    guard case .scalar(let text, plain: true) = value.content, let number = Scalar(text).integer else {
      error(field, "must be a whole number, not \(value.kind)")
      return nil
    }
    guard range.contains(number) else {
      error(field, "must be \(range.lowerBound) to \(range.upperBound), not \(number)")
      return nil
    }
    return number
  }

  func requiredInteger(_ field: String, in range: ClosedRange<Int64>) -> Int64? { required(field, integer(field, in: range)) }

  /// The text of a string or of a number, for quantities and ports that may be either.
  func text(_ field: String) -> (text: String, isString: Bool)? {
    guard let value = value(field) else { return nil }
    switch value.content {
    case .scalar(let text, plain: false): return (text, true)
    case .scalar(let text, plain: true) where Scalar(text).bool == nil:
      return (text, Scalar(text).integer == nil)
    default:
      error(field, "must be a string or a number, not \(value.kind)")
      return nil
    }
  }

  // MARK: objects and lists

  func object(_ field: String) -> ObjectReader? {
    guard let value = value(field) else { return nil }
    return ObjectReader(value, path: path(field), problems: problems)
  }

  func requiredObject(_ field: String) -> ObjectReader? {
    if value(field) == nil { _ = required(field, nil as Int?) }
    return object(field)
  }

  /// Reads the field as an object, and reports what `read` left unread.
  func object<Value>(_ field: String, _ read: (ObjectReader) -> Value?) -> Value? {
    guard let object = object(field) else { return nil }
    defer { object.finish() }
    return read(object)
  }

  /// Elements of a list of objects; those that are not objects are reported and left out.
  func objects<Value>(_ field: String, _ read: (ObjectReader) -> Value?) -> [Value] {
    elements(field).compactMap { element in
      guard let object = ObjectReader(element.node, path: element.path, problems: problems) else { return nil }
      defer { object.finish() }
      return read(object)
    }
  }

  func strings(_ field: String) -> [String]? {
    guard has(field) else { return nil }
    return elements(field).compactMap { Self.string($0.node, path: $0.path, problems) }
  }

  func integers(_ field: String, in range: ClosedRange<Int64>) -> [Int64] {
    elements(field).compactMap { element in
      guard case .scalar(let text, plain: true) = element.node.content, let number = Scalar(text).integer,
        range.contains(number)
      else {
        problems.error(element.node.line, element.path, "must be a whole number of \(range.lowerBound) to \(range.upperBound)")
        return nil
      }
      return number
    }
  }

  /// A map of strings, such as labels. Keys in the order of the file.
  func stringMap(_ field: String) -> [(key: String, value: String)]? {
    guard let object = object(field) else { return nil }
    return object.keys.compactMap { key in object.string(key).map { (key, $0) } }
  }

  /// The field's names, in the order of the file.
  var keys: [String] {
    guard case .mapping(let members) = node.content else { return [] }
    return members.map(\.key)
  }

  func elements(_ field: String) -> [(node: ManifestNode, path: String)] {
    guard let value = value(field) else { return [] }
    guard case .sequence(let elements) = value.content else {
      error(field, "must be a list, not \(value.kind)")
      return []
    }
    return elements.enumerated().map { ($1, "\(path(field))[\($0)]") }
  }

  // MARK: fields without a meaning here

  /// Refuses the field where it is given, with the reason.
  func refuse(_ field: String, _ reason: String) {
    if has(field) { error(field, "is not supported: \(reason)") }
  }

  func refuse(_ fields: [(String, String)]) {
    for (field, reason) in fields { refuse(field, reason) }
  }

  /// Accepts the values that say what is the case anyway, and refuses the others with the reason.
  func accept(_ field: String, only values: [String], _ reason: String) {
    guard let value = value(field) else { return }
    guard case .scalar(let text, plain: let plain) = value.content else { return error(field, "must be a string, not \(value.kind)") }
    let same = values.contains(text) || (plain && Scalar(text).bool.map { values.contains(String($0)) } ?? false)
    if !same { error(field, "\(text) is not supported: \(reason)") }
  }

  /// An empty object is what a generated manifest carries; anything in it would be ignored, so it is refused.
  func acceptEmptyObject(_ field: String, _ reason: String) {
    guard let value = value(field) else { return }
    if case .mapping(let members) = value.content, members.isEmpty { return }
    error(field, "is not supported: \(reason)")
  }

  /// Reports every field that nobody asked for.
  func finish() {
    guard case .mapping(let members) = node.content else { return }
    for member in members where !asked.contains(member.key) {
      let near = nearestName(to: member.key, among: asked.filter { self.members[$0] == nil })
      problems.error(
        member.line, path(String(member.key.prefix(100))),
        "unknown field" + (near.map { "; did you mean \($0)?" } ?? ""))
    }
  }

  private static func string(_ node: ManifestNode, path: String, _ problems: Problems) -> String? {
    guard case .scalar(let text, plain: let plain) = node.content else {
      problems.error(node.line, path, "must be a string, not \(node.kind)")
      return nil
    }
    guard !plain || Scalar(text).kind == "a string" else {
      problems.error(node.line, path, "must be a string, not \(node.kind): write \"\(text)\" in quotes")
      return nil
    }
    return text
  }
}
