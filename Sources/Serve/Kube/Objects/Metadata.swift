/// Name, labels and annotations of an object. (Kubernetes API, ObjectMeta)
public struct Metadata: Sendable, Hashable {
  public var name: String
  public var namespace: String
  public var labels: [String: String]
  public var annotations: [String: String]

  public init(name: String, namespace: String = "default", labels: [String: String] = [:], annotations: [String: String] = [:]) {
    self.name = name
    self.namespace = namespace
    self.labels = labels
    self.annotations = annotations
  }
}

extension ObjectReader {
  enum MetadataKind {
    /// A namespaced object with a name of its own.
    case object(nameRule: (String) -> Bool, what: String)
    /// The template of pods that get their names from their owner.
    case template
  }

  func metadata(_ kind: MetadataKind) -> Metadata? {
    let reader: ObjectReader
    switch kind {
    case .object:
      guard let object = requiredObject("metadata") else { return nil }
      reader = object
    case .template:
      guard has("metadata") else { return Metadata(name: "") }
      guard let object = object("metadata") else { return nil }
      reader = object
    }
    defer { reader.finish() }
    var name: String?
    var namespace: String? = "default"
    switch kind {
    case .object(let rule, let what):
      reader.refuse("generateName", "give the object a name: metadata.name")
      name = reader.requiredName("name", rule, what)
      if reader.has("namespace") { namespace = reader.requiredLabelName("namespace") }
    case .template:
      reader.refuse("name", "pods of a template are named after their owner")
      reader.refuse("namespace", "pods of a template are in their owner's namespace")
      name = ""
    }
    // What `kubectl create --dry-run -o yaml` writes.
    reader.accept("creationTimestamp", only: [], "the API server sets it; take it out")
    reader.refuse([
      ("resourceVersion", "the API server sets it; take it out"), ("uid", "the API server sets it; take it out"),
      ("generation", "the API server sets it; take it out"), ("selfLink", "the API server sets it; take it out"),
      ("managedFields", "the API server sets it; take it out"),
      ("deletionTimestamp", "the API server sets it; take it out"),
      ("deletionGracePeriodSeconds", "the API server sets it; take it out"),
      ("ownerReferences", "no controller deletes what an object owns; clipper kube down takes objects by name"),
      ("finalizers", "no controller would finish them"),
    ])
    let labels = reader.labels("labels")
    let annotations = reader.annotations()
    guard let name, let namespace else { return nil }
    return Metadata(name: name, namespace: namespace, labels: labels, annotations: annotations)
  }

  func labels(_ field: String) -> [String: String] {
    guard let object = object(field) else { return [:] }
    var labels: [String: String] = [:]
    for key in object.keys {
      guard let value = object.string(key) else {
        if object.has(key) { continue }
        labels[key] = ""
        continue
      }
      if !NameRule.isQualifiedName(key) {
        object.error(key, "is not a label's key: [prefix/]name with at most 63 of A-Z a-z 0-9 - _ . in the name")
      } else if !NameRule.isLabelValue(value) {
        object.error(key, "\"\(value.prefix(80))\" is not a label's value: at most 63 of A-Z a-z 0-9 - _ .")
      }
      labels[key] = value
    }
    return labels
  }

  private func annotations() -> [String: String] {
    guard let object = object("annotations") else { return [:] }
    var annotations: [String: String] = [:]
    var size = 0
    for key in object.keys {
      let value = object.string(key) ?? ""
      if !NameRule.isQualifiedName(key.lowercased()) { object.error(key, "is not an annotation's key: [prefix/]name") }
      size += key.utf8.count + value.utf8.count
      annotations[key] = value
    }
    if size > 256 << 10 { error("annotations", "hold more than 256 KiB together") }
    return annotations
  }
}

/// A label selector with `matchLabels` and `matchExpressions`. (Kubernetes API, LabelSelector)
public struct LabelSelector: Sendable, Hashable {
  public enum Requirement: Sendable, Hashable {
    case isIn(String, [String])
    case notIn(String, [String])
    case exists(String)
    case doesNotExist(String)
  }

  public var requirements: [Requirement]

  public func matches(_ labels: [String: String]) -> Bool {
    requirements.allSatisfy { requirement in
      switch requirement {
      case .isIn(let key, let values): labels[key].map { values.contains($0) } ?? false
      case .notIn(let key, let values): labels[key].map { !values.contains($0) } ?? true
      case .exists(let key): labels[key] != nil
      case .doesNotExist(let key): labels[key] == nil
      }
    }
  }

  init(matchLabels: [String: String]) {
    requirements = matchLabels.sorted { $0.key < $1.key }.map { .isIn($0.key, [$0.value]) }
  }

  init(reading object: ObjectReader) {
    self.init(matchLabels: object.labels("matchLabels"))
    requirements += object.objects("matchExpressions") { expression -> Requirement? in
      let key = expression.requiredName("key", NameRule.isQualifiedName, "a label's key")
      let operation = expression.requiredString("operator")
      let values = expression.strings("values") ?? []
      guard let key, let operation else { return nil }
      switch operation {
      case "In", "NotIn":
        guard !values.isEmpty else {
          expression.error("values", "must not be empty with the operator \(operation)")
          return nil
        }
        return operation == "In" ? .isIn(key, values) : .notIn(key, values)
      case "Exists", "DoesNotExist":
        guard values.isEmpty else {
          expression.error("values", "must be empty with the operator \(operation)")
          return nil
        }
        return operation == "Exists" ? .exists(key) : .doesNotExist(key)
      default:
        expression.error("operator", "\"\(operation)\" is not one of In, NotIn, Exists, DoesNotExist")
        return nil
      }
    }
  }
}
