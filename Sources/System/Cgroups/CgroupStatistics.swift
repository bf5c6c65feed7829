import Kernel
import SystemPackage

/// What a cgroup and those below it have used. nil: its controller is not in the tree.
public struct CgroupStatistics: Hashable, Sendable {
  public struct Memory: Hashable, Sendable {
    /// Bytes in use, the page cache's included.
    public var current: UInt64
    /// Bytes; nil is unlimited.
    public var limit: UInt64?
    /// Bytes of page cache that could be given back at once: `docker stats` leaves them out.
    public var inactiveFile: UInt64
    /// The most that was in use, bytes; nil on kernels that do not count it.
    public var peak: UInt64?
    public var swap: UInt64?
  }

  public struct CPU: Hashable, Sendable {
    /// Microseconds, as the others.
    public var usage: UInt64
    public var user: UInt64
    public var system: UInt64
    public var throttled: UInt64?
  }

  public struct IO: Hashable, Sendable {
    public var readBytes: UInt64
    public var writtenBytes: UInt64
    public var reads: UInt64
    public var writes: UInt64
  }

  public var memory: Memory?
  /// Without the cpu controller times are there, throttling is not.
  public var cpu: CPU?
  public var io: IO?
  public var pids: UInt64?
  public var pidsLimit: UInt64?
}

extension Cgroup {
  public func statistics() -> CgroupStatistics {
    var statistics = CgroupStatistics()
    if let current = number(path.appending("memory.current")) {
      statistics.memory = .init(
        current: current, limit: number(path.appending("memory.max")),
        inactiveFile: counters(path.appending("memory.stat"))["inactive_file"] ?? 0,
        peak: number(path.appending("memory.peak")), swap: number(path.appending("memory.swap.current")))
    }
    let cpu = counters(path.appending("cpu.stat"))
    if let usage = cpu["usage_usec"] {
      statistics.cpu = .init(
        usage: usage, user: cpu["user_usec"] ?? 0, system: cpu["system_usec"] ?? 0, throttled: cpu["throttled_usec"])
    }
    statistics.io = io()
    statistics.pids = number(path.appending("pids.current"))
    statistics.pidsLimit = number(path.appending("pids.max"))
    return statistics
  }

  /// Sums io.stat over the devices: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`.
  private func io() -> CgroupStatistics.IO? {
    guard let text = try? readFile(path.appending("io.stat"), limit: 1 << 20) else { return nil }
    var io = CgroupStatistics.IO(readBytes: 0, writtenBytes: 0, reads: 0, writes: 0)
    for field in String(decoding: text, as: UTF8.self).split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      let parts = field.split(separator: "=")
      guard parts.count == 2, let value = UInt64(parts[1]) else { continue }
      switch parts[0] {
      case "rbytes": io.readBytes += value
      case "wbytes": io.writtenBytes += value
      case "rios": io.reads += value
      case "wios": io.writes += value
      default: break
      }
    }
    return io
  }
}
