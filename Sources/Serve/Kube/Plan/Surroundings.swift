/// What pods refer to by name: the objects of a file over those that were played before.
public struct Surroundings: Sendable {
  /// An object and a text that changes with its content. A Secret's is random, so that it tells nothing of the content.
  struct Entry<Body: Sendable>: Sendable {
    var body: Body
    var revision: String
  }

  private(set) var configMaps: [ObjectKey: Entry<ConfigMap>] = [:]
  private(set) var secrets: [ObjectKey: Entry<Secret>] = [:]
  private(set) var claims: [ObjectKey: Claim] = [:]

  public init() {}

  public mutating func add(_ object: KubeObject, revision: String) {
    switch object.body {
    case .configMap(let map): configMaps[object.key] = Entry(body: map, revision: revision)
    case .secret(let secret): secrets[object.key] = Entry(body: secret, revision: revision)
    case .claim(let claim): claims[object.key] = claim
    case .pod, .deployment, .job, .service: break
    }
  }

  func configMap(_ name: String, in namespace: String) -> ConfigMap? {
    configMaps[ObjectKey(kind: .configMap, namespace: namespace, name: name)]?.body
  }

  func secret(_ name: String, in namespace: String) -> Secret? {
    secrets[ObjectKey(kind: .secret, namespace: namespace, name: name)]?.body
  }

  func claim(_ name: String, in namespace: String) -> Claim? {
    claims[ObjectKey(kind: .claim, namespace: namespace, name: name)]
  }

  /// `configmap/page@REVISION` of everything that the pod reads, sorted.
  func revisions(readBy pod: PodSpec, in namespace: String) -> [String] {
    var found: Set<String> = []
    for (isSecret, name) in pod.dataReferences {
      let key = ObjectKey(kind: isSecret ? .secret : .configMap, namespace: namespace, name: name)
      let revision = isSecret ? secrets[key]?.revision : configMaps[key]?.revision
      found.insert("\(key.kind.short)/\(name)@\(revision ?? "")")
    }
    return found.sorted()
  }

  /// References of an object's pods to what is not there; none for an object without pods.
  public func check(_ object: KubeObject) -> [Problem] {
    WorkloadPlan(object, self)?.pods.first.map { check($0.spec, in: $0.namespace, file: $0.file) } ?? []
  }

  /// Reports references to what is not there, with the place of each.
  func check(_ pod: PodSpec, in namespace: String, file: String) -> [Problem] {
    let problems = Problems(file: file)
    for container in pod.initContainers + pod.containers {
      for variable in container.environment {
        switch variable.source {
        case .configMapKey(let name, let key, optional: false):
          checkKey(key, of: name, configMap(name, in: namespace)?.data, .configMap, namespace, variable.line, variable.path, problems)
        case .secretKey(let name, let key, optional: false):
          checkKey(key, of: name, secret(name, in: namespace)?.data, .secret, namespace, variable.line, variable.path, problems)
        default: break
        }
      }
      for source in container.environmentFrom where !source.optional {
        checkExists(source.isSecret ? .secret : .configMap, source.name, namespace, source.line, source.path, problems)
      }
    }
    for volume in pod.volumes { check(volume, namespace, problems) }
    for name in pod.imagePullSecrets {
      checkExists(.secret, name, namespace, pod.line, pod.path + ".imagePullSecrets", problems)
      if let secret = secret(name, in: namespace), !PullSecret.types.contains(secret.type) {
        problems.error(
          pod.line, pod.path + ".imagePullSecrets",
          "the Secret \"\(name)\" has the type \(secret.type), not \(PullSecret.types.joined(separator: " or "))")
      }
    }
    return problems.all
  }

  private func check(_ volume: Volume, _ namespace: String, _ problems: Problems) {
    switch volume.source {
    case .claim(let name, _):
      checkExists(.claim, name, namespace, volume.line, volume.path + ".persistentVolumeClaim", problems)
    case .files(let files):
      for source in files.sources {
        let (kind, name, items): (ObjectKind, String, [VolumeItem]?)
        switch source {
        case .configMap(let map, let list, optional: false): (kind, name, items) = (.configMap, map, list)
        case .secret(let secret, let list, optional: false): (kind, name, items) = (.secret, secret, list)
        default: continue
        }
        let data = kind == .secret ? secret(name, in: namespace)?.data : configMap(name, in: namespace)?.data
        guard let items else {
          checkExists(kind, name, namespace, volume.line, volume.path, problems)
          continue
        }
        for case .key(let key) in items.map(\.value) {
          checkKey(key, of: name, data, kind, namespace, volume.line, volume.path, problems)
        }
      }
    case .emptyDirectory, .memory, .hostPath: break
    }
  }

  private func checkKey(
    _ key: String, of name: String, _ data: [String: [UInt8]]?, _ kind: ObjectKind, _ namespace: String, _ line: Int,
    _ path: String, _ problems: Problems
  ) {
    guard let data else { return checkExists(kind, name, namespace, line, path, problems) }
    guard data[key] == nil else { return }
    let near = nearestName(to: key, among: data.keys)
    problems.error(
      line, path, "the \(kind.rawValue) \"\(name)\" has no key \"\(key)\"" + (near.map { "; did you mean \($0)?" } ?? ""))
  }

  private func checkExists(
    _ kind: ObjectKind, _ name: String, _ namespace: String, _ line: Int, _ path: String, _ problems: Problems
  ) {
    let keys: [ObjectKey] =
      switch kind {
      case .secret: Array(secrets.keys)
      case .configMap: Array(configMaps.keys)
      default: Array(claims.keys)
      }
    let names = keys.filter { $0.namespace == namespace }.map(\.name)
    guard !names.contains(name) else { return }
    let near = nearestName(to: name, among: names)
    problems.error(
      line, path,
      "the \(kind.rawValue) \"\(name)\" is neither in the file nor played already"
        + (near.map { "; did you mean \($0)?" } ?? ""))
  }
}

extension PodSpec {
  /// ConfigMaps and Secrets that end up inside the pod.
  var dataReferences: [(isSecret: Bool, name: String)] {
    var references: [(Bool, String)] = []
    for container in initContainers + containers {
      for variable in container.environment {
        switch variable.source {
        case .configMapKey(let name, _, _): references.append((false, name))
        case .secretKey(let name, _, _): references.append((true, name))
        case .value, .field, .resource: break
        }
      }
      references += container.environmentFrom.map { ($0.isSecret, $0.name) }
    }
    for case .files(let files) in volumes.map(\.source) {
      for source in files.sources {
        switch source {
        case .configMap(let name, _, _): references.append((false, name))
        case .secret(let name, _, _): references.append((true, name))
        case .downwardAPI: break
        }
      }
    }
    return references
  }
}
