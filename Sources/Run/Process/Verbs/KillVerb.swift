import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// `kill`: a signal to the first process, or to all.
struct KillVerb {
  private let context: VerbContext
  private let id: String
  private let signal: CInt
  private let all: Bool

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    let arguments = try Arguments(
      words, [.flag("all", "a", help: "to every process of the container")], command: "kill")
    guard let id = arguments.operands.first, arguments.operands.count <= 2 else {
      throw RuntimeError.usage("kill: write kill ID [SIGNAL]")
    }
    let name = arguments.operands.count == 2 ? arguments.operands[1] : "TERM"
    // 0 asks whether there is a process.
    guard let signal = name == "0" ? 0 : Names.signal(name) else {
      throw RuntimeError.usage("kill: \(name) is no signal")
    }
    self.id = id
    self.signal = signal
    all = arguments.has("all")
  }

  func run() throws -> Int32 {
    let container = try context.root.load(id)
    let isAlive = container.isAlive
    // With its first process the kernel ends a PID namespace. Without one of its own, those that the process has left
    // would stay.
    if all || signal == SIGKILL && (try? container.bundle().makes(.pid)) == false {
      if let cgroup = container.cgroup, cgroup.exists {
        guard all || isAlive || cgroup.state.isPopulated else { throw stopped }
        if signal == SIGKILL { try cgroup.kill() } else { cgroup.signal(signal) }
        return 0
      }
      // Callers clear up with `kill --all`, whether something is left or not.
      if all, !isAlive { return 0 }
      try signalOthers(container)
    }
    // In a paused container a signal waits until it is resumed; SIGKILL ends it all the same.
    guard isAlive else { throw stopped }
    let process = try container.process()
    try attempt("send signal \(signal) to process \(container.saved.pid)") { () throws(Errno) in
      try sendSignal(process.number, signal)
    }
    return 0
  }

  private var stopped: RuntimeError { .wrongStatus(id: id, status: .stopped, doing: "kill") }

  /// Without a cgroup: those of the PID namespace, where there is one.
  private func signalOthers(_ container: Container) throws {
    guard try container.bundle().makes(.pid) else {
      return context.log.warning(
        "container \(id) has neither a cgroup nor a PID namespace of its own: only its first process gets the signal")
    }
    if signal == SIGKILL { return }
    for pid in try container.processes() where pid != container.saved.pid { kill(pid, signal) }
  }
}
