/// A file of a volume made of a ConfigMap, a Secret or the pod's own fields.
public struct VolumeItem: Sendable, Hashable {
  public enum Value: Sendable, Hashable {
    case key(String)
    case field(FieldPath)
    case resource(ResourceField)
  }

  public var value: Value
  /// Relative, without `..`.
  public var path: String
  public var mode: UInt32?
}

/// What files a volume is made of.
public struct VolumeFiles: Sendable, Hashable {
  public enum Source: Sendable, Hashable {
    /// `items` nil: every key under its own name.
    case configMap(name: String, items: [VolumeItem]?, optional: Bool)
    case secret(name: String, items: [VolumeItem]?, optional: Bool)
    case downwardAPI(items: [VolumeItem])
  }

  public var sources: [Source]
  /// Permission bits of a file that does not say its own.
  public var defaultMode: UInt32
}

public enum HostPathType: String, Sendable, Hashable, CaseIterable {
  case unchecked = ""
  case directoryOrCreate = "DirectoryOrCreate"
  case directory = "Directory"
  case fileOrCreate = "FileOrCreate"
  case file = "File"
  case socket = "Socket"
  case characterDevice = "CharDevice"
  case blockDevice = "BlockDevice"
}

public enum VolumeSource: Sendable, Hashable {
  case files(VolumeFiles)
  case emptyDirectory
  /// A tmpfs; bytes, nil takes the kernel's default of half the memory.
  case memory(size: Int64?)
  case hostPath(String, HostPathType)
  case claim(name: String, readOnly: Bool)
}

public struct Volume: Sendable, Hashable {
  public var name: String
  public var source: VolumeSource
  let line: Int
  let path: String
}

public struct VolumeMount: Sendable, Hashable {
  public enum Propagation: String, Sendable, CaseIterable {
    case none = "None"
    case hostToContainer = "HostToContainer"
    case bidirectional = "Bidirectional"
  }

  public var name: String
  public var mountPath: String
  public var readOnly: Bool
  /// Relative, without `..`; variables are expanded where `expandsSubPath`.
  public var subPath: String?
  public var expandsSubPath: Bool
  public var propagation: Propagation
  let line: Int
  let path: String
}

extension ObjectReader {
  func volumes() -> [Volume] {
    var seen: Set<String> = []
    return objects("volumes") { object in
      let name = object.requiredLabelName("name")
      let source = object.volumeSource()
      guard let name else { return nil }
      guard seen.insert(name).inserted else {
        object.error("name", "\"\(name)\" is the name of an earlier volume")
        return nil
      }
      // The name is kept without a source too, so that its mounts are not reported as well.
      return Volume(name: name, source: source ?? .emptyDirectory, line: object.line, path: object.path)
    }
  }

  private func volumeSource() -> VolumeSource? {
    for field in unsupportedVolumes { refuse(field, "use configMap, secret, emptyDir, hostPath or persistentVolumeClaim") }
    let kinds = ["configMap", "secret", "emptyDir", "hostPath", "persistentVolumeClaim", "projected", "downwardAPI"]
    let given = kinds.filter { has($0) }
    guard given.count == 1 else {
      if unsupportedVolumes.contains(where: { has($0) }) { return nil }
      problems.error(line, path, "must have exactly one of \(kinds.joined(separator: ", ")), not \(given.count)")
      return nil
    }
    return object(given[0]) { source in
      switch given[0] {
      case "configMap", "secret", "downwardAPI": source.filesSource(given[0])
      case "projected": source.projectedSource()
      case "emptyDir": source.emptyDirectorySource()
      case "hostPath": source.hostPathSource()
      default: source.claimSource()
      }
    }
  }

  private func filesSource(_ kind: String) -> VolumeSource? {
    let mode = mode("defaultMode") ?? 0o644
    guard let source = source(kind, nameField: kind == "secret" ? "secretName" : "name") else { return nil }
    return .files(VolumeFiles(sources: [source], defaultMode: mode))
  }

  private func projectedSource() -> VolumeSource? {
    let mode = mode("defaultMode") ?? 0o644
    let sources: [VolumeFiles.Source] = objects("sources") { entry in
      entry.refuse("serviceAccountToken", "there is no API server that would accept a token")
      entry.refuse("clusterTrustBundle", "there is no API server that keeps trust bundles")
      entry.refuse("podCertificate", "there is no API server that signs certificates")
      let given = ["configMap", "secret", "downwardAPI"].filter { entry.has($0) }
      guard given.count == 1 else {
        if entry.has("serviceAccountToken") || entry.has("clusterTrustBundle") || entry.has("podCertificate") { return nil }
        entry.problems.error(entry.line, entry.path, "must have exactly one of configMap, secret and downwardAPI")
        return nil
      }
      return entry.object(given[0]) { $0.source(given[0], nameField: "name") }
    }
    return .files(VolumeFiles(sources: sources, defaultMode: mode))
  }

  private func source(_ kind: String, nameField: String) -> VolumeFiles.Source? {
    if kind == "downwardAPI" { return .downwardAPI(items: objects("items") { $0.downwardItem() }) }
    let name = requiredObjectName(nameField)
    let optional = bool("optional") ?? false
    let items: [VolumeItem]? = has("items") ? objects("items") { $0.keyItem() } : nil
    guard let name else { return nil }
    return kind == "secret"
      ? .secret(name: name, items: items, optional: optional) : .configMap(name: name, items: items, optional: optional)
  }

  private func keyItem() -> VolumeItem? {
    let key = requiredName("key", NameRule.isConfigKey, "a key: letters, digits, - _ and .")
    let path = itemPath()
    let mode = mode("mode")
    guard let key, let path else { return nil }
    return VolumeItem(value: .key(key), path: path, mode: mode)
  }

  private func downwardItem() -> VolumeItem? {
    let path = itemPath()
    let mode = mode("mode")
    let given = ["fieldRef", "resourceFieldRef"].filter { has($0) }
    guard given.count == 1 else {
      problems.error(line, self.path, "must have exactly one of fieldRef and resourceFieldRef")
      return nil
    }
    let value: VolumeItem.Value? =
      given[0] == "fieldRef"
      ? fieldReference(inVolume: true).map { .field($0) } : resourceReference(needsContainer: true).map { .resource($0) }
    guard let value, let path else { return nil }
    return VolumeItem(value: value, path: path, mode: mode)
  }

  private func itemPath() -> String? {
    guard let path = requiredString("path") else { return nil }
    guard isInside(path), !path.hasPrefix("..") else {
      error("path", "\"\(path)\" must be relative and may not contain or begin with \"..\"")
      return nil
    }
    return path
  }

  private func mode(_ field: String) -> UInt32? { integer(field, in: 0...0o777).map { UInt32($0) } }

  private func emptyDirectorySource() -> VolumeSource? {
    let medium = string("medium") ?? ""
    let size = quantity("sizeLimit")
    switch medium {
    case "Memory": return .memory(size: size.flatMap { $0.value > 0 ? $0.value : nil })
    case "":
      if size != nil {
        error("sizeLimit", "is not supported on disk, where nothing would enforce it: use medium: Memory, or leave it out")
      }
      return .emptyDirectory
    default:
      error("medium", "\"\(medium)\" is not supported: use Memory, or leave it out for the disk")
      return nil
    }
  }

  private func hostPathSource() -> VolumeSource? {
    let type = string("type", of: HostPathType.self) ?? .unchecked
    guard let path = requiredString("path"), absolutePath("path", path) else { return nil }
    guard !path.split(separator: "/").contains("..") else {
      error("path", "may not contain \"..\"")
      return nil
    }
    return .hostPath(path, type)
  }

  private func claimSource() -> VolumeSource? {
    let readOnly = bool("readOnly") ?? false
    return requiredObjectName("claimName").map { .claim(name: $0, readOnly: readOnly) }
  }

  func volumeMounts(_ volumes: [Volume]) -> [VolumeMount] {
    var targets: Set<String> = []
    return objects("volumeMounts") { object in
      let name = object.requiredString("name")
      let mountPath = object.requiredString("mountPath")
      let readOnly = object.bool("readOnly") ?? false
      object.accept("recursiveReadOnly", only: ["Disabled", "IfPossible"], "mounts below a volume keep their own mode")
      let propagation = object.string("mountPropagation", of: VolumeMount.Propagation.self) ?? .none
      let subPath = object.string("subPath").flatMap { $0.isEmpty ? nil : $0 }
      let expression = object.string("subPathExpr").flatMap { $0.isEmpty ? nil : $0 }
      if subPath != nil, expression != nil { object.error("subPathExpr", "may not be given together with subPath") }
      if let path = subPath ?? expression, !isInside(path) {
        object.error(subPath == nil ? "subPathExpr" : "subPath", "\"\(path)\" must be relative and may not contain \"..\"")
      }
      guard let name, let mountPath else { return nil }
      guard volumes.contains(where: { $0.name == name }) else {
        let near = nearestName(to: name, among: volumes.map(\.name))
        object.error("name", "the pod has no volume \"\(name)\"" + (near.map { " (did you mean \"\($0)\"?)" } ?? ""))
        return nil
      }
      guard object.absolutePath("mountPath", mountPath) else { return nil }
      if mountPath.contains(":") { object.error("mountPath", "may not contain a colon") }
      guard targets.insert(mountPath).inserted else {
        object.error("mountPath", "\"\(mountPath)\" is where an earlier volume is mounted")
        return nil
      }
      return VolumeMount(
        name: name, mountPath: mountPath, readOnly: readOnly, subPath: subPath ?? expression,
        expandsSubPath: expression != nil, propagation: propagation, line: object.line, path: object.path)
    }
  }
}

private let unsupportedVolumes = [
  "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "csi", "ephemeral", "fc", "flexVolume", "flocker",
  "gcePersistentDisk", "gitRepo", "glusterfs", "image", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume", "quobyte",
  "rbd", "scaleIO", "storageos", "vsphereVolume",
]
