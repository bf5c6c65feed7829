import Cgroups
import RuntimeSpec

/// `pause` and `resume`.
extension VerbContext {
  func freeze(_ words: ArraySlice<String>, _ frozen: Bool) throws -> Int32 {
    let verb = frozen ? "pause" : "resume"
    let id = try Arguments(words, [], command: verb).id(verb)
    let container = try root.load(id)
    guard container.isAlive else { throw RuntimeError.wrongStatus(id: id, status: .stopped, doing: verb) }
    guard let cgroup = container.cgroup, cgroup.exists else {
      throw RuntimeError.unsupported(verb, reason: "container \(id) has no cgroup of its own")
    }
    let isPaused = cgroup.isFrozen
    guard isPaused != frozen else { throw RuntimeError.wrongStatus(id: id, status: container.status, doing: verb) }
    do { try cgroup.freeze(frozen) } catch { throw RuntimeError.resources("cannot \(verb) container \(id): \(error)") }
    return 0
  }
}
