import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `events`: what a container uses, and that the kernel has ended something of it for want of memory.
struct EventsVerb {
  private let context: VerbContext
  private let id: String
  private let once: Bool
  /// Nanoseconds between two reports.
  private let interval: Int64

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    let arguments = try Arguments(
      words,
      [
        .flag("stats", help: "once, and no more"),
        .option("interval", value: "TIME", help: "between two reports, as 500ms or 1m30s (5s)"),
      ], command: "events")
    id = try arguments.id("events")
    once = arguments.has("stats")
    let text = arguments["interval"] ?? "5s"
    guard let interval = Quantities.nanoseconds(text), interval > 0 else {
      throw RuntimeError.usage("events: --interval is \"\(text)\": write a time as 5s or 500ms")
    }
    self.interval = interval
  }

  func run() throws -> Int32 {
    let container = try context.root.load(id)
    guard container.isAlive else { throw RuntimeError.wrongStatus(id: id, status: .stopped, doing: "watch") }
    guard let cgroup = container.cgroup, cgroup.exists else {
      throw RuntimeError.unsupported("events", reason: "container \(id) has no cgroup of its own")
    }
    if once {
      try report(cgroup)
    } else {
      try watch(cgroup)
    }
    return 0
  }

  private func report(_ cgroup: Cgroup) throws {
    try write(Event(type: "stats", id: id, data: StatisticsReport(cgroup.statistics())))
  }

  private func write(_ event: Event) throws {
    try attempt("write an event") { () throws(Errno) in
      try writeAll(1, (try? JSONText.encode(event) + [UInt8(ascii: "\n")]) ?? [])
    }
  }

  /// Until the last process has ended. The kernel tells of changes of these files to those who wait for them.
  private func watch(_ cgroup: Cgroup) throws {
    let population = try attempt("watch \(cgroup.path)") { () throws(Errno) in
      try openat2(workingDirectory, cgroup.path.appending("cgroup.events").string, flags: O_RDONLY)
    }
    // Without the memory controller nothing is told of memory.
    let memory = try? OpenFile(
      openat2(workingDirectory, cgroup.path.appending("memory.events").string, flags: O_RDONLY))
    var kills = Self.counter("oom_kill", memory?.number ?? -1)
    var due = Timestamp.monotonic() + interval
    while Self.counter("populated", population.number) == 1 {
      var waiting = [
        pollfd(fd: population.number, events: Int16(POLLPRI), revents: 0),
        pollfd(fd: memory?.number ?? -1, events: Int16(POLLPRI), revents: 0),
      ]
      let left = max(0, (due - Timestamp.monotonic() + 999_999) / 1_000_000)
      let count = try attempt("wait for events") { () throws(Errno) in
        try Errno.retrying { poll(&waiting, 2, CInt(clamping: left)) }
      }
      let now = Self.counter("oom_kill", memory?.number ?? -1)
      if now > kills { try write(Event(type: "oom", id: id, data: nil)) }
      kills = now
      if count == 0, Timestamp.monotonic() >= due {
        try report(cgroup)
        due = Timestamp.monotonic() + interval
      }
    }
  }

  /// 0 also when the cgroup has been removed.
  private static func counter(_ name: String, _ file: CInt) -> UInt64 {
    guard file >= 0, lseek(file, 0, SEEK_SET) == 0, let text = try? readAll(file, limit: 4096) else { return 0 }
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: " ")
      if parts.count == 2, parts[0] == name { return UInt64(parts[1]) ?? 0 }
    }
    return 0
  }
}

private struct Event: Encodable {
  let type: String
  let id: String
  let data: StatisticsReport?
}
