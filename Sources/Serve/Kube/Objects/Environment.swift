/// Where a variable's value comes from.
public enum VariableSource: Sendable, Hashable {
  case value(String)
  case configMapKey(name: String, key: String, optional: Bool)
  case secretKey(name: String, key: String, optional: Bool)
  case field(FieldPath)
  case resource(ResourceField)
}

public struct EnvironmentVariable: Sendable, Hashable {
  public var name: String
  public var source: VariableSource
  /// Where an error about the value points to.
  let line: Int
  let path: String
}

/// All keys of a ConfigMap or Secret as variables.
public struct EnvironmentFrom: Sendable, Hashable {
  public var prefix: String
  public var isSecret: Bool
  public var name: String
  public var optional: Bool
  let line: Int
  let path: String
}

/// A field of the pod, by the downward API.
public enum FieldPath: Sendable, Hashable {
  case name, namespace, uid
  case label(String), annotation(String)
  /// All of them, one `key="value"` a line: in volumes only.
  case labels, annotations
  case podIP, hostIP, nodeName, serviceAccountName

  static let variables =
    "metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, "
    + "spec.serviceAccountName, status.podIP, status.podIPs, status.hostIP or status.hostIPs"
  static let files =
    "metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations, metadata.labels['KEY'] or "
    + "metadata.annotations['KEY']"

  init?(_ text: String, inVolume: Bool) {
    switch text {
    case "metadata.name": self = .name
    case "metadata.namespace": self = .namespace
    case "metadata.uid": self = .uid
    case "metadata.labels" where inVolume: self = .labels
    case "metadata.annotations" where inVolume: self = .annotations
    case "status.podIP" where !inVolume, "status.podIPs" where !inVolume: self = .podIP
    case "status.hostIP" where !inVolume, "status.hostIPs" where !inVolume: self = .hostIP
    case "spec.nodeName" where !inVolume: self = .nodeName
    case "spec.serviceAccountName" where !inVolume: self = .serviceAccountName
    default:
      if let key = Self.subscript(text, "metadata.labels['") {
        self = .label(key)
      } else if let key = Self.subscript(text, "metadata.annotations['") {
        self = .annotation(key)
      } else {
        return nil
      }
    }
  }

  private static func `subscript`(_ text: String, _ prefix: String) -> String? {
    guard text.hasPrefix(prefix), text.hasSuffix("']") else { return nil }
    let key = String(text.dropFirst(prefix.count).dropLast(2))
    return NameRule.isQualifiedName(key) ? key : nil
  }
}

/// A limit or request of a container, divided and rounded up.
public struct ResourceField: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case limitsCPU = "limits.cpu"
    case limitsMemory = "limits.memory"
    case requestsCPU = "requests.cpu"
    case requestsMemory = "requests.memory"
  }

  /// nil is the container that the variable belongs to.
  public var container: String?
  public var kind: Kind
  public var divisor: Quantity
}

extension ObjectReader {
  func environment() -> [EnvironmentVariable] {
    objects("env") { entry in
      let name = entry.requiredName("name", NameRule.isVariable, "a variable's name: printable ASCII without =")
      let value = entry.string("value")
      let source = entry.object("valueFrom") { entry.read(valueFrom: $0) }
      guard let name else { return nil }
      if entry.has("valueFrom") {
        if let value, !value.isEmpty { entry.error("valueFrom", "may not be given together with a value") }
        guard let source else { return nil }
        return EnvironmentVariable(name: name, source: source, line: entry.line, path: entry.path)
      }
      return EnvironmentVariable(name: name, source: .value(value ?? ""), line: entry.line, path: entry.path)
    }
  }

  private func read(valueFrom object: ObjectReader) -> VariableSource? {
    object.refuse("fileKeyRef", "values come from ConfigMaps, Secrets, fields and resources")
    let given = ["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef"].filter { object.has($0) }
    guard given.count == 1 else {
      problems.error(
        object.line, object.path,
        "must have exactly one of configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef, not \(given.count)")
      return nil
    }
    switch given[0] {
    case "configMapKeyRef":
      return object.object("configMapKeyRef") { reference in
        reference.keyReference().map { .configMapKey(name: $0, key: $1, optional: $2) }
      }
    case "secretKeyRef":
      return object.object("secretKeyRef") { reference in
        reference.keyReference().map { .secretKey(name: $0, key: $1, optional: $2) }
      }
    case "fieldRef":
      return object.fieldReference(inVolume: false).map { .field($0) }
    default:
      return object.resourceReference(needsContainer: false).map { .resource($0) }
    }
  }

  private func keyReference() -> (String, String, Bool)? {
    let name = requiredObjectName("name")
    let key = requiredName("key", NameRule.isConfigKey, "a key: letters, digits, - _ and .")
    let optional = bool("optional") ?? false
    guard let name, let key else { return nil }
    return (name, key, optional)
  }

  func fieldReference(inVolume: Bool) -> FieldPath? {
    object("fieldRef") { reference in
      reference.accept("apiVersion", only: ["v1"], "fields are those of v1")
      guard let text = reference.requiredString("fieldPath") else { return nil }
      guard let path = FieldPath(text, inVolume: inVolume) else {
        reference.error("fieldPath", "\"\(text)\" is not one of \(inVolume ? FieldPath.files : FieldPath.variables)")
        return nil
      }
      return path
    }
  }

  func resourceReference(needsContainer: Bool) -> ResourceField? {
    object("resourceFieldRef") { reference in
      let container = needsContainer ? reference.requiredLabelName("containerName") : reference.string("containerName")
      let divisor = reference.quantity("divisor")
      guard let resource = reference.requiredString("resource") else { return nil }
      guard let kind = ResourceField.Kind(rawValue: resource) else {
        let names = ResourceField.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        reference.error("resource", "\"\(resource)\" is not one of \(names)")
        return nil
      }
      let allowed = kind == .limitsCPU || kind == .requestsCPU ? ["1m", "1"] : nil
      if let divisor, let allowed, !allowed.contains(divisor.text), divisor.text != "0" {
        reference.error("divisor", "of a CPU must be 1 or 1m, not \(divisor)")
        return nil
      }
      let unit = divisor.flatMap { $0.milli == 0 ? nil : $0 } ?? Quantity(parsing: "1")
      return unit.map { ResourceField(container: container, kind: kind, divisor: $0) }
    }
  }

  func environmentFrom() -> [EnvironmentFrom] {
    objects("envFrom") { entry in
      let prefix = entry.name("prefix", NameRule.isVariable, "the beginning of a variable's name") ?? ""
      let given = ["configMapRef", "secretRef"].filter { entry.has($0) }
      guard given.count == 1, let field = given.first else {
        entry.problems.error(entry.line, entry.path, "must have exactly one of configMapRef and secretRef")
        return nil
      }
      return entry.object(field) { reference in
        let name = reference.requiredObjectName("name")
        let optional = reference.bool("optional") ?? false
        guard let name else { return nil }
        return EnvironmentFrom(
          prefix: prefix, isSecret: field == "secretRef", name: name, optional: optional, line: entry.line, path: entry.path)
      }
    }
  }
}
