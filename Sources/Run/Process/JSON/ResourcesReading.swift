import RuntimeSpec

/// (runtime-spec, config-linux.md, Control groups)
extension LinuxResources: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "devices": devices = try json.array()
      case "memory": memory = try LinuxMemory(&json)
      case "cpu": cpu = try LinuxCPU(&json)
      case "pids": pids = try LinuxPids(&json)
      case "blockIO": blockIO = try LinuxBlockIO(&json)
      case "hugepageLimits": hugepageLimits = try json.array()
      case "network": network = try LinuxNetworkPriorities(&json)
      case "rdma": rdma = try json.dictionary()
      case "unified": unified = try json.texts()
      default: try json.skip()
      }
    }
  }
}

extension LinuxDeviceRule: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var allow: Bool?
    self.init(allow: false)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "allow": allow = try json.bool()
      case "type": type = try json.string()
      case "major": major = try json.integer()
      case "minor": minor = try json.integer()
      case "access": access = try json.string()
      default: try json.skip()
      }
    }
    guard let allow else { throw json.missing("allow") }
    self.allow = allow
  }
}

extension LinuxMemory: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "limit": limit = try json.integer()
      case "reservation": reservation = try json.integer()
      case "swap": swap = try json.integer()
      case "kernel": kernel = try json.integer()
      case "kernelTCP": kernelTCP = try json.integer()
      case "swappiness": swappiness = try json.integer()
      case "disableOOMKiller": disableOOMKiller = try json.bool()
      case "useHierarchy": useHierarchy = try json.bool()
      case "checkBeforeUpdate": checkBeforeUpdate = try json.bool()
      default: try json.skip()
      }
    }
  }
}

extension LinuxCPU: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "shares": shares = try json.integer()
      case "quota": quota = try json.integer()
      case "burst": burst = try json.integer()
      case "period": period = try json.integer()
      case "realtimeRuntime": realtimeRuntime = try json.integer()
      case "realtimePeriod": realtimePeriod = try json.integer()
      case "cpus": cpus = try json.string()
      case "mems": mems = try json.string()
      case "idle": idle = try json.integer()
      default: try json.skip()
      }
    }
  }
}

extension LinuxPids: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "limit": limit = try json.integer()
      default: try json.skip()
      }
    }
  }
}

extension LinuxBlockIO: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "weight": weight = try json.integer()
      case "leafWeight": leafWeight = try json.integer()
      case "weightDevice": weightDevice = try json.array()
      case "throttleReadBpsDevice": throttleReadBpsDevice = try json.array()
      case "throttleWriteBpsDevice": throttleWriteBpsDevice = try json.array()
      case "throttleReadIOPSDevice": throttleReadIOPSDevice = try json.array()
      case "throttleWriteIOPSDevice": throttleWriteIOPSDevice = try json.array()
      default: try json.skip()
      }
    }
  }
}

extension LinuxWeightDevice: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var major: Int64?
    var minor: Int64?
    self.init(major: 0, minor: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "major": major = try json.integer()
      case "minor": minor = try json.integer()
      case "weight": weight = try json.integer()
      case "leafWeight": leafWeight = try json.integer()
      default: try json.skip()
      }
    }
    guard let major else { throw json.missing("major") }
    guard let minor else { throw json.missing("minor") }
    self.major = major
    self.minor = minor
  }
}

extension LinuxThrottleDevice: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var major: Int64?
    var minor: Int64?
    var rate: UInt64?
    self.init(major: 0, minor: 0, rate: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "major": major = try json.integer()
      case "minor": minor = try json.integer()
      case "rate": rate = try json.integer()
      default: try json.skip()
      }
    }
    guard let major else { throw json.missing("major") }
    guard let minor else { throw json.missing("minor") }
    guard let rate else { throw json.missing("rate") }
    self.major = major
    self.minor = minor
    self.rate = rate
  }
}

extension LinuxHugepageLimit: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var pageSize: String?
    var limit: UInt64?
    self.init(pageSize: "", limit: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "pageSize": pageSize = try json.string()
      case "limit": limit = try json.integer()
      default: try json.skip()
      }
    }
    guard let pageSize else { throw json.missing("pageSize") }
    guard let limit else { throw json.missing("limit") }
    self.pageSize = pageSize
    self.limit = limit
  }
}

extension LinuxNetworkPriorities: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "classID": classID = try json.integer()
      case "priorities": priorities = try json.array()
      default: try json.skip()
      }
    }
  }
}

extension LinuxNetworkPriorities.Priority: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var name: String?
    var priority: UInt32?
    self.init(name: "", priority: 0)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "name": name = try json.string()
      case "priority": priority = try json.integer()
      default: try json.skip()
      }
    }
    guard let name else { throw json.missing("name") }
    guard let priority else { throw json.missing("priority") }
    self.name = name
    self.priority = priority
  }
}

extension LinuxRdma: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    self.init()
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "hcaHandles": hcaHandles = try json.integer()
      case "hcaObjects": hcaObjects = try json.integer()
      default: try json.skip()
      }
    }
  }
}
