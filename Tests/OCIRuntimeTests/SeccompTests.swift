import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import TestDirectories
import Testing

@testable import OCIRuntime

@Suite struct SeccompTests {
  /// Runs classic BPF as the kernel does, on one system call.
  private func run(_ program: SeccompProgram, call: UInt32, arguments: [UInt64] = [], machine: UInt32 = 0xc000_003e)
    -> UInt32
  {
    var data = [UInt32](repeating: 0, count: 16)
    data[0] = call
    data[1] = machine
    for (index, argument) in arguments.enumerated() {
      data[4 + 2 * index] = UInt32(truncatingIfNeeded: argument)
      data[5 + 2 * index] = UInt32(truncatingIfNeeded: argument >> 32)
    }
    let code = program.instructions
    var a: UInt32 = 0
    var place = 0
    while place * 8 < code.count {
      let base = place * 8
      let operation = UInt16(code[base]) | UInt16(code[base + 1]) << 8
      let (yes, no) = (Int(code[base + 2]), Int(code[base + 3]))
      let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(code[base + 4 + $1]) << UInt32($1 * 8) }
      place += 1
      switch operation {
      case 0x20: a = data[Int(value) / 4]
      case 0x05: place += Int(value)
      case 0x15: place += a == value ? yes : no
      case 0x25: place += a > value ? yes : no
      case 0x35: place += a >= value ? yes : no
      case 0x45: place += a & value != 0 ? yes : no
      case 0x54: a &= value
      case 0x06: return value
      default: return .max
      }
    }
    return .max
  }

  private let allow: UInt32 = 0x7fff_0000
  private let refuse: UInt32 = 0x0005_0000

  #if arch(x86_64)
    @Test func rulesDecide() throws {
      let program = try SeccompCompiler.compile(
        LinuxSeccomp(
          defaultAction: .errno, defaultErrnoRet: UInt32(EACCES), architectures: ["SCMP_ARCH_X86_64"],
          syscalls: [
            SeccompRule(names: ["read", "write", "no_such_call", "landlock_restrict_self"], action: .allow),
            SeccompRule(names: ["mkdir"], action: .killProcess),
            SeccompRule(
              names: ["personality"], action: .allow, args: [SeccompArgument(index: 0, value: 8, op: .equal)]),
          ]))
      #expect(run(program, call: 0) == allow)
      #expect(run(program, call: 1) == allow)
      #expect(run(program, call: 2) == refuse | UInt32(EACCES))
      #expect(run(program, call: 83) == 0x8000_0000)
      #expect(run(program, call: 135, arguments: [8]) == allow)
      #expect(run(program, call: 135, arguments: [9]) == refuse | UInt32(EACCES))
      // Newer than all that the profile knows: as on a kernel without it.
      #expect(run(program, call: 5000) == refuse | UInt32(ENOSYS))
      // Another machine's calls are not these.
      #expect(run(program, call: 0, machine: 0x4000_0003) != allow)
    }

    @Test func dockersFilter() throws {
      let program = try SeccompCompiler.compile(DockerSeccomp.profile(capabilities: []))
      for call: UInt32 in [0, 1, 2, 9, 56, 59, 257, 437] { #expect(run(program, call: call) == allow, "\(call)") }
      // mount, umount2, pivot_root, setns, init_module, kexec_load, bpf, add_key
      for call: UInt32 in [165, 166, 155, 308, 175, 246, 321, 248] {
        #expect(run(program, call: call) == refuse | UInt32(EPERM), "\(call)")
      }
      // clone with CLONE_NEWUSER; clone3, whose flags a filter cannot see.
      #expect(run(program, call: 56, arguments: [0x1000_0000]) == refuse | UInt32(EPERM))
      #expect(run(program, call: 435) == refuse | UInt32(ENOSYS))
      let admin = try SeccompCompiler.compile(DockerSeccomp.profile(capabilities: .sysAdmin))
      #expect(run(admin, call: 165) == allow)
    }
  #endif

  @Test func whatTheLibraryDoesNotKnowIsNamed() {
    #expect(throws: RuntimeError.self) {
      try SeccompCompiler.compile(LinuxSeccomp(defaultAction: .allow, architectures: ["SCMP_ARCH_FROB"]))
    }
    #expect(throws: RuntimeError.self) {
      try SeccompCompiler.compile(LinuxSeccomp(defaultAction: .allow, flags: ["SECCOMP_FILTER_FLAG_FROB"]))
    }
    // Nobody listens.
    #expect(throws: RuntimeError.self) {
      try SeccompCompiler.compile(
        LinuxSeccomp(defaultAction: .allow, syscalls: [SeccompRule(names: ["mkdir"], action: .notify)]))
    }
  }

  @Test func problemsNameTheirProperty() {
    func problem(_ profile: LinuxSeccomp) -> String {
      do {
        _ = try SeccompCompiler.compile(profile)
        return ""
      } catch { return "\(error)" }
    }
    let rules = [SeccompRule(names: ["read"], action: .allow)]
    func rule(_ rule: SeccompRule) -> String {
      problem(LinuxSeccomp(defaultAction: .errno, listenerPath: "/x", syscalls: rules + [rule]))
    }
    #expect(rule(SeccompRule(names: [], action: .allow)).contains("syscalls[1].names is empty"))
    #expect(rule(SeccompRule(names: ["mkdir"], action: .trap, errnoRet: 1)).contains("syscalls[1].errnoRet"))
    #expect(rule(SeccompRule(names: ["mkdir"], action: .errno, errnoRet: 5000)).contains("no error number"))
    let sixth = SeccompArgument(index: 6, value: 0, op: .equal)
    #expect(rule(SeccompRule(names: ["mkdir"], action: .allow, args: [sixth])).contains("syscalls[1].args[0].index"))
    #expect(rule(SeccompRule(names: ["sendmsg"], action: .notify)).contains("syscalls[1] SCMP_ACT_NOTIFY for sendmsg"))
    #expect(problem(LinuxSeccomp(defaultAction: .notify, listenerPath: "/x")).contains("defaultAction SCMP_ACT_NOTIFY"))
    #expect(problem(LinuxSeccomp(defaultAction: .allow, listenerMetadata: "m")).contains("listenerMetadata"))
    #expect(problem(LinuxSeccomp(defaultAction: .allow, architectures: ["SCMP_ARCH_VAX"])).contains("architectures[0]"))
    #expect(problem(LinuxSeccomp(defaultAction: .allow, flags: ["SECCOMP_FILTER_FLAG_X"])).contains("flags[0]"))
    // Without SCMP_ACT_NOTIFY nobody needs to listen.
    #expect(problem(LinuxSeccomp(defaultAction: .allow, listenerPath: "/x", syscalls: rules)) == "")
  }

  @Test func aDamagedCacheIsNotUsed() throws {
    let directory = try makeTestDirectory("clipper-seccomp", in: "/var/tmp")
    defer { try? removeTree(directory) }
    let key = Array("key".utf8)
    let program = SeccompProgram(instructions: [6, 0, 0, 0, 0, 0, 0xff, 0x7f], flags: 4)
    let cache = SeccompCache(directory: directory, key: key)
    #expect(cache.read() == nil)
    cache.write(program)
    #expect(cache.read()?.instructions == program.instructions)
    #expect(cache.read()?.flags == 4)
    let file = directory.appending(try #require(try directoryEntries(of: directory).first))
    var bytes = try readFile(file)
    bytes[bytes.count - 1] ^= 1
    try writeFileAtomically(file, bytes, mode: 0o600)
    #expect(cache.read() == nil)
    cache.write(program)
    chmod(file.string, 0o666)
    #expect(cache.read() == nil)
  }
}
