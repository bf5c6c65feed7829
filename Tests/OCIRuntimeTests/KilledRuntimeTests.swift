import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// `kill -9` of the runtime, or of the process that it makes, after each of its system calls that changes anything.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct KilledRuntimeTests {
  enum Verb: String, CaseIterable { case create, start, runDetached, exec, delete, deleteForce }

  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test(arguments: Verb.allCases) func nothingRemainsOfAKilledRuntime(_ verb: Verb) throws {
    try killAtEachCall(verb, .program)
  }

  @Test(arguments: [Verb.create, .exec]) func nothingRemainsOfAKilledChild(_ verb: Verb) throws {
    try killAtEachCall(verb, .child)
  }

  /// A process between them makes the container's.
  @Test func nothingRemainsOfAKilledProcessInBetween() throws {
    try killAtEachCall(.create, .child) { $0.linux?.namespaces?.append(LinuxNamespace(type: .time)) }
  }

  /// Mappings are written by the runtime, and mounts are mapped by a user namespace that a process carries.
  @Test func nothingRemainsWithAUserNamespace() throws {
    try killAtEachCall(.create, .program) { [root = host.root] in
      let mapping = [LinuxIDMapping(containerID: 0, hostID: 100_000, size: 65536)]
      $0.linux?.namespaces?.append(LinuxNamespace(type: .user))
      $0.linux?.uidMappings = mapping
      $0.linux?.gidMappings = mapping
      $0.mounts?.append(
        ContainerMount(
          destination: "/root", type: "bind", source: root.appending("tmp").string, options: ["bind"],
          uidMappings: mapping, gidMappings: mapping))
    }
  }

  private func killAtEachCall(
    _ verb: Verb, _ victim: TracedProgram.Victim, _ change: (inout RuntimeConfig) -> Void = { _ in }
  ) throws {
    // Its name finds the processes of this test.
    let program = ["sh", "-c", "while :; do sleep 1000; done", host.directory.string]
    let bundle = try host.bundle("killed", program) {
      $0.hooks = ContainerHooks(createRuntime: [ContainerHook(path: "/bin/true")])
      change(&$0)
    }
    var number = 1
    while try attempt(verb, victim, number, bundle) {
      try look(verb, number)
      number += 1
      try #require(number < 2000, "the runtime makes no end of system calls")
    }
    #expect(number > 3, "nothing was killed")
    try look(verb, number)
  }

  /// false: it came to its end before the call.
  private func attempt(
    _ verb: Verb, _ victim: TracedProgram.Victim, _ number: Int, _ bundle: FilePath
  ) throws -> Bool {
    if verb != .create, verb != .runDetached {
      try host.succeed(host.runtime("create", "--bundle", bundle.string, "killed"))
      if verb != .start, verb != .delete { try host.succeed(host.runtime("start", "killed")) }
    }
    let file = host.directory.appending("pid").string
    let words: [String] =
      switch verb {
      case .create: ["create", "--bundle", bundle.string, "--pid-file", file, "killed"]
      case .start: ["start", "killed"]
      case .runDetached: ["run", "--detach", "--bundle", bundle.string, "--pid-file", file, "killed"]
      case .exec: ["exec", "--pid-file", file, "killed", "true"]
      case .delete: ["delete", "killed"]
      case .deleteForce: ["delete", "--force", "killed"]
      }
    return try TracedProgram.run(
      [host.program.string, "--root", host.state.string] + words, killing: victim, afterCall: number)
  }

  private func look(_ verb: Verb, _ number: Int) throws {
    let place: Comment = "\(verb.rawValue), killed after call \(number)"
    let state = try host.runtime("state", "killed")
    #expect(state.status == 0 || state.errorOutput.contains("does not exist"), place)
    let removed = try host.runtime("delete", "--force", "killed")
    #expect(removed.status == 0, "\(place): \(removed.errorOutput)")
    #expect(removed.errorOutput.isEmpty, "\(place): \(removed.errorOutput)")
    #expect(access(host.state.appending("killed").string, F_OK) != 0, place)
    if let tree = CgroupTree.find() {
      let cgroup = tree.mount.appending("clipper/\(host.directory.lastComponent?.string ?? "")-killed")
      #expect(access(cgroup.string, F_OK) != 0, place)
    }
    #expect(eventually { processes().isEmpty }, "\(place): \(processes())")
    #expect(try files(host.directory).isEmpty, place)
    #expect(try !host.read("/proc/self/mountinfo").contains(host.directory.string), place)
    guard number % 8 == 1 else { return }
    let bundle = host.directory.appending("killed").string
    try host.succeed(host.runtime("run", "--detach", "--bundle", bundle, "killed"))
    try host.succeed(host.runtime("delete", "--force", "killed"))
  }

  /// Command lines of processes that name this test's directory.
  private func processes() -> [String] {
    let names = (try? directoryEntries(of: "/proc")) ?? []
    return names.filter { Int32($0) != nil }.compactMap { name in
      guard let text = try? readFile(FilePath("/proc/\(name)/cmdline")) else { return nil }
      let line = String(decoding: text.map { $0 == 0 ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
      return line.contains(host.directory.string) ? "\(name): \(line)" : nil
    }
  }

  /// Files that were to be renamed, below a directory.
  private func files(_ directory: FilePath) throws -> [String] {
    let names = try directoryEntries(of: directory)
    var found = names.filter { $0.hasSuffix(".tmp") }
    for place in ["state", "state/.seccomp"] where access(directory.appending(place).string, F_OK) == 0 {
      found += try directoryEntries(of: directory.appending(place)).filter { $0.hasSuffix(".tmp") }
    }
    return found
  }
}
