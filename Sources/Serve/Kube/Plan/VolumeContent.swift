/// One file of a ConfigMap's, Secret's or downward API volume.
public struct PlannedFile: Sendable, Hashable {
  /// Relative, without `..`.
  public var path: String
  public var mode: UInt32
  public var bytes: [UInt8]
}

extension VolumeFiles {
  /// The files, by path; a later source's wins over an earlier one's of the same path.
  func planned(pod: PodFacts, containers: [ContainerSpec], surroundings: Surroundings) -> [PlannedFile] {
    var files: [String: PlannedFile] = [:]
    func add(_ path: String, _ mode: UInt32?, _ bytes: [UInt8]) {
      let clean = path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
      files[clean] = PlannedFile(path: clean, mode: mode ?? defaultMode, bytes: bytes)
    }
    for source in sources {
      switch source {
      case .configMap(let name, let items, _):
        Self.add(surroundings.configMap(name, in: pod.namespace)?.data ?? [:], items, add)
      case .secret(let name, let items, _):
        Self.add(surroundings.secret(name, in: pod.namespace)?.data ?? [:], items, add)
      case .downwardAPI(let items):
        for item in items {
          switch item.value {
          case .field(let field): add(item.path, item.mode, Array(pod.value(of: field).utf8))
          case .resource(let field):
            let resources = containers.first { $0.name == field.container }?.resources ?? ResourceRequirements()
            add(item.path, item.mode, Array(field.value(resources, host: pod.host).utf8))
          case .key: break
          }
        }
      }
    }
    return files.values.sorted { $0.path < $1.path }
  }

  private static func add(
    _ data: [String: [UInt8]], _ items: [VolumeItem]?, _ add: (String, UInt32?, [UInt8]) -> Void
  ) {
    guard let items else {
      for (key, bytes) in data { add(key, nil, bytes) }
      return
    }
    for item in items {
      if case .key(let key) = item.value, let bytes = data[key] { add(item.path, item.mode, bytes) }
    }
  }
}
