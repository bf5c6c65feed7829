import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

extension Container {
  /// IDs of all its processes, as the caller's PID namespace numbers them: those of its cgroup, else of its own PID
  /// namespace.
  func processes() throws -> [Int32] {
    if let cgroup, cgroup.exists { return cgroup.processes() }
    guard isAlive else { return [] }
    guard try bundle().makes(.pid) else {
      throw RuntimeError.unsupported(
        "a list of processes", reason: "container \(id) has neither a cgroup nor a PID namespace of its own")
    }
    guard let own = readLink(workingDirectory, "/proc/\(saved.pid)/ns/pid") else { return [] }
    let all = try attempt("list processes") { () throws(Errno) in try directoryEntries(of: "/proc") }
    return all.compactMap { Int32($0) }.filter { readLink(workingDirectory, "/proc/\($0)/ns/pid") == own }.sorted()
  }
}
