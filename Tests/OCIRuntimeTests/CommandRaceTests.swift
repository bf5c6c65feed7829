import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Commands on one container at the same time: each succeeds or says why not, and nothing is left in the end.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct CommandRaceTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// Runs the commands side by side; their statuses, in order.
  private func together(_ commands: [[String]]) throws -> [CInt] {
    let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
    let processes = try commands.map { words in
      var spawn = Spawn(host.program, ["--root", host.state.string] + words)
      spawn.descriptors = (0...2).map { (null.number, $0) }
      return try spawn.start()
    }
    return try processes.map { try waitForProcess($0).code }
  }

  private func bundle() throws -> String { try host.bundle("one", ["sleep", "1000"]).string }

  private func expectCleared() throws {
    try host.succeed(host.runtime("delete", "--force", "one"))
    #expect(try host.runtime("list", "-q").output.isEmpty)
    try host.succeed(host.runtime("run", "--detach", "--bundle", host.directory.appending("one").string, "one"))
    try host.succeed(host.runtime("delete", "--force", "one"))
  }

  @Test func oneOfSeveralCreatesWins() throws {
    let bundle = try bundle()
    for _ in 0..<5 {
      let statuses = try together(Array(repeating: ["create", "--bundle", bundle, "one"], count: 4))
      #expect(statuses.sorted() == [0, 1, 1, 1])
      #expect(try host.status("one") == .created)
      try host.succeed(host.runtime("delete", "one"))
    }
    try expectCleared()
  }

  @Test func aContainerStartsOnce() throws {
    let trace = host.directory.appending("rootfs/trace")
    let bundle = try host.bundle("one", ["sh", "-c", "echo started >> /trace; sleep 1000"]).string
    for _ in 0..<5 {
      try host.succeed(host.runtime("create", "--bundle", bundle, "one"))
      let statuses = try together(Array(repeating: ["start", "one"], count: 4))
      #expect(statuses.contains(0))
      #expect(try eventually { access(trace.string, F_OK) == 0 ? try !host.read(trace).isEmpty : false })
      #expect(try host.status("one") == .running)
      try host.succeed(host.runtime("delete", "--force", "one"))
      #expect(try host.read(trace) == "started\n")
      unlink(trace.string)
    }
    try expectCleared()
  }

  @Test func deletesAndStartsMeet() throws {
    let bundle = try bundle()
    for _ in 0..<10 {
      try host.succeed(host.runtime("create", "--bundle", bundle, "one"))
      let statuses = try together([["start", "one"], ["delete", "--force", "one"], ["exec", "one", "true"]])
      #expect(statuses[1] == 0)
      #expect(try host.runtime("state", "one").errorOutput.contains("does not exist"))
    }
    try expectCleared()
  }

  @Test func deletesMeetEachOther() throws {
    let bundle = try bundle()
    for _ in 0..<15 {
      try host.succeed(host.runtime("run", "--detach", "--bundle", bundle, "one"))
      let statuses = try together(Array(repeating: ["delete", "--force", "one"], count: 3))
      #expect(statuses == [0, 0, 0])
    }
    try expectCleared()
  }

  @Test func execsMeetADelete() throws {
    let bundle = try bundle()
    for _ in 0..<10 {
      try host.succeed(host.runtime("run", "--detach", "--bundle", bundle, "one"))
      let execs = Array(repeating: ["exec", "one", "true"], count: 3)
      let statuses = try together(execs + [["delete", "--force", "one"]])
      #expect(statuses[3] == 0)
      #expect(statuses.dropLast().allSatisfy { [0, 255, 137].contains($0) }, "\(statuses)")
    }
    try expectCleared()
  }

  /// A delete waits for whoever makes the container, and then removes it.
  @Test func aDeleteMeetsACreate() throws {
    let bundle = try bundle()
    for _ in 0..<10 {
      let statuses = try together([["create", "--bundle", bundle, "one"], ["delete", "--force", "one"]])
      #expect(statuses[1] == 0, "\(statuses)")
      try host.succeed(host.runtime("delete", "--force", "one"))
    }
    try expectCleared()
  }
}
