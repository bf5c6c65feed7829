import CSeccomp
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// From a profile to a filter, by libseccomp. (runtime-spec, config-linux.md, Seccomp)
struct SeccompCompiler {
  private let context: scmp_filter_ctx
  private let profile: LinuxSeccomp
  private let defaultAction: UInt32

  /// Of the library.
  static var version: String {
    guard let version = seccomp_version()?.pointee else { return "unknown" }
    return "\(version.major).\(version.minor).\(version.micro)"
  }

  static func compile(_ profile: LinuxSeccomp) throws -> SeccompProgram {
    let action = try action(profile.defaultAction, profile.defaultErrnoRet, "linux.seccomp.defaultErrnoRet")
    try checkListener(profile)
    guard let context = seccomp_init(action) else {
      throw RuntimeError.seccomp(
        "linux.seccomp: libseccomp refuses the default action \(profile.defaultAction.rawValue)")
    }
    defer { seccomp_release(context) }
    // A binary tree of the calls instead of a list: every call of the container walks it, and the kernel walks it once
    // for each call there is when it loads the filter.
    guard seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 else {
      throw RuntimeError.seccomp("linux.seccomp: libseccomp 2.5 or newer is needed")
    }
    let compiler = SeccompCompiler(context: context, profile: profile, defaultAction: action)
    try compiler.addArchitectures()
    for (index, rule) in (profile.syscalls ?? []).enumerated() {
      try compiler.add(rule, "linux.seccomp.syscalls[\(index)]")
    }
    let filter = try compiler.export()
    return SeccompProgram(instructions: compiler.unknownCallsStub() + filter, flags: try compiler.flags())
  }

  // MARK: Parts of a profile

  private static func action(_ action: SeccompAction, _ errnoRet: UInt32?, _ property: String) throws -> UInt32 {
    let number = errnoRet ?? UInt32(EPERM)
    guard errnoRet == nil || action == .errno || action == .trace else {
      throw RuntimeError.configuration(
        property: property, problem: "is \(number), and \(action.rawValue) has no error number")
    }
    // MAX_ERRNO; a tracer gets 16 bits.
    guard number <= (action == .errno ? 4095 : 0xffff) else {
      throw RuntimeError.configuration(property: property, problem: "is \(number), which is no error number")
    }
    // seccomp.h, SCMP_ACT_…
    switch action {
    case .kill, .killThread: return 0
    case .killProcess: return 0x8000_0000
    case .trap: return 0x0003_0000
    case .errno: return 0x0005_0000 | number & 0xffff
    case .trace: return 0x7ff0_0000 | number & 0xffff
    case .allow: return 0x7fff_0000
    case .log: return 0x7ffc_0000
    case .notify: return 0x7fc0_0000
    }
  }

  /// Those of the specification that this libseccomp knows. (config-linux.md, Seccomp)
  static let architectures = [
    "AARCH64", "ARM", "LOONGARCH64", "M68K", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL", "MIPSEL64", "MIPSEL64N32",
    "PARISC", "PARISC64", "PPC", "PPC64", "PPC64LE", "RISCV64", "S390", "S390X", "SH", "SHEB", "X32", "X86", "X86_64",
  ].map { "SCMP_ARCH_\($0)" }
    .filter { seccomp_arch_resolve_name($0.dropFirst(10).lowercased()) != 0 }

  private func addArchitectures() throws {
    for (index, name) in (profile.architectures ?? []).enumerated() {
      let token = Self.architectures.contains(name) ? seccomp_arch_resolve_name(name.dropFirst(10).lowercased()) : 0
      guard token != 0 else { throw unknown("architectures[\(index)]", name) }
      let result = seccomp_arch_add(context, token)
      // EDOM: of the other byte order, which no process of this machine has.
      guard result == 0 || result == -EEXIST || result == -EDOM else {
        throw failed("add the architecture \(name)", result)
      }
    }
  }

  private func unknown(_ property: String, _ name: String) -> RuntimeError {
    .configuration(property: "linux.seccomp.\(property)", problem: "is \"\(name)\", which libseccomp does not know")
  }

  /// (config-linux.md, Seccomp, listenerPath)
  private static func checkListener(_ profile: LinuxSeccomp) throws {
    let hasListener = profile.listenerPath?.isEmpty == false
    if profile.listenerMetadata?.isEmpty == false, !hasListener {
      throw RuntimeError.configuration(
        property: "linux.seccomp.listenerMetadata", problem: "is for nobody without listenerPath")
    }
    // The listener is handed over when the filter is there already: nobody could answer what that takes.
    guard profile.defaultAction != .notify else {
      throw RuntimeError.unsupported(
        "linux.seccomp.defaultAction SCMP_ACT_NOTIFY", reason: "no call could be made to hand the listener over")
    }
    guard let index = profile.syscalls?.firstIndex(where: { $0.action == .notify }) else { return }
    guard hasListener else {
      throw RuntimeError.configuration(property: "linux.seccomp.listenerPath", problem: "is needed for SCMP_ACT_NOTIFY")
    }
    let rules = (profile.syscalls ?? []).filter { $0.action == .notify }
    if rules.contains(where: { $0.names.contains("sendmsg") }) {
      throw RuntimeError.unsupported(
        "linux.seccomp.syscalls[\(index)] SCMP_ACT_NOTIFY for sendmsg", reason: "the listener is handed over by it")
    }
  }

  private func failed(_ doing: String, _ result: CInt) -> RuntimeError {
    .seccomp("linux.seccomp: cannot \(doing): \(Errno(rawValue: -result))")
  }

  private func add(_ rule: SeccompRule, _ property: String) throws {
    guard !rule.names.isEmpty else {
      throw RuntimeError.configuration(property: "\(property).names", problem: "is empty")
    }
    let action = try Self.action(rule.action, rule.errnoRet, "\(property).errnoRet")
    // libseccomp refuses what the default does anyway.
    guard action != defaultAction else { return }
    let comparisons = try (rule.args ?? []).enumerated().map { try comparison($1, "\(property).args[\($0)]") }
    let indexes = comparisons.map(\.arg)
    for name in rule.names {
      // A call that this library does not know cannot be let through; nor can a kernel with it be harmed by a filter.
      let number = seccomp_syscall_resolve_name(name)
      guard number != -1 else { continue }
      if Set(indexes).count == indexes.count {
        try add(action, number, comparisons, name)
      } else {
        // Several comparisons of one argument: any of them, as other runtimes read it.
        for comparison in comparisons { try add(action, number, [comparison], name) }
      }
    }
  }

  private func add(_ action: UInt32, _ number: CInt, _ comparisons: [scmp_arg_cmp], _ name: String) throws {
    let result = seccomp_rule_add_array(context, action, number, UInt32(comparisons.count), comparisons)
    // EEXIST: the same rule twice. EDOM: a call that an added architecture does not have.
    guard result == 0 || result == -EEXIST || result == -EDOM else { throw failed("add a rule for \(name)", result) }
  }

  private func comparison(_ argument: SeccompArgument, _ property: String) throws -> scmp_arg_cmp {
    guard argument.index <= 5 else {
      throw RuntimeError.configuration(
        property: "\(property).index", problem: "is \(argument.index): a system call has six arguments, from 0 on")
    }
    let operation: scmp_compare =
      switch argument.op {
      case .notEqual: SCMP_CMP_NE
      case .less: SCMP_CMP_LT
      case .lessOrEqual: SCMP_CMP_LE
      case .equal: SCMP_CMP_EQ
      case .greaterOrEqual: SCMP_CMP_GE
      case .greater: SCMP_CMP_GT
      case .maskedEqual: SCMP_CMP_MASKED_EQ
      }
    return scmp_arg_cmp(arg: argument.index, op: operation, datum_a: argument.value, datum_b: argument.valueTwo ?? 0)
  }

  /// linux/seccomp.h, SECCOMP_FILTER_FLAG_…; the process has one thread, and nothing to synchronise.
  static let flags: [String: UInt32] = [
    "SECCOMP_FILTER_FLAG_TSYNC": 0, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 1 << 5,
  ]

  private func flags() throws -> UInt32 {
    var flags: UInt32 = 0
    for (index, name) in (profile.flags ?? ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]).enumerated() {
      guard let flag = Self.flags[name] else { throw unknown("flags[\(index)]", name) }
      flags |= flag
    }
    // The kernel takes WAIT_KILLABLE_RECV only together with a listener.
    let notifies = (profile.syscalls ?? []).contains { $0.action == .notify }
    return notifies ? flags | 1 << 3 : flags & ~(1 << 5)
  }

  // MARK: The program

  private func export() throws -> [UInt8] {
    let memory = try attempt("make a file in memory") { () throws(Errno) in try Execution.memoryFile("seccomp") }
    let result = seccomp_export_bpf(context, memory.number)
    guard result == 0 else { throw failed("compile the filter", result) }
    return try attempt("read the compiled filter") { () throws(Errno) in
      try Errno.check(lseek(memory.number, 0, SEEK_SET))
      return try readAll(memory.number, limit: 1 << 20)
    }
  }

  /// Calls that are newer than all that the profile knows answer ENOSYS, so that a C library tries the older one, and
  /// not EPERM, which it would believe. Only for profiles that refuse by default; the native architecture's numbers
  /// alone: they grow in order since Linux 5.1.
  private func unknownCallsStub() -> [UInt8] {
    guard profile.defaultAction == .errno, profile.defaultErrnoRet != UInt32(ENOSYS) else { return [] }
    let native = seccomp_arch_native()
    let numbers = (profile.syscalls ?? []).flatMap(\.names).map { seccomp_syscall_resolve_name_arch(native, $0) }
    guard let highest = numbers.max(), highest > 0 else { return [] }
    return Self.instruction(0x20, 0, 0, 4)  // A = seccomp_data.arch
      + Self.instruction(0x15, 0, 4, native)  // another one: on to the filter
      + Self.instruction(0x20, 0, 0, 0)  // A = seccomp_data.nr
      + Self.instruction(0x35, 2, 0, 0x4000_0000)  // of x32: on to the filter
      + Self.instruction(0x25, 0, 1, UInt32(highest))  // A > highest?
      + Self.instruction(0x06, 0, 0, 0x0005_0000 | UInt32(ENOSYS))
  }

  private static func instruction(_ code: UInt16, _ yes: UInt8, _ no: UInt8, _ value: UInt32) -> [UInt8] {
    [UInt8(code & 0xff), UInt8(code >> 8), yes, no] + (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
  }
}
