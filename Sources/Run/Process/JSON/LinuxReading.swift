import RuntimeSpec

/// (runtime-spec, config-linux.md)
extension LinuxConfig: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "uidMappings": uidMappings = try json.array()
      case "gidMappings": gidMappings = try json.array()
      case "sysctl": sysctl = try json.texts()
      case "resources": resources = try LinuxResources(&json)
      case "cgroupsPath": cgroupsPath = try json.string()
      case "namespaces": namespaces = try json.array()
      case "devices": devices = try json.array()
      case "netDevices": netDevices = try json.dictionary()
      case "seccomp":
        let start = json.place
        seccomp = try LinuxSeccomp(&json)
        json.seccomp = start..<json.place
      case "rootfsPropagation": rootfsPropagation = try json.string()
      case "maskedPaths": maskedPaths = try json.strings()
      case "readonlyPaths": readonlyPaths = try json.strings()
      case "mountLabel": mountLabel = try json.string()
      case "intelRdt": intelRdt = try LinuxIntelRdt(&json)
      case "memoryPolicy": memoryPolicy = try LinuxMemoryPolicy(&json)
      case "personality": personality = try LinuxPersonality(&json)
      case "timeOffsets": timeOffsets = try json.dictionary()
      default: try json.skip()
      }
    }
  }
}

extension LinuxIDMapping: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var containerID: UInt32?
    var hostID: UInt32?
    var size: UInt32?
    self.init(containerID: 0, hostID: 0, size: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "containerID": containerID = try json.integer()
      case "hostID": hostID = try json.integer()
      case "size": size = try json.integer()
      default: try json.skip()
      }
    }
    guard let containerID else { throw json.missing("containerID") }
    guard let hostID else { throw json.missing("hostID") }
    guard let size else { throw json.missing("size") }
    self.containerID = containerID
    self.hostID = hostID
    self.size = size
  }
}

extension LinuxNamespace: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var type: Kind?
    self.init(type: .mount)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "type": type = try json.choice()
      case "path": path = try json.string()
      default: try json.skip()
      }
    }
    guard let type else { throw json.missing("type") }
    self.type = type
  }
}

extension LinuxDevice: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var type: String?
    var path: String?
    self.init(type: "", path: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "type": type = try json.string()
      case "path": path = try json.string()
      case "major": major = try json.integer()
      case "minor": minor = try json.integer()
      case "fileMode": fileMode = try json.integer()
      case "uid": uid = try json.integer()
      case "gid": gid = try json.integer()
      default: try json.skip()
      }
    }
    guard let type else { throw json.missing("type") }
    guard let path else { throw json.missing("path") }
    self.type = type
    self.path = path
  }
}

extension LinuxNetDevice: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "name": name = try json.string()
      default: try json.skip()
      }
    }
  }
}

extension LinuxIntelRdt: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "closID": closID = try json.string()
      case "schemata": schemata = try json.strings()
      case "l3CacheSchema": l3CacheSchema = try json.string()
      case "memBwSchema": memBwSchema = try json.string()
      case "enableCMT": enableCMT = try json.bool()
      case "enableMBM": enableMBM = try json.bool()
      case "enableMonitoring": enableMonitoring = try json.bool()
      default: try json.skip()
      }
    }
  }
}

extension LinuxMemoryPolicy: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var mode: String?
    self.init(mode: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "mode": mode = try json.string()
      case "nodes": nodes = try json.string()
      case "flags": flags = try json.strings()
      default: try json.skip()
      }
    }
    guard let mode else { throw json.missing("mode") }
    self.mode = mode
  }
}

extension LinuxPersonality: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var domain: String?
    self.init(domain: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "domain": domain = try json.string()
      case "flags": flags = try json.strings()
      default: try json.skip()
      }
    }
    guard let domain else { throw json.missing("domain") }
    self.domain = domain
  }
}

extension LinuxTimeOffset: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "secs": secs = try json.integer()
      case "nanosecs": nanosecs = try json.integer()
      default: try json.skip()
      }
    }
  }
}
