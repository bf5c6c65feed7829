import Glibc
import Kernel
import RuntimeSpec

/// (runtime-spec, config-linux.md)
extension BundleCheck {
  func check(_ linux: LinuxConfig) throws {
    for (index, device) in (linux.devices ?? []).enumerated() { try check(device, "linux.devices[\(index)]") }
    if let devices = linux.netDevices, !devices.isEmpty { try check(devices, linux) }
    if let rdt = linux.intelRdt { try check(rdt) }
    if let policy = linux.memoryPolicy { try MemoryPolicy(policy).check() }
    if let personality = linux.personality { _ = try Personality.number(personality) }
    if linux.mountLabel?.isEmpty == false, !Self.hasSELinux {
      throw RuntimeError.unsupported("linux.mountLabel", reason: "SELinux is not enabled on this host")
    }
    if let name = linux.rootfsPropagation, !name.isEmpty, MountOptions.propagation(name) == nil {
      throw RuntimeError.configuration(
        property: "linux.rootfsPropagation",
        problem: "is \"\(name)\": shared, slave, private and unbindable are known, each also with an r before it")
    }
    for (property, paths) in [("maskedPaths", linux.maskedPaths), ("readonlyPaths", linux.readonlyPaths)] {
      guard let paths, let path = paths.first(where: { !$0.hasPrefix("/") }) else { continue }
      throw RuntimeError.configuration(
        property: "linux.\(property)", problem: "have \"\(path)\", which is not absolute")
    }
  }

  private func check(_ device: LinuxDevice, _ property: String) throws {
    func wrong(_ problem: String) -> RuntimeError { .configuration(property: property, problem: problem) }
    guard device.path.hasPrefix("/"), device.path.last != "/", !device.path.split(separator: "/").contains("..") else {
      throw wrong("has the path \"\(device.path)\"")
    }
    guard ["c", "b", "u", "p"].contains(device.type) else {
      throw wrong("has the type \"\(device.type)\" for \(device.path): c, b, u and p are known")
    }
    guard device.type != "p" else { return }
    guard let major = device.major, let minor = device.minor else {
      throw wrong("has \(device.path) without major and minor number")
    }
    // The kernel's dev_t has 12 and 20 bits.
    guard (0..<4096).contains(major), (0..<1 << 20).contains(minor) else {
      throw wrong("has \(device.path) with the numbers \(major):\(minor), which no device can have")
    }
  }

  /// (config-linux.md, Network Devices)
  private func check(_ devices: [String: LinuxNetDevice], _ linux: LinuxConfig) throws {
    guard linux.namespaces?.contains(where: { $0.type == .network }) == true else {
      throw RuntimeError.configuration(
        property: "linux.netDevices", problem: "need a network namespace in linux.namespaces")
    }
    var taken: Set<String> = []
    for (name, device) in devices.sorted(by: { $0.key < $1.key }) {
      let new = device.name.flatMap { $0.isEmpty ? nil : $0 } ?? name
      guard Self.isInterfaceName(name), !name.contains("%") else {
        throw RuntimeError.configuration(
          property: "linux.netDevices", problem: "has \"\(name)\", which no network interface can be called")
      }
      let isTemplate = new.hasSuffix("%d")
      guard Self.isInterfaceName(new), !(isTemplate ? new.dropLast(2) : new[...]).contains("%") else {
        throw RuntimeError.configuration(
          property: "linux.netDevices.\(name).name",
          problem: "is \"\(new)\", which no network interface can be called")
      }
      guard isTemplate || taken.insert(new).inserted else {
        throw RuntimeError.configuration(property: "linux.netDevices", problem: "name two interfaces \(new)")
      }
    }
  }

  /// As the kernel's dev_valid_name.
  private static func isInterfaceName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count < 16 && name != "." && name != ".."
      && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ":") || $0 <= 0x20 }
  }

  /// (config-linux.md, IntelRdt)
  func check(_ rdt: LinuxIntelRdt) throws {
    func wrong(_ property: String, _ problem: String) -> RuntimeError {
      .configuration(property: "linux.intelRdt.\(property)", problem: problem)
    }
    if rdt.enableCMT == true || rdt.enableMBM == true {
      throw RuntimeError.unsupported(
        "linux.intelRdt.enableCMT and enableMBM", reason: "enableMonitoring has replaced them in version 1.3")
    }
    if let name = rdt.closID, !name.isEmpty, name != "/" {
      guard !name.contains("/"), name != ".", name != "..", !["info", "mon_groups", "mon_data"].contains(name) else {
        throw wrong("closID", "is \"\(name)\", which no class of service can be called")
      }
    }
    if let schema = rdt.memBwSchema, !schema.isEmpty, !schema.hasPrefix("MB:") {
      throw wrong("memBwSchema", "is \"\(schema)\": it begins with MB:")
    }
    let lines = [("l3CacheSchema", rdt.l3CacheSchema ?? ""), ("memBwSchema", rdt.memBwSchema ?? "")]
    for (property, line) in lines + (rdt.schemata ?? []).map({ ("schemata", $0) }) where line.contains("\n") {
      throw wrong(property, "has more than one line")
    }
  }

  /// A sysctl that no namespace keeps apart would be the host's.
  static func check(_ setting: KernelSetting, _ linux: LinuxConfig) throws {
    guard !setting.components.isEmpty, !setting.components.contains("..") else {
      throw RuntimeError.configuration(property: "linux.sysctl", problem: "has the key \"\(setting.key)\"")
    }
    guard let needed = setting.namespace else {
      throw RuntimeError.configuration(
        property: "linux.sysctl", problem: "has \(setting.key), which is not in a namespace: it would change the host's"
      )
    }
    guard (linux.namespaces ?? []).contains(where: { $0.type == needed }) else {
      throw RuntimeError.configuration(
        property: "linux.sysctl",
        problem: "has \(setting.key), which needs a \(needed.rawValue) namespace: it would change the host's")
    }
  }
}
