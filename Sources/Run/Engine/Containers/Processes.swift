internal import Glibc
internal import Kernel
internal import SystemPackage

/// A process of a container, as the host sees it. (proc(5))
public struct ContainerProcessInfo: Sendable, Hashable {
  public let pid: Int32
  public let parent: Int32
  public let userID: UInt32
  /// Time on processors, in milliseconds.
  public let processorTime: Int64
  public let started: Moment
  public let terminal: String
  /// The command line, or the name in brackets.
  public let command: String
  /// Bytes.
  public let residentMemory: Int64
}

extension Engine {
  /// The processes of a running container.
  public func top(_ nameOrID: String) throws -> [ContainerProcessInfo] {
    let container = try container(nameOrID)
    guard container.isRunning, let pid = container.state.pid else { throw EngineError.notRunning(name: container.name) }
    return ProcessTable.processes(ofContainer: pid)
  }
}

enum ProcessTable {
  /// All processes in the PID namespace of `pid`; where that is the host's, `pid` and its descendants.
  static func processes(ofContainer pid: Int32) -> [ContainerProcessInfo] {
    let own = namespace(of: "self")
    guard let wanted = namespace(of: String(pid)) else { return [] }
    let pids = ((try? directoryEntries(of: "/proc")) ?? []).compactMap { Int32($0) }
    let boot = bootTime()
    if wanted != own {
      return pids.filter { namespace(of: String($0)) == wanted }.compactMap { info($0, boot) }.sorted { $0.pid < $1.pid }
    }
    let all = pids.compactMap { info($0, boot) }
    var members: Set<Int32> = [pid]
    var grew = true
    while grew {
      grew = false
      for process in all where members.contains(process.parent) && members.insert(process.pid).inserted { grew = true }
    }
    return all.filter { members.contains($0.pid) }.sorted { $0.pid < $1.pid }
  }

  private static func namespace(of process: String) -> UInt? {
    var status = stat()
    return stat("/proc/\(process)/ns/pid", &status) == 0 ? UInt(status.st_ino) : nil
  }

  private static func info(_ pid: Int32, _ boot: Int64) -> ContainerProcessInfo? {
    guard let bytes = try? readFile(FilePath("/proc/\(pid)/stat"), limit: 1 << 14) else { return nil }
    // The name in brackets may have spaces and brackets of its own: the fields begin after the last one.
    let text = String(decoding: bytes, as: UTF8.self)
    guard let open = text.firstIndex(of: "("), let close = text.lastIndex(of: ")") else { return nil }
    let name = text[text.index(after: open)..<close]
    let fields = text[text.index(after: close)...].split(separator: " ")
    guard fields.count > 21, let parent = Int32(fields[1]), let terminal = Int(fields[4]), let user = Int64(fields[11]),
      let system = Int64(fields[12]), let start = Int64(fields[19]), let pages = Int64(fields[21])
    else { return nil }
    var status = stat()
    guard stat("/proc/\(pid)", &status) == 0 else { return nil }
    let ticks = Int64(sysconf(Int32(_SC_CLK_TCK)))
    let line = (try? readFile(FilePath("/proc/\(pid)/cmdline"), limit: 1 << 16)) ?? []
    let command = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    return ContainerProcessInfo(
      pid: pid, parent: parent, userID: status.st_uid, processorTime: (user + system) * 1000 / ticks,
      started: Moment(nanoseconds: (boot + start / ticks) * 1_000_000_000),
      terminal: terminal == 0 ? "?" : "pts/\(terminal & 0xff)", command: command.isEmpty ? "[\(name)]" : command,
      residentMemory: pages * Int64(sysconf(Int32(_SC_PAGESIZE))))
  }

  /// Unix seconds.
  private static func bootTime() -> Int64 {
    guard let bytes = try? readFile("/proc/stat", limit: 1 << 20) else { return 0 }
    let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Int64($0.dropFirst("btime ".count)) } ?? 0
  }
}
