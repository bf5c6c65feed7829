internal import FoundationEssentials

/// (Kubernetes API, ConfigMap) Values of `data` and `binaryData`, as bytes.
public struct ConfigMap: Sendable, Hashable {
  public var data: [String: [UInt8]]
  /// May not be replaced, only taken down.
  public var immutable: Bool
}

/// (Kubernetes API, Secret) Values of `data` and `stringData`, decoded.
public struct Secret: Sendable, Hashable {
  public var type: String
  public var data: [String: [UInt8]]
  public var immutable: Bool
}

/// (Kubernetes API, PersistentVolumeClaim) It becomes the volume of its name.
public struct Claim: Sendable, Hashable {
  /// Asked for, and not enforced: a volume is as large as the file system that it is on.
  public var capacity: Quantity
  public var readOnly: Bool
}

/// Kubernetes' limit on all values of one object together.
private let dataLimit = 1 << 20

extension ObjectReader {
  func configMap() -> ConfigMap {
    var data: [String: [UInt8]] = [:]
    let immutable = bool("immutable") ?? false
    for (key, value) in stringMap("data") ?? [] where dataKey("data", key) { data[key] = Array(value.utf8) }
    addNulls("data", to: &data)
    for (key, value) in stringMap("binaryData") ?? [] where dataKey("binaryData", key) {
      if data[key] != nil { error("binaryData", "the key \"\(key)\" is in data as well") }
      data[key] = base64("binaryData", key, value)
    }
    checkSize(data)
    return ConfigMap(data: data, immutable: immutable)
  }

  func secret() -> Secret {
    var data: [String: [UInt8]] = [:]
    let immutable = bool("immutable") ?? false
    let type = string("type").flatMap { $0.isEmpty ? nil : $0 } ?? "Opaque"
    for (key, value) in stringMap("data") ?? [] where dataKey("data", key) { data[key] = base64("data", key, value) }
    addNulls("data", to: &data)
    // stringData wins over data. (Kubernetes API, Secret)
    for (key, value) in stringMap("stringData") ?? [] where dataKey("stringData", key) { data[key] = Array(value.utf8) }
    checkSize(data)
    checkSecret(type, data)
    return Secret(type: type, data: data, immutable: immutable)
  }

  /// A key without a value is an empty value.
  private func addNulls(_ field: String, to data: inout [String: [UInt8]]) {
    guard let object = object(field) else { return }
    for key in object.keys where !object.has(key) && dataKey(field, key) { data[key] = [] }
  }

  private func dataKey(_ field: String, _ key: String) -> Bool {
    guard NameRule.isConfigKey(key) else {
      error(field, "\"\(key.prefix(260))\" is not a key: at most 253 letters, digits, - _ and ., and not .. at the beginning")
      return false
    }
    return true
  }

  private func base64(_ field: String, _ key: String, _ value: String) -> [UInt8]? {
    // Line breaks are what base64(1) writes.
    let text = value.filter { $0 != "\n" && $0 != "\r" && $0 != "\r\n" }
    guard let data = FoundationEssentials.Data(base64Encoded: text) else {
      object(field)?.error(key, "is not base64" + (field == "data" ? " (stringData takes plain text)" : ""))
      return nil
    }
    return Array(data)
  }

  private func checkSize(_ data: [String: [UInt8]]) {
    let size = data.values.reduce(0) { $0 + $1.count }
    if size > dataLimit { problems.error(line, path("data"), "holds \(size) bytes, more than 1 MiB") }
  }

  private func checkSecret(_ type: String, _ data: [String: [UInt8]]) {
    let needed: [String: [String]] = [
      "kubernetes.io/dockerconfigjson": [".dockerconfigjson"], "kubernetes.io/dockercfg": [".dockercfg"],
      "kubernetes.io/tls": ["tls.crt", "tls.key"], "kubernetes.io/ssh-auth": ["ssh-privatekey"],
    ]
    for key in needed[type] ?? [] where data[key] == nil { error("data", "of the type \(type) must have the key \"\(key)\"") }
    if type == "kubernetes.io/basic-auth", data["username"] == nil, data["password"] == nil {
      error("data", "of the type \(type) must have the key \"username\" or \"password\"")
    }
    if type == "kubernetes.io/service-account-token" {
      error("type", "\(type) is not supported: there is no API server that would accept a token")
    }
    guard PullSecret.types.contains(type) else { return }
    do { _ = try PullSecret.credentials(type: type, data: data) } catch { self.error("data", "\(error)") }
  }

  func claim() -> Claim? {
    refuse([
      ("storageClassName", "there are no storage classes: the claim becomes the volume of its name"),
      ("selector", "there are no persistent volumes to choose from"),
      ("volumeName", "the claim becomes the volume of its own name"), ("dataSource", "a volume begins empty"),
      ("dataSourceRef", "a volume begins empty"), ("volumeAttributesClassName", "there are no storage classes"),
    ])
    accept("volumeMode", only: ["Filesystem"], "there are no block volumes")
    let modes = strings("accessModes") ?? []
    if modes.isEmpty { error("accessModes", "must list at least one mode, such as ReadWriteOnce") }
    let known = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
    for mode in modes where !known.contains(mode) {
      error("accessModes", "\"\(mode)\" is not one of \(known.joined(separator: ", "))")
    }
    let capacity = requiredObject("resources").flatMap { resources -> Quantity? in
      defer { resources.finish() }
      resources.refuse("limits", "nothing would enforce it here")
      guard let requests = resources.requiredObject("requests") else { return nil }
      defer { requests.finish() }
      guard requests.has("storage") else {
        requests.error("storage", "is missing")
        return nil
      }
      return requests.quantity("storage")
    }
    return capacity.map { Claim(capacity: $0, readOnly: modes == ["ReadOnlyMany"]) }
  }
}
