/// `state.json`, which every command about a container reads.
extension SavedState: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var (version, id, bundle, rootfs, created): (Int?, String?, String?, String?, String?)
    var (pid, pidStartTime, uid): (Int32?, UInt64?, UInt32?)
    var (cgroup, systemdUnit, annotations): (String?, SystemdUnit?, [String: String]?)
    var resourceControl: ResourceControl.Group?
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "version": version = try json.integer()
      case "id": id = try json.string()
      case "pid": pid = try json.integer()
      case "pidStartTime": pidStartTime = try json.integer()
      case "bundle": bundle = try json.string()
      case "rootfs": rootfs = try json.string()
      case "created": created = try json.string()
      case "uid": uid = try json.integer()
      case "cgroup": cgroup = try json.string()
      case "systemdUnit": systemdUnit = try SystemdUnit(&json)
      case "annotations": annotations = try json.texts()
      case "resourceControl": resourceControl = try ResourceControl.Group(&json)
      default: try json.skip()
      }
    }
    guard let version else { throw json.missing("version") }
    guard let id else { throw json.missing("id") }
    guard let pid else { throw json.missing("pid") }
    guard let pidStartTime else { throw json.missing("pidStartTime") }
    guard let bundle else { throw json.missing("bundle") }
    guard let rootfs else { throw json.missing("rootfs") }
    guard let created else { throw json.missing("created") }
    guard let uid else { throw json.missing("uid") }
    self.init(
      version: version, id: id, pid: pid, pidStartTime: pidStartTime, bundle: bundle, rootfs: rootfs, created: created,
      uid: uid, cgroup: cgroup, systemdUnit: systemdUnit, annotations: annotations,
      resourceControl: resourceControl)
  }
}

extension ResourceControl.Group: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var (directory, isOurs): (String?, Bool?)
    self.init(directory: "", isOurs: false)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "directory": directory = try json.string()
      case "isOurs": isOurs = try json.bool()
      case "monitoring": monitoring = try json.string()
      default: try json.skip()
      }
    }
    guard let directory else { throw json.missing("directory") }
    guard let isOurs else { throw json.missing("isOurs") }
    self.directory = directory
    self.isOurs = isOurs
  }
}
