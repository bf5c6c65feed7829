import RuntimeSpec

/// (runtime-spec, config-linux.md, Seccomp)
extension LinuxSeccomp: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var defaultAction: SeccompAction?
    self.init(defaultAction: .errno)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "defaultAction": defaultAction = try json.choice()
      case "defaultErrnoRet": defaultErrnoRet = try json.integer()
      case "architectures": architectures = try json.strings()
      case "flags": flags = try json.strings()
      case "listenerPath": listenerPath = try json.string()
      case "listenerMetadata": listenerMetadata = try json.string()
      case "syscalls": syscalls = try json.array()
      default: try json.skip()
      }
    }
    guard let defaultAction else { throw json.missing("defaultAction") }
    self.defaultAction = defaultAction
  }
}

extension SeccompRule: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var names: [String]?
    var action: SeccompAction?
    self.init(names: [], action: .errno)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "names": names = try json.strings()
      case "action": action = try json.choice()
      case "errnoRet": errnoRet = try json.integer()
      case "args": args = try json.array()
      default: try json.skip()
      }
    }
    guard let names else { throw json.missing("names") }
    guard let action else { throw json.missing("action") }
    self.names = names
    self.action = action
  }
}

extension SeccompArgument: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var index: UInt32?
    var value: UInt64?
    var op: SeccompOperator?
    self.init(index: 0, value: 0, op: .equal)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "index": index = try json.integer()
      case "value": value = try json.integer()
      case "valueTwo": valueTwo = try json.integer()
      case "op": op = try json.choice()
      default: try json.skip()
      }
    }
    guard let index else { throw json.missing("index") }
    guard let value else { throw json.missing("value") }
    guard let op else { throw json.missing("op") }
    self.index = index
    self.value = value
    self.op = op
  }
}
