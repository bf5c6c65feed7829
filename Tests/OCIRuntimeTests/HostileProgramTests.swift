import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Containers that reach for the runtime's own program and for descriptors of the host's.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct HostileProgramTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  // MARK: CVE-2019-5736: the runtime's program is neither executed by a container nor writable through one.

  /// CVE-2019-5736
  @Test func theRuntimesProgramIsNotExecuted() throws {
    let result = try host.run(["/proc/self/exe", "--version"])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("the container runtime's own program"))
    try host.started("one", ["sleep", "1000"])
    #expect(try host.runtime("exec", "one", "/proc/self/exe", "--version").status == 126)
  }

  /// CVE-2019-5736
  @Test func theRuntimeRunsFromAFileThatNobodyWrites() throws {
    // A hook of the runtime's side sees the process that a container could see. It waits until nobody executes the
    // file: as long as somebody does, the kernel itself lets nobody write.
    let copy = host.directory.appending("clipper-runtime")
    try host.copy(host.program, copy)
    let trace = host.directory.appending("trace")
    let script = """
      exec 5< /proc/$PPID/exe
      (while kill -0 $PPID 2> /dev/null; do sleep 0.05; done
      if (: >> /proc/self/fd/5) 2> /dev/null; then echo writable; else echo refused; fi > \(trace)) > /dev/null 2>&1 &
      """
    let bundle = try host.bundle("one", ["true"]) {
      $0.hooks = ContainerHooks(createRuntime: [
        ContainerHook(path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"])
      ])
    }
    let run = try Spawn(copy, ["--root", host.state.string, "run", "-b", bundle.string, "one"]).capture(
      milliseconds: 30_000)
    #expect(run.status == .exited(0), "\(String(decoding: run.errorOutput, as: UTF8.self))")
    #expect(try eventually { try access(trace.string, F_OK) == 0 && !host.read(trace).isEmpty })
    #expect(try host.read(trace) == "refused\n")
  }

  /// CVE-2019-5736, CVE-2016-9962: a neighbour with the same user and rights, in the PID namespace of a container that
  /// waits for its start, finds no way into the runtime's process.
  @Test func aNeighbourCannotLookIntoAWaitingContainer() throws {
    let bundle = try host.bundle("one", ["true"])
    let file = host.directory.appending("pid")
    try host.succeed(host.runtime("create", "-b", bundle.string, "--pid-file", file.string, "one"))
    let pid = try host.read(file)
    let script = """
      readlink /proc/self/exe; readlink /proc/1/exe || echo hidden; readlink /proc/1/root || echo hidden
      readlink /proc/1/fd/0 || echo hidden; (: < /proc/1/mem) 2> /dev/null || echo hidden
      """
    let result = try host.shell(script) { config in
      config.linux?.namespaces?.removeAll { $0.type == .pid }
      config.linux?.namespaces?.append(LinuxNamespace(type: .pid, path: "/proc/\(pid)/ns/pid"))
    }
    #expect(result.lines == ["/bin/busybox", "hidden", "hidden", "hidden", "hidden"], "\(result.errorOutput)")
  }

  /// CVE-2019-5736, CVE-2016-9962: neither does the container while `exec` brings a process in.
  @Test func theContainerCannotLookIntoExec() throws {
    // What is executed from a mount that is attached nowhere has no name. Busybox alone may be seen.
    let script =
      "while :; do ls -l /proc/[0-9]*/exe; done 2> /dev/null | grep -e '->' | grep -v -m 1 busybox > /tmp/found"
    let root = try host.image { _ in }
    try host.started("one", ["sh", "-c", script]) { $0.root?.path = root.string }
    // The program is looked for when the process has the container's user and rights, and here for long.
    let path = "PATH=" + String(repeating: "x:", count: 50_000) + "/bin"
    for _ in 0..<8 { try host.succeed(host.runtime("exec", "--env", path, "one", "true")) }
    #expect(try host.read(root.appending("tmp/found")).isEmpty)
    #expect(try host.status("one") == .running)
  }

  // MARK: CVE-2024-21626: a descriptor that leaked is a way to the host's files.

  /// CVE-2024-21626
  @Test func noDescriptorOfTheCallerGetsIn() throws {
    let leaked = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    let bundle = try host.bundle(
      "leak", ["sh", "-c", "for fd in /proc/self/fd/*; do readlink $fd; done; ls /proc/1/fd | tr '\\n' ' '"])
    let result = try host.runtime(["run", "-b", bundle.string, "leak"], descriptors: [(leaked, 7), (leaked, 8)])
    #expect(!result.lines.contains("/"))
    #expect(result.lines.last == "0 1 2 3 " || result.lines.last == "0 1 2 ", "\(result.output)")
  }

  /// CVE-2024-21626: a container that waits for its start holds nothing of the host either, by which a neighbour could
  /// come to it.
  @Test func aWaitingContainerHoldsNoDirectoryOfTheHost() throws {
    let leaked = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    let bundle = try host.bundle("one", ["true"])
    let file = host.directory.appending("pid")
    // A pipe that it kept open would keep capture waiting for its end.
    try host.succeed(
      host.runtime(
        ["create", "-b", bundle.string, "--pid-file", file.string, "one"], descriptors: [(leaked, 7), (leaked, 8)]))
    let pid = try host.read(file)
    // The channel, the socket that waits, and the runtime's program.
    let directories = try directoryEntries(of: FilePath("/proc/\(pid)/fd")).filter { number in
      (try? directoryEntries(of: FilePath("/proc/\(pid)/fd/\(number)"))) != nil
    }
    #expect(directories.isEmpty)
  }

  /// CVE-2024-21626: the host's root as working directory.
  @Test func theWorkingDirectoryIsInside() throws {
    let leaked = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    for number in 3...16 {
      let bundle = try host.bundle("cwd\(number)", ["ls"]) { $0.process?.cwd = "/proc/self/fd/\(number)" }
      let result = try host.runtime(
        ["run", "-b", bundle.string, "cwd\(number)"], descriptors: [(leaked, 7), (leaked, 8), (leaked, 9)])
      // A descriptor of the container's own root is inside.
      #expect(result.status == 1 || !result.lines.contains("usr"), "\(number): \(result.output)")
    }
    try host.started("one", ["sleep", "1000"])
    for number in 3...16 {
      let result = try host.runtime(
        ["exec", "--cwd", "/proc/self/fd/\(number)", "one", "ls"], descriptors: [(leaked, 7), (leaked, 8)])
      #expect(result.status != 0 || !result.lines.contains("usr"), "\(number): \(result.output)")
    }
  }

  /// CVE-2024-21626: a directory that the caller hands over on purpose is the container's, and still no place to be in.
  @Test func aPreservedDirectoryIsNoWorkingDirectory() throws {
    let given = open("/", O_RDONLY | O_DIRECTORY)
    defer { close(given) }
    let bundle = try host.bundle("one", ["ls"]) { $0.process?.cwd = "/proc/self/fd/3" }
    let result = try host.runtime(
      ["run", "-b", bundle.string, "--preserve-fds", "1", "one"], descriptors: [(given, 3)])
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("outside of the container's root"), "\(result.errorOutput)")
  }

  /// CVE-2024-21626: close-on-exec comes too late, since execve has walked the path by then.
  @Test func noProgramIsFoundThroughADescriptor() throws {
    let outside = try Outside(host)
    try host.copy("/bin/busybox", outside.path.appending("busybox"))
    let leaked = open(outside.path.string, O_RDONLY | O_DIRECTORY)
    defer { close(leaked) }
    // Those of the caller, and the runtime's own: from a directory of the host's, `..` leads to all of them.
    let up = String(repeating: "../", count: 12)
    let programs =
      ["/proc/self/fd/40/busybox"] + (3...24).map { "/proc/self/fd/\($0)/\(up)\(outside.path.string)/busybox" }
    try host.started("one", ["sleep", "1000"])
    for (index, program) in programs.enumerated() {
      let bundle = try host.bundle("p\(index)", [program, "echo", "escaped"])
      for command in [["run", "-b", bundle.string, "p\(index)"], ["exec", "one", program, "echo", "escaped"]] {
        let result = try host.runtime(command, descriptors: [(leaked, 40)])
        #expect(result.status != 0 && result.output.isEmpty, "\(program): \(result.output)")
      }
    }
  }

  @Test func preservedDescriptorsAreTheOnesAskedFor() throws {
    let file = open("/etc/hostname", O_RDONLY)
    defer { close(file) }
    let bundle = try host.bundle("keep", ["sh", "-c", "readlink /proc/$$/fd/3; readlink /proc/$$/fd/4 || echo none"])
    let result = try host.runtime(
      ["run", "-b", bundle.string, "--preserve-fds", "1", "keep"], descriptors: [(file, 3), (file, 4)])
    #expect(result.lines == ["/etc/hostname", "none"])
  }

  /// CVE-2024-21626: a number that is free would become one of the runtime's own files.
  @Test func preservedDescriptorsMustBeOpen() throws {
    let bundle = try host.bundle("keep", ["sh", "-c", "ls -l /proc/$$/fd"])
    let result = try host.runtime("run", "-b", bundle.string, "--preserve-fds", "9", "keep")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("is not open"), "\(result.output)")
    try host.started("one", ["sleep", "1000"])
    #expect(try host.runtime("exec", "--preserve-fds", "9", "one", "true").status != 0)
  }

  /// CVE-2024-21626: nor does a file of the runtime's come to be one of the three that every program has.
  @Test func closedStreamsAreNotFilledWithFilesOfTheHost() throws {
    let bundle = try host.bundle(
      "one", ["sh", "-c", "(for n in 0 1 2; do readlink /proc/1/fd/$n; done) > /tmp/streams; true"])
    let run = try Spawn(
      "/bin/sh",
      ["-c", "exec \(host.program) --root \(host.state) run -b \(bundle) one <&- >&- 2>&-"]
    ).capture(milliseconds: 30_000)
    #expect(run.status == .exited(0))
    #expect(try host.read(host.root.appending("tmp/streams")) == "/dev/null\n/dev/null\n/dev/null\n")
  }
}
