import RuntimeSpec

/// (runtime-spec, config.md) A property is a line; JSONReadingTests finds one that is forgotten.
extension RuntimeConfig: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var ociVersion: String?
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "ociVersion": ociVersion = try json.string()
      case "process": process = try ContainerProcess(&json)
      case "root": root = try ContainerRoot(&json)
      case "hostname": hostname = try json.string()
      case "domainname": domainname = try json.string()
      case "mounts": mounts = try json.array()
      case "hooks": hooks = try ContainerHooks(&json)
      case "annotations": annotations = try json.texts()
      case "linux": linux = try LinuxConfig(&json)
      case "windows": windows = try OtherPlatform(&json)
      case "solaris": solaris = try OtherPlatform(&json)
      case "freebsd": freebsd = try OtherPlatform(&json)
      case "zos": zos = try OtherPlatform(&json)
      case "vm": vm = try OtherPlatform(&json)
      default: try json.skip()
      }
    }
    guard let ociVersion else { throw json.missing("ociVersion") }
    self.ociVersion = ociVersion
  }
}

extension OtherPlatform: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (_, json) throws(JSONError) in try json.skip() }
  }
}

extension ContainerRoot: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var path: String?
    self.init(path: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "path": path = try json.string()
      case "readonly": readonly = try json.bool()
      default: try json.skip()
      }
    }
    guard let path else { throw json.missing("path") }
    self.path = path
  }
}

extension ContainerMount: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var destination: String?
    self.init(destination: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "destination": destination = try json.string()
      case "type": type = try json.string()
      case "source": source = try json.string()
      case "options": options = try json.strings()
      case "uidMappings": uidMappings = try json.array()
      case "gidMappings": gidMappings = try json.array()
      default: try json.skip()
      }
    }
    guard let destination else { throw json.missing("destination") }
    self.destination = destination
  }
}

extension ContainerHooks: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "prestart": prestart = try json.array()
      case "createRuntime": createRuntime = try json.array()
      case "createContainer": createContainer = try json.array()
      case "startContainer": startContainer = try json.array()
      case "poststart": poststart = try json.array()
      case "poststop": poststop = try json.array()
      default: try json.skip()
      }
    }
  }
}

/// The hooks of a config.json, of which the rest is not looked at.
struct HooksOfConfig {
  private(set) var hooks: ContainerHooks?

  init(_ json: inout JSONScanner) throws(JSONError) {
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "hooks": hooks = try ContainerHooks(&json)
      default: try json.skip()
      }
    }
  }
}

extension ContainerHook: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var path: String?
    self.init(path: "")
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "path": path = try json.string()
      case "args": args = try json.strings()
      case "env": env = try json.strings()
      case "timeout": timeout = try json.integer()
      default: try json.skip()
      }
    }
    guard let path else { throw json.missing("path") }
    self.path = path
  }
}
