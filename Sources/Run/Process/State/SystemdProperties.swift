import Cgroups
import RuntimeSpec
import SystemBus

/// A property of a unit of systemd. (systemd.resource-control(5), org.freedesktop.systemd1(5))
struct SystemdProperty: Hashable {
  let name: String
  let value: BusValue

  init(_ name: String, _ value: BusValue) {
    self.name = name
    self.value = value
  }

  /// The first systemd that knows it; 0 for what all have.
  var version: Int {
    switch (name, value) {
    case ("CPUQuotaPeriodUSec", _): 242
    case ("AllowedCPUs", _), ("AllowedMemoryNodes", _): 244
    case ("CPUWeight", .uint64(0)): 252
    case ("OOMPolicy", _): 253
    default: 0
    }
  }

  var busValue: BusValue { .structure([.string(name), .variant(value)]) }
}

/// What systemd must know of a container's limits: it writes the files of its units itself, and writes them again
/// whenever it likes, as after daemon-reload. What it has no property for is ours to write.
enum SystemdProperties {
  /// What every unit gets, as runc's.
  static func unit(_ unit: SystemdUnit, id: String, pid: Int32) -> [SystemdProperty] {
    var properties = [SystemdProperty("Description", .string("container \(id)"))]
    if unit.isSlice {
      // A slice has its place by its name, and no processes that systemd would put there.
      properties.append(.init("Wants", .strings([unit.slice])))
    } else {
      properties += [
        .init("Slice", .string(unit.slice)), .init("Delegate", .boolean(true)),
        .init("PIDs", .array(of: .uint32, [.uint32(UInt32(bitPattern: pid))])),
      ]
    }
    // Counted from the beginning on: what a controller has not seen, it never counts.
    for name in ["MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"] {
      properties.append(.init(name, .boolean(true)))
    }
    properties.append(.init("DefaultDependencies", .boolean(false)))
    return properties
  }

  // MARK: Limits

  static func limits(_ limits: CgroupLimits) -> [SystemdProperty] {
    var values: [String: BusValue] = [:]
    if let memory = limits.memoryMax { values["MemoryMax"] = .uint64(number(memory)) }
    if let low = limits.memoryLow { values["MemoryLow"] = .uint64(number(low)) }
    if let swap = limits.swapMax { values["MemorySwapMax"] = .uint64(number(swap)) }
    if let pids = limits.pidsMax { values["TasksMax"] = .uint64(number(pids)) }
    if let weight = limits.cpuWeight { values["CPUWeight"] = .uint64(weight) }
    // systemd says idle by a weight of 0.
    if limits.cpuIdle == true { values["CPUWeight"] = .uint64(0) }
    if let cpu = limits.cpuMax { set(quota: cpu.quota, period: cpu.period, &values) }
    if let weight = limits.ioWeight { values["IOWeight"] = .uint64(weight.converted) }
    if let list = limits.processors { values["AllowedCPUs"] = bits(list) }
    if let list = limits.memoryNodes { values["AllowedMemoryNodes"] = bits(list) }
    for (file, text) in limits.unified.sorted(by: { $0.key < $1.key }) { unified(file, text, &values) }
    return values.sorted { $0.key < $1.key }.map { SystemdProperty($0.key, $0.value) }
  }

  private static func number(_ amount: CgroupLimits.Amount) -> UInt64 {
    switch amount {
    case .bytes(let bytes): bytes
    case .unlimited: .max
    }
  }

  private static func set(quota: UInt64?, period: UInt64, _ values: inout [String: BusValue]) {
    values["CPUQuotaPeriodUSec"] = .uint64(period)
    guard let quota, period > 0 else {
      values["CPUQuotaPerSecUSec"] = .uint64(.max)
      return
    }
    // systemd keeps whole percents: rounded up to them, so that a cgroup below may have all that was asked for. (runc)
    let (product, overflows) = quota.multipliedReportingOverflow(by: 1_000_000)
    let perSecond = overflows ? UInt64.max / 20_000 * 10_000 : product / period
    values["CPUQuotaPerSecUSec"] = .uint64((perSecond + 9999) / 10_000 * 10_000)
  }

  /// A set as an array of bytes, the lowest number in the first byte's lowest bit. nil for what is no list: the
  /// kernel will say so when it is written.
  private static func bits(_ list: String) -> BusValue? {
    guard let numbers = Names.list(list), let last = numbers.max() else { return nil }
    var bytes = [UInt8](repeating: 0, count: last / 8 + 1)
    for number in numbers { bytes[number / 8] |= 1 << UInt8(number % 8) }
    return .bytes(bytes)
  }

  /// `linux.resources.unified`, as far as systemd has a property for the file. A value that is none is left to the
  /// kernel to refuse.
  private static func unified(_ file: String, _ text: String, _ values: inout [String: BusValue]) {
    let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }.map { String($0) }
    guard let first = words.first else { return }
    let amount = first == "max" ? UInt64.max : UInt64(first)
    let named = [
      "memory.high": "MemoryHigh", "memory.low": "MemoryLow", "memory.max": "MemoryMax", "memory.min": "MemoryMin",
      "memory.swap.max": "MemorySwapMax", "pids.max": "TasksMax",
    ]
    switch file {
    case "cpu.idle": if first == "1" { values["CPUWeight"] = .uint64(0) }
    case "cpu.weight": if let amount { values["CPUWeight"] = .uint64(amount) }
    case "cpu.max":
      guard let amount, words.count <= 2, let period = words.count == 2 ? UInt64(words[1]) : 100_000 else { return }
      set(quota: first == "max" ? nil : amount, period: period, &values)
    case "cpuset.cpus": values["AllowedCPUs"] = bits(first)
    case "cpuset.mems": values["AllowedMemoryNodes"] = bits(first)
    case "io.weight":
      if let weight = UInt64(words.last ?? ""), words.count == 1 || first == "default" {
        values["IOWeight"] = .uint64(weight)
      }
    case "memory.oom.group": if first == "1" { values["OOMPolicy"] = .string("kill") }
    default: if let name = named[file], let amount { values[name] = .uint64(amount) }
    }
  }

  // MARK: Annotations

  /// `org.systemd.property.NAME`, whose value is GVariant's text. (runc, docs/systemd.md)
  static func annotations(_ annotations: [String: String]) throws -> [SystemdProperty] {
    let prefix = "org.systemd.property."
    return try annotations.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }.map { key, text in
      var name = String(key.dropFirst(prefix.count))
      guard name.utf8.count > 2, name.utf8.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) })
      else {
        throw RuntimeError.configuration(property: "annotations", problem: "has \(key), which names no property")
      }
      var value: BusValue
      do throws(VariantText.Problem) { value = try VariantText.value(text) } catch {
        throw RuntimeError.configuration(
          property: "annotations.\(key)", problem: "is \(text), and that \(error) (a string needs quotes)")
      }
      // TimeoutStopSec of a unit file is TimeoutStopUSec on the bus.
      if name.hasSuffix("Sec"), name.dropLast(3).utf8.last.map({ $0 & 0x20 != 0 }) == true {
        name = name.dropLast(3) + "USec"
        value = .uint64(try microseconds(value, key))
      }
      return SystemdProperty(name, value)
    }
  }

  private static func microseconds(_ value: BusValue, _ key: String) throws -> UInt64 {
    let seconds: Double? =
      switch value {
      case .byte(let number): Double(number)
      case .int16(let number): Double(number)
      case .uint16(let number): Double(number)
      case .int32(let number): Double(number)
      case .uint32(let number): Double(number)
      case .int64(let number): Double(number)
      case .uint64(let number): Double(number)
      case .double(let number): number
      default: nil
      }
    guard let seconds, seconds >= 0, seconds * 1e6 < 1.8e19 else {
      throw RuntimeError.configuration(property: "annotations.\(key)", problem: "is no number of seconds")
    }
    return UInt64((seconds * 1e6).rounded())
  }
}
