internal import Glibc
internal import Kernel
internal import SystemPackage

/// What a running container uses.
public struct ContainerStatistics: Sendable, Hashable {
  public init() {}

  /// Nanoseconds on processors since its start.
  public var processorTime: Int64 = 0
  /// Bytes, without what the kernel can give back at once.
  public var memory: Int64 = 0
  /// Bytes: its limit, or the machine's memory.
  public var memoryLimit: Int64 = 0
  public var processes = 0
  public var received: Int64 = 0
  public var sent: Int64 = 0
  public var blockRead: Int64 = 0
  public var blockWritten: Int64 = 0
  /// When it was taken; nanoseconds of the monotonic clock.
  public var taken: Int64 = 0
}

extension Engine {
  /// Bytes on disk of what a container has changed in its root.
  public func changedBytes(of container: Container) -> Int64 { diskUsage(of: directory(of: container.id).appending("upper")) }

  /// From its cgroup; where the host has no cgroup v2 for it, summed over its processes.
  public func statistics(of nameOrID: String) throws -> ContainerStatistics {
    let container = try container(nameOrID)
    guard container.isRunning, let pid = container.state.pid else { throw EngineError.notRunning(name: container.name) }
    var statistics = ContainerStatistics()
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    statistics.taken = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    statistics.memoryLimit = min(
      container.record.options.resources.memory ?? .max,
      Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))))
    let processes = ProcessTable.processes(ofContainer: pid)
    statistics.processes = processes.count
    // Without its controllers a group counts processors' time alone.
    if let group = ControlGroupFiles(of: pid), let usage = group.keyed("cpu.stat")["usage_usec"] {
      statistics.processorTime = usage * 1000
      let inactive = group.keyed("memory.stat")["inactive_file"] ?? 0
      statistics.memory =
        group.number("memory.current").map { max(0, $0 - inactive) } ?? processes.reduce(0) { $0 + $1.residentMemory }
      if let limit = group.number("memory.max") { statistics.memoryLimit = min(statistics.memoryLimit, limit) }
      for (key, value) in group.nested("io.stat") {
        if key == "rbytes" { statistics.blockRead += value }
        if key == "wbytes" { statistics.blockWritten += value }
      }
    } else {
      statistics.processorTime = processes.reduce(0) { $0 + $1.processorTime } * 1_000_000
      statistics.memory = processes.reduce(0) { $0 + $1.residentMemory }
    }
    (statistics.received, statistics.sent) = Self.traffic(of: pid)
    return statistics
  }

  /// Bytes over all interfaces but loopback. (proc(5), /proc/pid/net/dev)
  private static func traffic(of pid: Int32) -> (received: Int64, sent: Int64) {
    guard let bytes = try? readFile(FilePath("/proc/\(pid)/net/dev"), limit: 1 << 20) else { return (0, 0) }
    var sum: (received: Int64, sent: Int64) = (0, 0)
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 1)
      guard parts.count == 2, parts[0].drop(while: { $0 == " " }) != "lo" else { continue }
      let fields = parts[1].split(separator: " ").compactMap { Int64($0) }
      guard fields.count >= 9 else { continue }
      sum.received += fields[0]
      sum.sent += fields[8]
    }
    return sum
  }

  /// Whether a process's cgroup is frozen.
  func isFrozen(_ pid: Int32?) -> Bool {
    guard let pid, let group = ControlGroupFiles(of: pid) else { return false }
    return group.number("cgroup.freeze") == 1
  }
}

/// Files of the cgroup v2 that a process is in. (cgroups(7))
struct ControlGroupFiles {
  private let directory: FilePath

  /// nil where the process is in none but the root of cgroup v2.
  init?(of pid: Int32) {
    guard let bytes = try? readFile(FilePath("/proc/\(pid)/cgroup"), limit: 1 << 16) else { return nil }
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("0::/") }
    guard let path = line?.dropFirst("0::".count), path != "/" else { return nil }
    // The second is where it is on hosts that have version 1 beside it.
    let mounts: [FilePath] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
    let places = mounts.map { $0.appending(String(path.dropFirst())) }
    guard let found = places.first(where: { access($0.appending("cgroup.procs").string, F_OK) == 0 }) else { return nil }
    directory = found
  }

  private func text(_ name: String) -> String? {
    (try? readFile(directory.appending(name), limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// nil for `max` and where there is no such file.
  func number(_ name: String) -> Int64? { text(name).flatMap { Int64($0.prefix { !$0.isNewline }) } }

  /// Lines of `key value`.
  func keyed(_ name: String) -> [String: Int64] {
    var values: [String: Int64] = [:]
    for line in (text(name) ?? "").split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, let value = Int64(words[1]) { values[String(words[0])] = value }
    }
    return values
  }

  /// Words of `key=value`, over all lines.
  func nested(_ name: String) -> [(String, Int64)] {
    (text(name) ?? "").split(whereSeparator: \.isWhitespace).compactMap { word in
      let parts = word.split(separator: "=")
      return parts.count == 2 ? Int64(parts[1]).map { (String(parts[0]), $0) } : nil
    }
  }
}
