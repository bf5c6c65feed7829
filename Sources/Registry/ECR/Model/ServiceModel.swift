/// What a service says of its operations: the shapes of their inputs with all constraints, and their errors.
struct ServiceModel: Sendable {
  struct OperationModel: Sendable {
    let input: String
    /// Names of exceptions.
    let errors: Set<String>
  }

  /// One shape; names lead to other shapes of the model.
  enum Shape: Sendable {
    case structure(members: [String: String], required: [String])
    case list(of: String, count: Bounds)
    case string(length: Bounds, values: [String], pattern: Pattern?)
    case integer(Bounds)
    case boolean
    /// Base64 on the wire; the bounds are of its bytes.
    case blob(Bounds)
  }

  /// `1..100`, either end may be open.
  struct Bounds: Sendable {
    var least: Int64?
    var most: Int64?
  }

  let operations: [String: OperationModel]
  let shapes: [String: Shape]

  static let ecr = ServiceModel(table: ECRModel.table)
  static let ecrPublic = ServiceModel(table: ECRPublicModel.table)

  /// Reads a table as `tools/ecr-model` writes it: a line an operation and a line a shape.
  init(table: String) {
    var operations: [String: OperationModel] = [:]
    var shapes: [String: Shape] = [:]
    for line in table.split(separator: "\n") {
      let words = line.split(separator: " ").map { String($0) }
      if words[0] == "operation" {
        operations[words[1]] = OperationModel(input: words[2], errors: Set(words[3...]))
      } else {
        shapes[words[0]] = Self.shape(kind: words[1], words[2...])
      }
    }
    self.operations = operations
    self.shapes = shapes
  }

  private static func shape(kind: String, _ words: ArraySlice<String>) -> Shape {
    let bounds = words.compactMap(Bounds.init).first ?? Bounds()
    switch kind {
    case "structure":
      let pairs = words.map { $0.split(separator: ":").map { String($0) } }
      let required = pairs.filter { $0[0].hasSuffix("!") }.map { String($0[0].dropLast()) }
      return .structure(
        members: Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0].prefix { $0 != "!" }), $0[1]) }),
        required: required)
    case "list": return .list(of: words.last ?? "", count: bounds)
    case "integer", "long": return .integer(bounds)
    case "boolean": return .boolean
    case "blob": return .blob(bounds)
    default:
      var rest = words.filter { Bounds($0) == nil }
      var pattern: Pattern?
      if let last = rest.last, last.hasPrefix("/") {
        pattern = Pattern(parsing: String(last.dropFirst().dropLast()))
        rest.removeLast()
      }
      return .string(
        length: bounds, values: rest.first?.split(separator: "|").map { String($0) } ?? [], pattern: pattern)
    }
  }
}

extension ServiceModel.Bounds {
  /// nil where the word is none.
  init?(_ word: String) {
    guard let dots = word.firstRange(of: ".."), !word.hasPrefix("/") else { return nil }
    let (low, high) = (word[..<dots.lowerBound], word[dots.upperBound...])
    guard low.isEmpty || Int64(low) != nil, high.isEmpty || Int64(high) != nil else { return nil }
    self.init(least: Int64(low), most: Int64(high))
  }
}
