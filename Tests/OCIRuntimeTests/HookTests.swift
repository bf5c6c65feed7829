import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config.md, POSIX-platform Hooks; runtime.md, Lifecycle)
@Suite(.enabled(if: RuntimeHost.isAble)) struct HookTests {
  private let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private var trace: FilePath { host.directory.appending("trace") }

  /// Notes its point, the state that it reads, its directory and its mount namespace.
  private func hook(_ point: String, _ more: String = "") -> ContainerHook {
    let script = "echo \"\(point) $(pwd) $(readlink /proc/self/ns/mnt) $(cat)\" >> \(trace); \(more)"
    return ContainerHook(path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/usr/bin:/bin"])
  }

  private func lines() throws -> [String] { try host.read(trace).split(separator: "\n").map { String($0) } }

  @Test func eachHasItsPlaceAndState() throws {
    try host.started("box", ["sleep", "60"]) {
      $0.annotations = ["key": "value"]
      $0.hooks = ContainerHooks(
        prestart: [hook("prestart")], createRuntime: [hook("createRuntime"), hook("second")],
        createContainer: [hook("createContainer")], poststart: [hook("poststart")], poststop: [hook("poststop")])
    }
    let pid = try host.read(host.directory.appending("box.pid"))
    try host.succeed(host.runtime("delete", "--force", "box"))
    let lines = try lines()
    #expect(
      lines.map { $0.split(separator: " ")[0] }
        == ["prestart", "createRuntime", "second", "createContainer", "poststart", "poststop"])
    let own = try #require(readLink(workingDirectory, "/proc/self/ns/mnt"))
    for line in lines {
      let fields = line.split(separator: " ", maxSplits: 3).map { String($0) }
      let state = try JSONText.decode(RuntimeState.self, Array(fields[3].utf8), name: "state")
      #expect(fields[1] == host.directory.appending("box").string, "\(line)")
      #expect((fields[2] == own) == (fields[0] != "createContainer"), "\(line)")
      #expect(state.id == "box" && state.annotations?["key"] == "value" && state.ociVersion == "1.3.0")
      switch fields[0] {
      case "poststart": #expect(state.status == .running && "\(state.pid ?? 0)" == pid)
      case "poststop": #expect(state.status == .stopped)
      // In the container's PID namespace.
      case "createContainer": #expect(state.status == .creating && state.pid == 1)
      default: #expect(state.status == .creating && "\(state.pid ?? 0)" == pid, "\(line)")
      }
    }
  }

  @Test func oneThatFailsAtCreateUndoesIt() throws {
    for point in ["prestart", "createRuntime", "createContainer"] {
      unlink(trace.string)
      let failing = [hook(point, "exit 3"), hook("never")]
      let bundle = try host.bundle("box", ["true"]) {
        $0.hooks = ContainerHooks(
          prestart: point == "prestart" ? failing : nil, createRuntime: point == "createRuntime" ? failing : nil,
          createContainer: point == "createContainer" ? failing : nil, poststart: [hook("never")],
          poststop: [hook("poststop")])
      }
      let result = try host.runtime("create", "--bundle", bundle.string, "box")
      #expect(result.status == 1)
      #expect(result.errorOutput.contains("\(point) hook /bin/sh ended with status 3"))
      #expect(try lines().map { String($0.split(separator: " ")[0]) } == [point, "poststop"])
      #expect(try host.runtime("state", "box").errorOutput.contains("does not exist"))
    }
  }

  @Test func oneThatFailsAtStartStopsTheContainer() throws {
    let bundle = try host.bundle("box", ["sleep", "60"]) {
      $0.hooks = ContainerHooks(
        poststart: [hook("poststart", "exit 4")], poststop: [hook("poststop", "exit 5"), hook("last")])
    }
    try host.succeed(host.runtime("create", "--bundle", bundle.string, "box"))
    let result = try host.runtime("start", "box")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("poststart hook /bin/sh ended with status 4"))
    #expect(try host.status("box") == .stopped)
    // A poststop hook that fails is warned of, and the others run.
    let deleted = try host.runtime("delete", "box")
    #expect(deleted.status == 0)
    #expect(deleted.errorOutput.contains("poststop hook /bin/sh ended with status 5"))
    #expect(try lines().map { String($0.split(separator: " ")[0]) } == ["poststart", "poststop", "last"])
  }

  @Test func oneOfTheContainerKnowsNothingOfTheHost() throws {
    let result = try host.run(["cat", "/dev/shm/hook"]) {
      $0.hooks = ContainerHooks(startContainer: [
        ContainerHook(path: "/bin/sh", args: ["sh", "-c", "set > /dev/shm/hook"])
      ])
    }
    try host.succeed(result)
    for variable in ["HOME=", "USER=", "CLIPPER_RUNTIME="] { #expect(!result.output.contains("\n\(variable)")) }
  }
}
