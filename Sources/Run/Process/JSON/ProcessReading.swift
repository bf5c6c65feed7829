import RuntimeSpec

/// (runtime-spec, config.md, Process)
extension ContainerProcess: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var cwd: String?
    var user: ContainerUser?
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "terminal": terminal = try json.bool()
      case "consoleSize": consoleSize = try ConsoleSize(&json)
      case "cwd": cwd = try json.string()
      case "env": env = try json.strings()
      case "args": args = try json.strings()
      case "user": user = try ContainerUser(&json)
      case "capabilities": capabilities = try LinuxCapabilities(&json)
      case "rlimits": rlimits = try json.array()
      case "noNewPrivileges": noNewPrivileges = try json.bool()
      case "apparmorProfile": apparmorProfile = try json.string()
      case "oomScoreAdj": oomScoreAdj = try json.integer()
      case "scheduler": scheduler = try LinuxScheduler(&json)
      case "selinuxLabel": selinuxLabel = try json.string()
      case "ioPriority": ioPriority = try LinuxIOPriority(&json)
      case "execCPUAffinity": execCPUAffinity = try ExecCPUAffinity(&json)
      default: try json.skip()
      }
    }
    guard let cwd else { throw json.missing("cwd") }
    guard let user else { throw json.missing("user") }
    self.cwd = cwd
    self.user = user
  }
}

extension ConsoleSize: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var height: UInt16?
    var width: UInt16?
    self.init(height: 0, width: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "height": height = try json.integer()
      case "width": width = try json.integer()
      default: try json.skip()
      }
    }
    guard let height else { throw json.missing("height") }
    guard let width else { throw json.missing("width") }
    self.height = height
    self.width = width
  }
}

extension ContainerUser: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var uid: UInt32?
    var gid: UInt32?
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "uid": uid = try json.integer()
      case "gid": gid = try json.integer()
      case "umask": umask = try json.integer()
      case "additionalGids": additionalGids = try json.array { (json) throws(JSONError) in try json.integer() }
      case "username": username = try json.string()
      default: try json.skip()
      }
    }
    guard let uid else { throw json.missing("uid") }
    guard let gid else { throw json.missing("gid") }
    self.uid = uid
    self.gid = gid
  }
}

extension LinuxCapabilities: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "bounding": bounding = try json.strings()
      case "effective": effective = try json.strings()
      case "inheritable": inheritable = try json.strings()
      case "permitted": permitted = try json.strings()
      case "ambient": ambient = try json.strings()
      default: try json.skip()
      }
    }
  }
}

extension ResourceLimit: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var type: String?
    var hard: UInt64?
    var soft: UInt64?
    self.init(type: "", hard: 0, soft: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "type": type = try json.string()
      case "hard": hard = try json.integer()
      case "soft": soft = try json.integer()
      default: try json.skip()
      }
    }
    guard let type else { throw json.missing("type") }
    guard let hard else { throw json.missing("hard") }
    guard let soft else { throw json.missing("soft") }
    self.type = type
    self.hard = hard
    self.soft = soft
  }
}

extension LinuxScheduler: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var policy: Policy?
    self.init(policy: .other)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "policy": policy = try json.choice()
      case "nice": nice = try json.integer()
      case "priority": priority = try json.integer()
      case "flags": flags = try json.strings()
      case "runtime": runtime = try json.integer()
      case "deadline": deadline = try json.integer()
      case "period": period = try json.integer()
      default: try json.skip()
      }
    }
    guard let policy else { throw json.missing("policy") }
    self.policy = policy
  }
}

extension LinuxIOPriority: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var `class`: Class?
    var priority: Int?
    self.init(class: .bestEffort, priority: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "class": `class` = try json.choice()
      case "priority": priority = try json.integer()
      default: try json.skip()
      }
    }
    guard let `class` else { throw json.missing("class") }
    guard let priority else { throw json.missing("priority") }
    self.class = `class`
    self.priority = priority
  }
}

extension ExecCPUAffinity: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "initial": initial = try json.string()
      case "final": final = try json.string()
      default: try json.skip()
      }
    }
  }
}
