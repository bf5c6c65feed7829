import Glibc
import Kernel
import RuntimeSpec

extension BundleCheck {
  /// Also for the process of `exec`.
  static func check(_ process: ContainerProcess) throws {
    guard let arguments = process.args, !arguments.isEmpty else {
      throw RuntimeError.configuration(property: "process.args", problem: "is missing or empty")
    }
    guard process.cwd.hasPrefix("/") else {
      throw RuntimeError.configuration(property: "process.cwd", problem: "is \"\(process.cwd)\", not an absolute path")
    }
    for (property, values) in [
      ("process.args", arguments), ("process.env", process.env ?? []), ("process.cwd", [process.cwd]),
    ] {
      // It would end early at the kernel's border, and mean something else there.
      guard !values.contains(where: { $0.utf8.contains(0) }) else {
        throw RuntimeError.configuration(property: property, problem: "contains a zero byte")
      }
    }
    if let bad = (process.env ?? []).first(where: { !$0.contains("=") || $0.hasPrefix("=") }) {
      throw RuntimeError.configuration(property: "process.env", problem: "has \"\(bad)\", which is not NAME=value")
    }
    for limit in process.rlimits ?? [] {
      guard Names.resourceLimit(limit.type) != nil else {
        throw RuntimeError.configuration(property: "process.rlimits", problem: "has the unknown type \(limit.type)")
      }
      guard limit.soft <= limit.hard else {
        throw RuntimeError.configuration(
          property: "process.rlimits",
          problem: "has a soft \(limit.type) (\(limit.soft)) above the hard one (\(limit.hard))")
      }
    }
    if (process.rlimits ?? []).count != Set((process.rlimits ?? []).map(\.type)).count {
      throw RuntimeError.configuration(property: "process.rlimits", problem: "names a type twice")
    }
    if let score = process.oomScoreAdj, !(-1000...1000).contains(score) {
      throw RuntimeError.configuration(
        property: "process.oomScoreAdj", problem: "is \(score), outside of -1000 to 1000")
    }
    if process.apparmorProfile?.isEmpty == false, process.apparmorProfile != "unconfined", !hasAppArmor {
      throw RuntimeError.unsupported("process.apparmorProfile", reason: "AppArmor is not enabled on this host")
    }
    if process.selinuxLabel?.isEmpty == false, !hasSELinux {
      throw RuntimeError.unsupported("process.selinuxLabel", reason: "SELinux is not enabled on this host")
    }
    if let priority = process.ioPriority?.priority, !(0...7).contains(priority) {
      throw RuntimeError.configuration(
        property: "process.ioPriority.priority", problem: "is \(priority), outside of 0 to 7")
    }
    if let umask = process.user.umask, umask > 0o777 {
      throw RuntimeError.configuration(property: "process.user.umask", problem: "is \(umask), more than 0777")
    }
    if let scheduler = process.scheduler { try check(scheduler) }
    for (property, list) in [("initial", process.execCPUAffinity?.initial), ("final", process.execCPUAffinity?.final)] {
      if let list, !list.isEmpty, Names.list(list) == nil {
        throw RuntimeError.configuration(
          property: "process.execCPUAffinity.\(property)", problem: "is \"\(list)\", not a list of CPUs")
      }
    }
  }

  /// (sched(7), sched_setattr(2))
  private static func check(_ scheduler: LinuxScheduler) throws {
    func wrong(_ property: String, _ problem: String) -> RuntimeError {
      .configuration(property: "process.scheduler.\(property)", problem: problem)
    }
    if let nice = scheduler.nice, !(-20...19).contains(nice) { throw wrong("nice", "is \(nice), outside of -20 to 19") }
    let isRealTime = scheduler.policy == .fifo || scheduler.policy == .roundRobin
    let priority = scheduler.priority ?? 0
    guard isRealTime ? (1...99).contains(priority) : priority == 0 else {
      throw wrong("priority", "is \(priority): SCHED_FIFO and SCHED_RR have 1 to 99, the others 0")
    }
    let (runtime, deadline) = (scheduler.runtime ?? 0, scheduler.deadline ?? 0)
    let period = scheduler.period ?? 0
    if scheduler.policy == .deadline {
      // A period of 0 is the deadline.
      guard runtime > 0, runtime <= deadline, period == 0 || deadline <= period else {
        throw wrong("runtime", "is \(runtime), deadline \(deadline), period \(period): each is at most the next")
      }
    } else if runtime != 0 || deadline != 0 || period != 0 {
      throw wrong("runtime", "deadline and period belong to SCHED_DEADLINE, and not to \(scheduler.policy.rawValue)")
    }
    if let flag = scheduler.flags?.first(where: { ProcessScheduling.flags[$0] == nil }) {
      throw wrong("flags", "has the unknown \(flag)")
    }
  }
}
