import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct LifecycleTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func runHandsOutputAndStatusOn() throws {
    let result = try host.run(["sh", "-c", "cat; echo problem >&2; exit 42"], input: "from outside\n")
    #expect(result.status == 42)
    #expect(result.output == "from outside\n")
    #expect(result.errorOutput == "problem\n")
    #expect(try host.runtime("list", "--quiet").output.isEmpty)
  }

  @Test func aSignalledProgramIs128AndTheSignal() throws {
    #expect(try host.shell("kill -9 $$").status == 0, "process 1 ignores signals of its own")
    #expect(try host.run(["sh", "-c", "sh -c 'kill -15 $$'; exit $?"]).status == 143)
  }

  @Test func createdContainersWaitForStart() throws {
    let bundle = try host.bundle("one", ["sleep", "1000"])
    try host.succeed(host.runtime("create", "-b", bundle.string, "one"))
    #expect(try host.status("one") == .created)
    #expect(try host.runtime("exec", "one", "true").status == 0, "as runc: the namespaces are there")
    try host.succeed(host.runtime("start", "one"))
    #expect(try host.status("one") == .running)
    #expect(try host.runtime("start", "one").errorOutput.contains("it is running"))
    #expect(try host.runtime("delete", "one").status == 1)
    #expect(try host.runtime("create", "-b", bundle.string, "one").errorOutput.contains("already exists"))
    try host.succeed(host.runtime("kill", "one", "KILL"))
    #expect(try eventually { try host.status("one") == .stopped })
    try host.succeed(host.runtime("delete", "one"))
    #expect(try host.runtime("state", "one").errorOutput.contains("does not exist"))
  }

  @Test func deleteEndsACreatedContainer() throws {
    try host.succeed(host.runtime("create", "-b", try host.bundle("one", ["true"]).string, "one"))
    try host.succeed(host.runtime("delete", "one"))
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  @Test func aFailedStartLeavesNothing() throws {
    let result = try host.run(["nonesuch"])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("exec: \"nonesuch\": executable file not found in $PATH"))
    #expect(try host.run(["/etc/passwd"]).errorOutput.contains("exec: \"/etc/passwd\": permission denied"))
    let misplaced = try host.run(["true"]) { $0.process?.cwd = "/etc/passwd" }
    #expect(misplaced.errorOutput.contains("working directory"))
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  @Test func cgroupsAreNotShared() throws {
    try host.started("one", ["sleep", "1000"])
    let result = try host.run(["true"]) { [directory = host.directory] in
      $0.linux?.cgroupsPath = "\(directory.lastComponent?.string ?? "")-one"
    }
    if try host.runtime("pause", "one").status != 0 { return }
    #expect(result.errorOutput.contains("holds processes already"))
    #expect(try host.status("one") == .paused)
  }

  @Test func pauseStopsAndResumeContinues() throws {
    try host.started("one", ["sleep", "1000"])
    try host.succeed(host.runtime("pause", "one"))
    #expect(try host.status("one") == .paused)
    #expect(try host.runtime("exec", "one", "true").errorOutput.contains("paused"))
    try host.succeed(host.runtime("resume", "one"))
    #expect(try host.status("one") == .running)
  }

  @Test func killAllReachesEveryProcess() throws {
    try host.started("one", ["sh", "-c", "sleep 1000 & sleep 1000"]) {
      $0.linux?.namespaces?.removeAll { $0.type == .pid }
    }
    try host.succeed(host.runtime("kill", "--all", "one", "KILL"))
    #expect(try eventually { try host.status("one") == .stopped })
    try host.succeed(host.runtime("delete", "one"))
  }

  @Test func execRunsBesideTheFirstProcess() throws {
    try host.started("one", ["sleep", "1000"])
    let result = try host.runtime(
      "exec", "-e", "A=1", "-e", "PATH=/bin:/sbin", "--cwd", "/tmp", "-u", "1000:5", "one", "sh", "-c",
      "id; pwd; echo $A $PATH")
    #expect(result.lines == ["uid=1000(user) gid=5", "/tmp", "1 /bin:/sbin"])
    #expect(try host.runtime("exec", "one", "ps").output.contains("sleep 1000"))
    #expect(try host.runtime("exec", "one", "sh", "-c", "exit 7").status == 7)
    #expect(try host.runtime("exec", "one", "nonesuch").status == 127)
    #expect(try host.runtime("exec", "one", "/etc/passwd").status == 126)
    #expect(try host.runtime(["exec", "one", "cat"], input: "through").output == "through")
  }

  @Test func execTakesAProcessFromAFile() throws {
    try host.started("one", ["sleep", "1000"])
    let file = host.directory.appending("process.json")
    try host.write(
      file, #"{"args":["id"],"cwd":"/","env":["PATH=/bin"],"user":{"uid":7,"gid":8,"additionalGids":[9]}}"#)
    #expect(try host.runtime("exec", "--process", file.string, "one").output == "uid=7 gid=8 groups=9\n")
    try host.write(file, #"{"args":["id"],"cwd":"relative","user":{"uid":7,"gid":8}}"#)
    #expect(try host.runtime("exec", "--process", file.string, "one").errorOutput.contains("process.cwd"))
  }

  @Test func execJoinsEveryNamespace() throws {
    try host.started("one", ["sleep", "1000"]) { config in
      config.linux?.namespaces?.append(LinuxNamespace(type: .time))
      config.linux?.timeOffsets = ["boottime": LinuxTimeOffset(secs: 1_000_000)]
    }
    let script =
      "for n in pid net ipc uts mnt cgroup time; do "
      + "[ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done"
    #expect(try host.runtime("exec", "one", "sh", "-c", script).output.isEmpty)
  }

  @Test func hooksRunAtTheirPoints() throws {
    let trace = host.directory.appending("trace")
    func hook(_ point: String) -> [ContainerHook] {
      [
        ContainerHook(
          path: "/bin/sh",
          args: [
            "sh", "-c",
            "read state; echo \(point) $(echo $state | grep -o 'status\":\"[a-z]*' | cut -c10-) >> \(trace)",
          ],
          env: ["PATH=/bin:/usr/bin"])
      ]
    }
    let result = try host.run(["cat", "/dev/shm/hook"]) { config in
      config.hooks = ContainerHooks(
        prestart: hook("prestart"), createRuntime: hook("createRuntime"), createContainer: hook("createContainer"),
        startContainer: [ContainerHook(path: "/bin/sh", args: ["sh", "-c", "echo inside > /dev/shm/hook"])],
        poststart: hook("poststart"), poststop: hook("poststop"))
    }
    #expect(result.output == "inside\n")
    #expect(
      try host.read(trace).split(separator: "\n") == [
        "prestart creating", "createRuntime creating", "createContainer creating", "poststart running",
        "poststop stopped",
      ])
  }

  @Test func aFailingHookEndsTheStart() throws {
    let result = try host.run(["true"]) {
      $0.hooks = ContainerHooks(createRuntime: [
        ContainerHook(path: "/bin/sh", args: ["sh", "-c", "echo broken >&2; exit 3"])
      ])
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("createRuntime hook /bin/sh ended with status 3: broken"))
    let slow = try host.run(["true"]) {
      $0.hooks = ContainerHooks(createRuntime: [ContainerHook(path: "/bin/sleep", args: ["sleep", "60"], timeout: 1)])
    }
    #expect(slow.errorOutput.contains("did not end within"))
  }

  @Test func consoleSocketsGetTheTerminal() throws {
    let place = try openat2(workingDirectory, host.directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try ConsoleSocket(in: place.number, "console")
    let bundle = try host.bundle("one", ["sh", "-c", "tty; stty size; read line; echo got $line"]) {
      $0.process?.terminal = true
      $0.process?.consoleSize = ConsoleSize(height: 33, width: 99)
    }
    try host.succeed(
      host.runtime("create", "-b", bundle.string, "--console-socket", host.directory.appending("console").string, "one")
    )
    let terminal = try socket.receive(milliseconds: 5000)
    try host.succeed(host.runtime("start", "one"))
    try writeAll(terminal.number, Array("word\n".utf8))
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = Glibc.read(terminal.number, &buffer, buffer.count), count > 0 {
      text += String(decoding: buffer[..<count], as: UTF8.self)
    }
    // The terminal echoes what is typed into it, whenever that comes.
    #expect(text.contains("/dev/pts/0\r\n") && text.contains("33 99\r\n"))
    #expect(text.contains("got word\r\n"))
    // Nobody would take it.
    #expect(try host.runtime("create", "-b", bundle.string, "two").status == 1)
  }

  @Test func initReapsAndForwards() throws {
    guard host.isStatic else {
      // The program becomes the container's process 1, and a dynamic loader is not in the container.
      print("SKIPPED: init in a container takes a statically linked clipper-runtime")
      return
    }
    let result = try host.shell("echo $$; tr '\\0' ' ' < /proc/1/cmdline; kill -9 $$") {
      $0.annotations = ["dev.clipper.init": "true"]
    }
    #expect(result.status == 137)
    #expect(result.lines.first == "2")
    #expect(result.output.contains("clipper-init"))
  }

  @Test func holdKeepsNamespaces() throws {
    let file = host.directory.appending("hold.pid")
    try host.succeed(host.runtime("hold", "--pid-file", file.string, "--hostname", "pod"))
    let pid = try #require(Int32(try host.read(file).split(separator: "\n")[0]))
    defer { kill(pid, SIGKILL) }
    let result = try host.shell("hostname; readlink /proc/self/ns/net; ls /sys/class/net") { config in
      config.hostname = nil
      let namespaces = config.linux?.namespaces ?? []
      config.linux?.namespaces = namespaces.map { namespace in
        let names: [LinuxNamespace.Kind: String] = [.network: "net", .uts: "uts", .ipc: "ipc"]
        return LinuxNamespace(type: namespace.type, path: names[namespace.type].map { "/proc/\(pid)/ns/\($0)" })
      }
    }
    #expect(result.lines.first == "pod")
    #expect(result.lines.dropFirst().first == readLink(workingDirectory, "/proc/\(pid)/ns/net"))
    kill(pid, SIGTERM)
    #expect(eventually { ProcessStatus(pid)?.hasEnded ?? true })
  }

  @Test(arguments: [
    (["frobnicate"], "frobnicate is not known"), (["run", "--frob", "x"], "--frob is not known"),
    (["run"], "ID is missing"),
    (["kill", "x", "NONESUCH"], "no signal"),
    (["state", "../x"], "not a container ID"), (["run", "-b", "/nonesuch", "x"], "/nonesuch/config.json"),
    (["start", "x"], "does not exist"),
  ])
  func refusesByName(_ arguments: [String], _ expected: String) throws {
    let result = try host.runtime(arguments)
    #expect(result.status == 1)
    #expect(result.errorOutput.contains(expected))
    #expect(result.output.isEmpty)
  }

  @Test func errorsGoToTheLogAsJSON() throws {
    let log = host.directory.appending("log")
    _ = try host.runtime("--log", log.string, "--log-format", "json", "state", "x")
    #expect(try host.read(log).hasPrefix(#"{"level":"error","msg":"container \"x\" does not exist","time":""#))
  }
}
