import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// What is wrong is named on standard error and in the log, with status 1, and nothing is left.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct BadInputTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private func expectFailure(
    _ arguments: [String], _ words: String..., leaves: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let log = host.directory.appending("log")
    let result = try host.runtime(["--log", log.string, "--log-format", "json"] + arguments)
    #expect(result.status == 1, sourceLocation: sourceLocation)
    struct Entry: Decodable { let level: String, msg: String, time: String }
    let line = try #require(try host.read(log).split(separator: "\n").last, sourceLocation: sourceLocation)
    let entry = try JSONText.decode(Entry.self, Array(line.utf8), name: "log")
    #expect(entry.level == "error", sourceLocation: sourceLocation)
    for word in words {
      #expect(result.errorOutput.contains(word), "\(result.errorOutput)", sourceLocation: sourceLocation)
      #expect(entry.msg.contains(word), sourceLocation: sourceLocation)
    }
    if !leaves { try expectNothing(sourceLocation) }
  }

  private func expectNothing(_ sourceLocation: SourceLocation) throws {
    let names = access(host.state.string, F_OK) == 0 ? try directoryEntries(of: host.state) : []
    #expect(names.filter { $0 != ".seccomp" } == [], sourceLocation: sourceLocation)
    if let tree = CgroupTree.find() {
      let cgroup = tree.mount.appending("clipper/\(host.directory.lastComponent?.string ?? "")-one")
      #expect(access(cgroup.string, F_OK) != 0, sourceLocation: sourceLocation)
    }
  }

  private func create(_ change: (inout RuntimeConfig) -> Void) throws -> [String] {
    ["create", "--bundle", try host.bundle("one", ["sleep", "1000"], change).string, "one"]
  }

  /// config.json of an ordinary bundle with a part of its text replaced.
  private func create(replacing old: String, by new: String) throws -> [String] {
    let arguments = try create { _ in }
    let file = host.directory.appending("one/config.json")
    var text = try host.read(file)
    text.replaceSubrange(try #require(text.firstRange(of: old)), with: new)
    try host.write(file, text)
    return arguments
  }

  // MARK: config.json

  @Test func invalidJSONIsPlaced() throws {
    let arguments = try create { _ in }
    try host.write(host.directory.appending("one/config.json"), "{\n  \"ociVersion\": \"1.0.2\",\n  \"é\": tru\n}")
    try expectFailure(arguments, "one/config.json", "line 3, column 8", "a value is expected")
    try host.write(host.directory.appending("one/config.json"), "")
    try expectFailure(arguments, "line 1, column 1")
  }

  @Test(arguments: [
    (#""args":["sleep","1000"]"#, #""args":["sleep","1000",3]"#, "process.args[2]", "a string is expected"),
    (#""type":"pid""#, #""type":"frob""#, "linux.namespaces[0].type", "frob"),
    (#""cwd":"/""#, #""cwd":7"#, "process.cwd", "a string is expected"),
    (#""process":{"#, #""process":{"rlimits":[{"type":"RLIMIT_FROB","hard":1,"soft":1}],"#, "process.rlimits", "RLIMIT_FROB"),
    (#""linux":{"#, #""linux":{"seccomp":{"defaultAction":"SCMP_ACT_FROB"},"#, "linux.seccomp.defaultAction", "SCMP_ACT_FROB"),
  ])
  func aWrongValueIsNamed(_ old: String, _ new: String, _ place: String, _ problem: String) throws {
    try expectFailure(try create(replacing: old, by: new), place, problem)
  }

  @Test func anUnknownCapabilityIsWarnedOf() throws {
    let log = host.directory.appending("log")
    let bundle = try host.bundle("one", ["true"]) { $0.process?.capabilities?.bounding?.append("CAP_FROB") }
    try host.succeed(host.runtime("--log", log.string, "run", "--bundle", bundle.string, "one"))
    #expect(try host.read(log).contains("level=warning msg=\"capabilities that this runtime does not know"))
    #expect(try host.read(log).contains("CAP_FROB"))
  }

  @Test func whatTheProcessNeedsIsThere() throws {
    try expectFailure(try create { $0.root?.path = "nonesuch" }, "one/nonesuch", "No such file or directory")
    try expectFailure(try create { $0.root?.path = "config.json" }, "one/config.json", "Not a directory")
    try expectFailure(try create { $0.process?.args = ["nonesuch"] }, "\"nonesuch\"", "not found in $PATH")
    try expectFailure(try create { $0.process?.args = ["/nonesuch"] }, "\"/nonesuch\"", "no such file")
    try expectFailure(try create { $0.process?.args = ["/etc/passwd"] }, "\"/etc/passwd\"", "permission denied")
    try expectFailure(
      try create {
        $0.root?.readonly = true
        $0.process?.cwd = "/etc/passwd/below"
      }, "working directory /etc/passwd/below")
  }

  @Test func configurationIsARegularFileOfBoundedSize() throws {
    let arguments = try create { _ in }
    let file = host.directory.appending("one/config.json")
    try Errno.check(unlink(file.string))
    try expectFailure(arguments, "config.json", "No such file")
    try Errno.check(mkfifo(file.string, 0o600))
    try expectFailure(arguments, "config.json is no regular file")
    try Errno.check(unlink(file.string))
    try Errno.check(mkdir(file.string, 0o700))
    try expectFailure(arguments, "config.json is no regular file")
    try Errno.check(rmdir(file.string))
    try host.write(file, "")
    try Errno.check(truncate(file.string, (16 << 20) + 1))
    try expectFailure(arguments, "config.json has 16777217 bytes")
  }

  @Test func rootDoesNothingByTheWordsOfOthers() throws {
    let arguments = try create { _ in }
    let file = host.directory.appending("one/config.json").string
    try Errno.check(chown(file, 1234, 0))
    try expectFailure(arguments, "belongs to user 1234", "chown it to root")
    setenv("SUDO_UID", "1234", 1)
    let bySudo = try host.runtime(arguments)
    unsetenv("SUDO_UID")
    try host.succeed(bySudo)
    try host.succeed(host.runtime("delete", "--force", "one"))
    try Errno.check(chown(file, 0, 0))
    chmod(file, 0o646)
    try expectFailure(arguments, "can be written by everybody", "chmod go-w")
    try Errno.check(chown(file, 0, 1234))
    chmod(file, 0o664)
    try expectFailure(arguments, "can be written by group 1234")
    chmod(host.directory.appending("one").string, 0o700)
    try host.succeed(host.runtime(arguments))
  }

  // MARK: IDs

  @Test(arguments: ["a/b", "..", ".", "", "/", "a b", String(repeating: "a", count: 1025), "é", ".seccomp"])
  func anIDThatNamesNoDirectoryIsRefused(_ id: String) throws {
    for verb in ["create", "run", "start", "state", "kill", "delete", "exec"] {
      let words = verb == "exec" ? [verb, "--", id, "true"] : [verb, "--", id]
      let result = try host.runtime(words)
      #expect(result.status == (verb == "exec" ? 255 : 1))
      #expect(result.errorOutput.contains("is not a container ID"))
    }
    #expect(access(host.state.string, F_OK) != 0)
  }

  @Test func anIDInUseStaysWithItsContainer() throws {
    try host.succeed(host.runtime(create { _ in }))
    try expectFailure(try create { _ in }, "container with given ID \"one\" already exists", leaves: true)
    #expect(try host.status("one") == .created)
  }

  // MARK: Files and sockets of the caller

  @Test func aPIDFileThatCannotBeWrittenEndsTheStart() throws {
    for verb in ["create", "run"] {
      let arguments = [verb] + (verb == "run" ? ["--detach"] : []) + ["--pid-file", "/nonesuch/pid"]
      try expectFailure(arguments + (try create { _ in }).dropFirst(), "the pid file /nonesuch/pid")
    }
  }

  @Test func aConsoleSocketMustBeThere() throws {
    let terminal = try create { $0.process?.terminal = true }.dropFirst()
    try expectFailure(["create", "--console-socket", "/nonesuch"] + terminal, "console socket /nonesuch", "No such file")
    let file = host.directory.appending("file").string
    try host.write(FilePath(file), "")
    try expectFailure(["create", "--console-socket", file] + terminal, "console socket \(file)", "Connection refused")
    try expectFailure(["create"] + terminal, "--console-socket is needed")
    try expectFailure(["run", "--detach"] + terminal, "needs --console-socket")
  }

  @Test func aLogThatCannotBeWrittenIsAnError() throws {
    let result = try host.runtime("--log", "/nonesuch/log", "list")
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("cannot open the log /nonesuch/log: No such file or directory"))
  }

  // MARK: State

  @Test(arguments: [
    ("", "it is no JSON"), ("{\"id\":\"one\",", "it is no JSON"), ("{}", "it has no version"),
    ("{\"version\":2,\"id\":\"one\"}", "version 2, and this clipper-runtime writes and understands version 1"),
    ("{\"version\":1,\"id\":7}", "id"),
  ])
  func aStateThatCannotBeUsedIsClearedByForce(_ text: String, _ problem: String) throws {
    try host.started("one", ["sleep", "1000"])
    let pid = try #require(Int32(try host.read(host.directory.appending("one.pid"))))
    try host.write(host.state.appending("one/state.json"), text)
    for arguments in [["state", "one"], ["start", "one"], ["kill", "one"], ["delete", "one"]] {
      try expectFailure(arguments, "state.json of container \"one\"", problem, "delete --force", leaves: true)
    }
    let list = try host.runtime("list", "-q")
    #expect(list.status == 0 && list.output.isEmpty && list.errorOutput.contains("\"one\""))
    try host.succeed(host.runtime("delete", "--force", "one"))
    // Its process is known by the cgroup alone now.
    if CgroupTree.find() != nil { #expect(eventually { ProcessStatus(pid)?.hasEnded ?? true }) }
    kill(pid, SIGKILL)
    try expectNothing(#_sourceLocation)
  }

  @Test func aHalfMadeContainerIsClearedByForce() throws {
    try makeDirectories(host.state.appending("one"), mode: 0o700)
    try expectFailure(["state", "one"], "does not exist", leaves: true)
    try expectFailure(["delete", "one"], "does not exist", leaves: true)
    try expectFailure(try create { _ in }, "what made it was killed", "delete --force", leaves: true)
    #expect(try host.runtime("list", "-q").output.isEmpty)
    try host.succeed(host.runtime("delete", "--force", "one"))
    try host.succeed(host.runtime(create { _ in }))
  }

  @Test func foreignFilesInTheStateDirectoryAreNoContainers() throws {
    try host.succeed(host.runtime(create { _ in }))
    try host.write(host.state.appending("notes"), "text")
    try makeDirectories(host.state.appending("un named"))
    try Errno.check(mkfifo(host.state.appending("fifo").string, 0o600))
    #expect(try host.runtime("list", "-q").output == "one\n")
    #expect(try host.runtime("delete", "notes").status == 1)
  }

  @Test func theBundleMayBeGoneAtTheEnd() throws {
    try host.succeed(host.runtime(create { _ in }))
    try removeTree(host.directory.appending("one"))
    #expect(try host.status("one") == .created)
    try host.succeed(host.runtime("delete", "--force", "one"))
    try expectNothing(#_sourceLocation)
  }

  /// A process of the same number as the container's, which has ended, is somebody else.
  @Test func aProcessThatCameLaterIsLeftAlone() throws {
    try host.succeed(host.runtime(create { _ in }))
    let file = host.state.appending("one/state.json")
    var saved = try JSONText.decode(SavedState.self, readFile(file), name: "state")
    var process = try Spawn("/bin/sleep", ["1000"]).start()
    func end() {
      kill(process, SIGKILL)
      _ = try? waitForProcess(process)
    }
    defer { end() }
    // Times of birth are told in hundredths of a second: it must be a later one.
    while ProcessStatus(process)?.startTime == saved.pidStartTime {
      end()
      process = try Spawn("/bin/sleep", ["1000"]).start()
    }
    kill(saved.pid, SIGKILL)
    saved.pid = process
    try host.write(file, String(decoding: try JSONText.encode(saved), as: UTF8.self))
    #expect(try host.status("one") == .stopped)
    try expectFailure(["kill", "one", "KILL"], "it is stopped", leaves: true)
    try host.succeed(host.runtime("delete", "--force", "one"))
    #expect(ProcessStatus(process)?.hasEnded == false)
  }

  @Test func aFullDiskLeavesNothing() throws {
    try makeDirectories(host.state)
    let state = host.state
    try Mounts.mount("tmpfs", source: "tmpfs", on: state.string, flags: 0, data: "size=16k,mode=700")
    defer { umount2(state.string, CInt(MNT_DETACH)) }
    // 16 kB are four pages.
    let filler = [UInt8](repeating: 0, count: 4096)
    var files = 0
    while (try? host.write(state.appending(".filler\(files)"), String(decoding: filler, as: UTF8.self))) != nil { files += 1 }
    #expect(files > 0)
    for _ in 0...files {
      let result = try host.runtime(create { _ in })
      if result.status == 0 { break }
      #expect(result.errorOutput.contains("No space left on device"), "\(result.errorOutput)")
      #expect(try directoryEntries(of: state).filter { !$0.hasPrefix(".") } == [])
      files -= 1
      unlink(state.appending(".filler\(files)").string)
    }
    #expect(try host.status("one") == .created)
    try host.succeed(host.runtime("delete", "--force", "one"))
  }

  @Test func aReadOnlyStateDirectoryIsNamed() throws {
    try makeDirectories(host.state)
    let state = host.state
    try Mounts.mount("tmpfs", source: "tmpfs", on: state.string, flags: 1, data: "")
    defer { umount2(state.string, CInt(MNT_DETACH)) }
    try expectFailure(try create { _ in }, "make \(state)/one", "Read-only file system")
  }

  // MARK: Cgroups

  @Test(.enabled(if: CgroupTree.find() != nil)) func aCgroupWithProcessesIsNotTaken() throws {
    let tree = try #require(CgroupTree.find())
    let name = "/clipper/\(host.directory.lastComponent?.string ?? "")-one"
    let cgroup = try tree.cgroup(at: name)
    _ = try cgroup.makeDirectory()
    let process = try Spawn("/bin/sleep", ["1000"]).start()
    defer {
      kill(process, SIGKILL)
      _ = try? waitForProcess(process)
      try? cgroup.remove()
    }
    try cgroup.add(process)
    try expectFailure(try create { _ in }, "the cgroup \(name) holds processes already", leaves: true)
    #expect(access(host.state.appending("one").string, F_OK) != 0)
    // What was killed before it could see that must not end them either.
    try makeDirectories(host.state.appending("one"), mode: 0o700)
    try host.write(
      host.state.appending("one/config.json"), try host.read(host.directory.appending("one/config.json")))
    let result = try host.runtime("delete", "--force", "one")
    #expect(result.status == 0)
    #expect(result.errorOutput.contains("it is left alone"))
    #expect(ProcessStatus(process)?.hasEnded == false)
  }

  // MARK: Hooks

  private func hook(_ script: String, timeout: Int? = nil) -> [ContainerHook] {
    [ContainerHook(path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin:/usr/bin"], timeout: timeout)]
  }

  @Test(arguments: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"])
  func aFailingHookEndsTheContainer(_ point: String) throws {
    var hooks = ContainerHooks()
    let failing = hook("echo broken >&2; exit 3")
    switch point {
    case "prestart": hooks.prestart = failing
    case "createRuntime": hooks.createRuntime = failing
    case "createContainer": hooks.createContainer = failing
    case "startContainer": hooks.startContainer = failing
    default: hooks.poststart = failing
    }
    var arguments = try create { $0.hooks = hooks }
    arguments[0] = "run"
    try expectFailure(arguments, "\(point) hook /bin/sh ended with status 3: broken")
  }

  @Test func aHookThatHangsIsEndedWithAllThatItStarted() throws {
    let file = host.directory.appending("pids")
    let script = "sleep 1000 & echo $! > \(file); sh -c 'sleep 1000' & echo $! >> \(file); wait"
    try expectFailure(
      try create { $0.hooks = ContainerHooks(createRuntime: hook(script, timeout: 1)) },
      "createRuntime hook /bin/sh failed", "did not end within 1000 ms")
    let pids = try host.read(file).split(separator: "\n").compactMap { Int32($0) }
    #expect(pids.count == 2)
    #expect(eventually { pids.allSatisfy { ProcessStatus($0)?.hasEnded ?? true } })
  }

  @Test func aHookMayWriteWithoutEnd() throws {
    let bundle = try host.bundle("one", ["true"]) {
      $0.hooks = ContainerHooks(createRuntime: hook("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2"))
    }
    try host.succeed(host.runtime("run", "--bundle", bundle.string, "one"))
    try expectFailure(
      try create { $0.hooks = ContainerHooks(createRuntime: hook("yes", timeout: 1)) }, "did not end within 1000 ms")
  }

  @Test func aHookKnowsTheProcess() throws {
    let file = host.directory.appending("pid")
    let hooks = hook("grep -o 'pid\":[0-9]*' | cut -c6- >> \(file)")
    let bundle = try host.bundle("one", ["true"]) { $0.hooks = ContainerHooks(prestart: hooks, createRuntime: hooks) }
    try host.succeed(
      host.runtime("create", "--bundle", bundle.string, "--pid-file", file.string + "file", "one"))
    let pid = try host.read(FilePath(file.string + "file"))
    #expect(try host.read(file) == "\(pid)\n\(pid)\n")
  }
}
