import Cgroups
import RuntimeSpec

extension Limits {
  /// The bundle's rules, and after them what every container may use.
  static func deviceRules(_ rules: [LinuxDeviceRule]?) throws -> [DeviceRule] {
    // The default set minus its refusal of all, which would undo the bundle's.
    try ((rules ?? []) + DockerDefaults.deviceRules.dropFirst()).map { try deviceRule($0) }
  }

  private static func deviceRule(_ rule: LinuxDeviceRule) throws -> DeviceRule {
    func problem(_ text: String) -> RuntimeError {
      .configuration(property: "linux.resources.devices", problem: text)
    }
    let kind: DeviceRule.Kind =
      switch rule.type ?? "a" {
      case "a", "": .all
      case "b": .block
      case "c", "u": .character
      case let other: throw problem("has the unknown type \"\(other)\"")
      }
    var access: DeviceRule.Access = []
    for letter in rule.access ?? "rwm" {
      switch letter {
      case "r": access.insert(.read)
      case "w": access.insert(.write)
      case "m": access.insert(.makeNode)
      default: throw problem("has the access \"\(rule.access ?? "")\"")
      }
    }
    func number(_ value: Int64?) throws -> UInt32? {
      // -1 is every one.
      guard let value, value != -1 else { return nil }
      guard let number = UInt32(exactly: value) else { throw problem("has the device number \(value)") }
      return number
    }
    return DeviceRule(
      allow: rule.allow, kind: kind, major: try number(rule.major), minor: try number(rule.minor),
      access: access.isEmpty ? .all : access)
  }
}
