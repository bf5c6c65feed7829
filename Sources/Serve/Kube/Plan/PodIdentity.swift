/// Names that a Deployment's or a Job's pods get: stable, so that playing the same file again means the same pods.
enum PodName {
  /// Kubernetes' alphabet for generated names: no vowels and nothing that looks alike.
  /// (apimachinery, util/rand, SafeEncodeString)
  private static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")

  /// Nine letters that stand for the texts.
  static func hash(_ texts: [String]) -> String { encode(fnv(texts), length: 9) }

  /// `web-5d8f7c9b4-x2x4f`: the owner, its template's hash, and a suffix of this pod.
  static func replica(of owner: String, hash: String, index: Int) -> String {
    bounded(owner, 253 - hash.utf8.count - 7) + "-\(hash)-\(suffix(owner, hash, index))"
  }

  /// `job-x2x4f`.
  static func job(_ owner: String, hash: String, index: Int) -> String {
    bounded(owner, 247) + "-\(suffix(owner, hash, index))"
  }

  private static func suffix(_ owner: String, _ hash: String, _ index: Int) -> String {
    encode(fnv([owner, hash, String(index)]), length: 5)
  }

  private static func bounded(_ name: String, _ length: Int) -> String { String(name.prefix(length)) }

  /// FNV-1a, with the texts' lengths in it. Tells apart what people write; it protects against nobody.
  static func fnv(_ texts: [String]) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for text in texts {
      for byte in Array("\(text.utf8.count):".utf8) + Array(text.utf8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }
    // The last byte alone reaches only the low bits: mix them upwards. (splitmix64)
    hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
    hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
    return hash ^ (hash >> 31)
  }

  private static func encode(_ value: UInt64, length: Int) -> String {
    var value = value
    return String(
      (0..<length).map { _ in
        defer { value /= UInt64(alphabet.count) }
        return alphabet[Int(value % UInt64(alphabet.count))]
      })
  }

  /// A UUID in the form of version 8, made of the texts.
  static func uid(_ texts: [String]) -> String {
    let high = fnv(texts) & 0xffff_ffff_ffff_0fff | 0x8000
    let low = fnv(texts + ["low"]) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
    func hex(_ value: UInt64, _ digits: Int) -> String {
      let text = String(value, radix: 16)
      return String(repeating: "0", count: digits - text.utf8.count) + text
    }
    return [hex(high >> 32, 8), hex(high >> 16 & 0xffff, 4), hex(high & 0xffff, 4), hex(low >> 48, 4), hex(low & 0xffff_ffff_ffff, 12)]
      .joined(separator: "-")
  }
}

/// What the downward API tells of a pod.
public struct PodFacts: Sendable, Hashable {
  public var name: String
  public var namespace: String
  public var uid: String
  public var labels: [String: String]
  public var annotations: [String: String]
  /// nil until the pod has its network, and in none.
  public var address: String?
  public var host: HostFacts

  public init(
    name: String, namespace: String, uid: String, labels: [String: String] = [:], annotations: [String: String] = [:],
    address: String? = nil, host: HostFacts
  ) {
    self.name = name
    self.namespace = namespace
    self.uid = uid
    self.labels = labels
    self.annotations = annotations
    self.address = address
    self.host = host
  }

  func value(of field: FieldPath) -> String {
    switch field {
    case .name: name
    case .namespace: namespace
    case .uid: uid
    case .label(let key): labels[key] ?? ""
    case .annotation(let key): annotations[key] ?? ""
    case .labels: Self.lines(labels)
    case .annotations: Self.lines(annotations)
    case .podIP: address ?? host.address
    case .hostIP: host.address
    case .nodeName: host.name
    case .serviceAccountName: "default"
    }
  }

  /// `key="escaped value"`, sorted. (Kubernetes, pkg/fieldpath, FormatMap)
  private static func lines(_ map: [String: String]) -> String {
    map.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted($0.value))" }.joined(separator: "\n")
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// The machine, as a pod's node.
public struct HostFacts: Sendable, Hashable {
  public var name: String
  /// The address by which pods reach the host.
  public var address: String
  public var processors: Int
  /// Bytes.
  public var memory: Int64

  public init(name: String, address: String, processors: Int, memory: Int64) {
    self.name = name
    self.address = address
    self.processors = processors
    self.memory = memory
  }
}

extension ResourceField {
  /// The amount divided and rounded up; a missing limit is what the host has. (Kubernetes, pkg/api/v1/resource)
  func value(_ resources: ResourceRequirements, host: HostFacts) -> String {
    let milli: Int64
    switch kind {
    case .limitsCPU: milli = resources.limitCPU.flatMap { $0.milli > 0 ? $0.milli : nil } ?? Int64(host.processors) * 1000
    case .limitsMemory: milli = resources.limitMemory.flatMap { $0.milli > 0 ? $0.milli : nil } ?? host.memory * 1000
    case .requestsCPU: milli = resources.requestCPU?.milli ?? 0
    case .requestsMemory: milli = resources.requestMemory?.milli ?? 0
    }
    return String(milli / divisor.milli + (milli % divisor.milli > 0 ? 1 : 0))
  }
}
