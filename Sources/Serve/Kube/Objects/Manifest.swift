/// The kinds that are played, in the order in which they are set up.
public enum ObjectKind: String, Sendable, Hashable, CaseIterable, Comparable {
  case secret = "Secret"
  case configMap = "ConfigMap"
  case claim = "PersistentVolumeClaim"
  case service = "Service"
  case pod = "Pod"
  case deployment = "Deployment"
  case job = "Job"

  public var apiVersion: String {
    switch self {
    case .deployment: "apps/v1"
    case .job: "batch/v1"
    default: "v1"
    }
  }

  /// As kubectl prints it in `deployment/web`.
  public var short: String { rawValue.lowercased() }

  var hasPods: Bool { self == .pod || self == .deployment || self == .job }

  private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
  public static func < (a: ObjectKind, b: ObjectKind) -> Bool { a.order < b.order }
}

/// What names an object.
public struct ObjectKey: Sendable, Hashable, CustomStringConvertible {
  public var kind: ObjectKind
  public var namespace: String
  public var name: String

  public init(kind: ObjectKind, namespace: String, name: String) {
    self.kind = kind
    self.namespace = namespace
    self.name = name
  }

  /// `deployment/web`, with the namespace where it is not the default one.
  public var description: String { "\(kind.short)/\(name)" + (namespace == "default" ? "" : " (namespace \(namespace))") }
}

public enum ObjectBody: Sendable, Hashable {
  case pod(PodSpec)
  case deployment(Deployment)
  case job(Job)
  case service(Service)
  case configMap(ConfigMap)
  case secret(Secret)
  case claim(Claim)
}

/// One object of a manifest, parsed.
public struct KubeObject: Sendable {
  public let key: ObjectKey
  public let metadata: Metadata
  public let body: ObjectBody
  /// The object as compact JSON with sorted keys: what it is compared by, and read again from.
  public let canonical: String
  /// What its pods are made from, in the same form: the object itself for a Pod, else the template.
  let podContent: String
  public let file: String
  let line: Int
  /// Before `spec` in paths: empty, or `items[2].` of a List.
  let path: String
}

/// A file parsed: its objects, and everything that is wrong with it.
public struct Manifest: Sendable {
  public let objects: [KubeObject]
  public let problems: [Problem]

  /// - Parameter file: how errors name it.
  public init(parsing bytes: [UInt8], file: String) {
    let problems = Problems(file: file)
    var reader = ManifestReader(problems: problems)
    var objects: [KubeObject] = []
    let documents = reader.documents(of: bytes)
    if documents.isEmpty, problems.errors.isEmpty { problems.error(0, "", "holds no object") }
    for document in documents {
      guard let root = ObjectReader(document, path: "", problems: problems) else { continue }
      objects += Self.objects(in: root, depth: 0)
    }
    var seen: Set<ObjectKey> = []
    for object in objects where !seen.insert(object.key).inserted {
      problems.error(object.line, object.path + "metadata.name", "\(object.key) is given twice")
    }
    self.objects = objects
    self.problems = problems.all
  }

  public var errors: [Problem] { problems.filter { $0.severity == .error } }

  /// Names of the objects only, for taking them down: what else is wrong with them does not matter then.
  public static func keys(in bytes: [UInt8], file: String) throws -> [ObjectKey] {
    let problems = Problems(file: file)
    var reader = ManifestReader(problems: problems)
    var keys: [ObjectKey] = []
    for document in reader.documents(of: bytes) {
      guard let root = ObjectReader(document, path: "", problems: problems) else { continue }
      let items = root.string("kind") == "List" ? root.elements("items") : [(document, "")]
      for (node, path) in items {
        guard let object = ObjectReader(node, path: path, problems: problems), let kind = Self.kind(of: object),
          let metadata = object.requiredObject("metadata"), let name = metadata.requiredObjectName("name")
        else { continue }
        keys.append(ObjectKey(kind: kind, namespace: metadata.string("namespace") ?? "default", name: name))
      }
    }
    guard problems.errors.isEmpty else { throw KubeError.invalid(problems.errors) }
    return keys
  }

  private static func objects(in root: ObjectReader, depth: Int) -> [KubeObject] {
    if root.string("kind") == "List" {
      root.accept("apiVersion", only: ["v1"], "a List is of v1")
      if let metadata = root.object("metadata") {
        // What `kubectl get -o yaml` writes around its items.
        metadata.accept("resourceVersion", only: [""], "the API server sets it; take it out")
        metadata.accept("selfLink", only: [""], "the API server sets it; take it out")
        metadata.finish()
      }
      guard depth == 0 else {
        root.error("kind", "a List may not be in a List")
        return []
      }
      defer { root.finish() }
      return root.elements("items").flatMap { item -> [KubeObject] in
        guard let object = ObjectReader(item.node, path: item.path, problems: root.problems) else { return [] }
        return objects(in: object, depth: 1)
      }
    }
    return object(root).map { [$0] } ?? []
  }

  private static func kind(of root: ObjectReader) -> ObjectKind? {
    guard let name = root.requiredString("kind") else { return nil }
    guard let kind = ObjectKind(rawValue: name) else {
      let names = ObjectKind.allCases.map(\.rawValue).sorted()
      let near = nearestName(to: name, among: names)
      root.error(
        "kind",
        "\"\(name)\" is not supported" + (near.map { " (did you mean \"\($0)\"?)" } ?? "")
          + ": \(names.joined(separator: ", ")) and List are")
      return nil
    }
    return kind
  }

  private static func object(_ root: ObjectReader) -> KubeObject? {
    let version = root.requiredString("apiVersion")
    guard let kind = kind(of: root) else { return nil }
    if let version, version != kind.apiVersion {
      root.error("apiVersion", "of a \(kind.rawValue) is \(kind.apiVersion), not \(version)")
      return nil
    }
    let metadata =
      kind == .service
      ? root.metadata(.object(nameRule: NameRule.isServiceName, what: labelRule + ", and begins with a letter"))
      : root.metadata(.object(nameRule: NameRule.isSubdomain, what: subdomainRule))
    root.acceptEmptyObject("status", "the API server sets it; take it out")
    let body = body(kind, root)
    root.finish()
    guard let metadata, let body else { return nil }
    return KubeObject(
      key: ObjectKey(kind: kind, namespace: metadata.namespace, name: metadata.name), metadata: metadata, body: body,
      canonical: CanonicalJSON.text(of: root.node),
      podContent: CanonicalJSON.text(of: root.node["spec"]?["template"] ?? root.node), file: root.problems.file, line: root.line,
      path: root.path.isEmpty ? "" : root.path + ".")
  }

  private static func body(_ kind: ObjectKind, _ root: ObjectReader) -> ObjectBody? {
    switch kind {
    case .configMap: return .configMap(root.configMap())
    case .secret: return .secret(root.secret())
    default: break
    }
    guard let spec = root.requiredObject("spec") else { return nil }
    defer { spec.finish() }
    switch kind {
    case .pod: return spec.podSpec().map { .pod($0) }
    case .deployment: return spec.deployment().map { .deployment($0) }
    case .job: return spec.job().map { .job($0) }
    case .service: return spec.service().map { .service($0) }
    default: return spec.claim().map { .claim($0) }
    }
  }
}
