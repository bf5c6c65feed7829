import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// A container that has no cgroup of its own, as an ordinary user's without a delegated one: what can be done is done
/// by its PID namespace, and the rest is refused by name.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct WithoutCgroupTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// Starts one, and lets the runtime forget its cgroup meanwhile.
  private func withoutCgroup(
    _ script: String, _ change: (inout RuntimeConfig) -> Void = { _ in }, _ body: (Int32) throws -> Void
  ) throws {
    try host.started("one", ["sh", "-c", script], change)
    let container = try StateDirectory(root: host.state).load("one")
    var forgetful = container.saved
    forgetful.cgroup = nil
    try Container(directory: container.directory, saved: forgetful).save()
    defer { try? container.save() }
    try body(container.saved.pid)
  }

  @Test func processesAreThoseOfTheNamespace() throws {
    try withoutCgroup("sleep 1234 & touch /tmp/ready; exec sleep 1000") { pid in
      #expect(eventually { access(host.root.appending("tmp/ready").string, F_OK) == 0 })
      let json = try host.runtime("ps", "-f", "json", "one").output
      let list = try JSONText.decode([Int32].self, Array(json.utf8), name: "ps")
      #expect(list.contains(pid) && list.count == 2)
    }
  }

  @Test func signalsForAllReachTheNamespace() throws {
    let second = "trap 'touch /tmp/second' USR1; touch /tmp/ready; while :; do sleep 0.1; done"
    let script = "exec 2>/dev/null; trap 'touch /tmp/first' USR1; sh -c \"\(second)\" & while :; do sleep 0.1; done"
    try withoutCgroup(script) { pid in
      func exists(_ name: String) -> Bool { access(host.root.appending("tmp/\(name)").string, F_OK) == 0 }
      #expect(eventually { exists("ready") })
      try host.succeed(host.runtime("kill", "--all", "one", "USR1"))
      #expect(eventually { exists("first") && exists("second") })
      try host.succeed(host.runtime("kill", "--all", "one", "KILL"))
      #expect(eventually { ProcessStatus(pid)?.hasEnded ?? true })
      try host.succeed(host.runtime("kill", "--all", "one", "KILL"))
      #expect(try host.runtime("kill", "one", "KILL").errorOutput.contains("container not running"))
    }
  }

  @Test func withoutEitherTheFirstProcessIsAllThatIsKnown() throws {
    try withoutCgroup("exec sleep 1000", { $0.linux?.namespaces?.removeAll { $0.type == .pid } }) { pid in
      #expect(try host.runtime("ps", "one").errorOutput.contains("neither a cgroup nor a PID namespace"))
      let kill = try host.runtime("kill", "--all", "one", "KILL")
      #expect(kill.status == 0)
      #expect(kill.errorOutput.contains("only its first process"))
      #expect(eventually { ProcessStatus(pid)?.hasEnded ?? true })
    }
  }

  @Test(arguments: [["pause"], ["resume"], ["update", "--pids-limit", "5"], ["events", "--stats"]])
  func whatNeedsACgroupIsRefused(_ words: [String]) throws {
    try withoutCgroup("exec sleep 1000") { _ in
      let result = try host.runtime(words + ["one"])
      #expect(result.status == 1)
      #expect(result.errorOutput.contains("\(words[0]) is not supported: container one has no cgroup of its own"))
    }
  }
}
