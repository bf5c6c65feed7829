import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Turns the calling process, inside the container's namespaces and root, into the one that `process` describes. The
/// order is the kernel's: what needs rights comes before they are given up, the system call filter comes last.
struct ProcessSetup {
  let process: ContainerProcess
  let seccomp: SeccompProgram?
  let ownProgram: OpenFile
  /// Clipper's init goes in front of the program.
  let usesInit: Bool
  /// Descriptors from 3 on that the program gets.
  let preserved: CInt
  let diesWithParent: Bool

  private var environment: [String]
  private var finalSets: ThreadCapabilities?

  init(
    process: ContainerProcess, seccomp: SeccompProgram?, ownProgram: OpenFile, usesInit: Bool, preserved: CInt,
    diesWithParent: Bool
  ) {
    self.process = process
    self.seccomp = seccomp
    self.ownProgram = ownProgram
    self.usesInit = usesInit
    self.preserved = preserved
    self.diesWithParent = diesWithParent
    environment = process.env ?? []
  }

  /// Closes what the process was born with, before anything that the container has a say in is looked up: a working
  /// directory, a program or a file of users below /proc/self/fd/N would lead through a directory of the host's, and
  /// close-on-exec comes too late, after execve has walked the path. (CVE-2024-21626)
  ///
  /// - Parameter kept: what is needed until execve, beside the program's own.
  func closeOthers(keeping kept: [CInt]) throws {
    try attempt("close what the program must not have") { () throws(Errno) in
      try Execution.close(from: 3 + preserved, keeping: kept + [ownProgram.number])
    }
  }

  /// Before the rights go: limits, scheduling, user and capabilities, directory.
  ///
  /// - Returns: the program's file.
  mutating func run(_ channel: SetupChannel) throws -> String {
    try setLimits()
    try ProcessScheduling.set(process)
    if process.noNewPrivileges == true {
      try attempt("set no_new_privs") { () throws(Errno) in try Privileges.renounceNewPrivileges() }
    }
    completeEnvironment()
    // As root first: a directory of another user; after that once more as the user, whom NFS may let in where not root.
    let entered = try enterDirectory(again: false)
    try becomeUser(channel)
    if !entered { _ = try enterDirectory(again: true) }
    try checkDirectory()
    if diesWithParent {
      // A change of user forgets the signal: it is asked for after it.
      try attempt("ask for a signal when the parent ends") { () throws(Errno) in
        try Privileges.setParentDeathSignal(SIGKILL)
      }
    }
    let name = process.args?.first ?? ""
    return try Program.find(name, environment: environment, own: ownProgram.number)
  }

  /// The last steps. Returns only by failing.
  func execute(_ program: String, _ channel: SetupChannel) throws -> RuntimeError {
    umask(mode_t(process.user.umask ?? 0o022))
    // What was kept until here, the runtime's own program included, ends here. (CVE-2019-5736, CVE-2024-21626)
    try attempt("close what the program must not have") { () throws(Errno) in
      try Execution.closeOnExecute(from: 3 + preserved)
      for number in 3..<(3 + preserved) { try Errno.check(fcntl(number, F_SETFD, 0)) }
    }
    let arguments = process.args ?? []
    try channel.send(.executing)
    try loadFilter(channel)
    if usesInit {
      let error = Execution.execute(
        descriptor: ownProgram.number, ["clipper-init", "init", program] + arguments, environment: environment)
      return Program.failure(arguments.first ?? "", error)
    }
    return Program.failure(arguments.first ?? "", Execution.execute(program, arguments, environment: environment))
  }

  private func loadFilter(_ channel: SetupChannel) throws {
    if let seccomp {
      let listener = try attempt("load the seccomp filter", .seccomp) { () throws(Errno) in try seccomp.load() }
      if listener > 0 {
        try channel.send(.seccompListener, descriptors: [listener])
        close(listener)
      }
    }
    if let finalSets {
      try attempt("give up capabilities") { () throws(Errno) in try Privileges.setCapabilities(finalSets) }
    }
  }

  private mutating func completeEnvironment() {
    // Of several values the last one holds; getenv(3) of the program would find the first.
    var seen: Set<Substring> = []
    environment = Array(environment.reversed().filter { seen.insert($0.prefix { $0 != "=" }).inserted }.reversed())
    if !environment.contains(where: { $0.hasPrefix("HOME=") }) {
      environment.append("HOME=\(Program.home(of: process.user.uid) ?? "/")")
    }
    if process.terminal == true, !environment.contains(where: { $0.hasPrefix("TERM=") }) {
      environment.append("TERM=xterm")
    }
    environment += InheritedDescriptors.listeningEnvironment()
  }

  private func setLimits() throws {
    for limit in process.rlimits ?? [] {
      guard let number = Names.resourceLimit(limit.type) else { continue }
      var value = rlimit(rlim_cur: rlim_t(limit.soft), rlim_max: rlim_t(limit.hard))
      guard setrlimit(__rlimit_resource_t(UInt32(number)), &value) != 0 else { continue }
      let error = Errno.current
      var now = rlimit()
      getrlimit(__rlimit_resource_t(UInt32(number)), &now)
      let reason =
        error == .notPermitted && limit.hard > UInt64(now.rlim_max)
        ? " (raising the hard limit above \(now.rlim_max) takes CAP_SYS_RESOURCE on the host)" : ""
      throw RuntimeError.call(doing: "set \(limit.type) to \(limit.soft):\(limit.hard)\(reason)", error, .resources)
    }
  }

  /// false: not allowed yet, try again as the user.
  private func enterDirectory(again: Bool) throws -> Bool {
    if chdir(process.cwd) == 0 { return true }
    let error = Errno.current
    if !again, error == .permissionDenied || error == .notPermitted { return false }
    throw RuntimeError.call(doing: "enter the working directory \(process.cwd)", error, .workingDirectory)
  }

  /// A working directory outside of the root would be a way out: of a descriptor that leaked, for one. (CVE-2024-21626)
  private func checkDirectory() throws {
    let here: String
    do throws(Errno) { here = try Execution.workingDirectoryPath() } catch {
      throw RuntimeError.call(doing: "find the working directory \(process.cwd)", error, .workingDirectory)
    }
    guard here.hasPrefix("/") else {
      throw RuntimeError.start(
        StartFailure(
          kind: .workingDirectory, message: "the working directory \(process.cwd) is outside of the container's root"))
    }
  }

  private mutating func becomeUser(_ channel: SetupChannel) throws {
    let user = process.user
    let before = try attempt("read capabilities") { () throws(Errno) in try Privileges.capabilities() }
    let plan = try CapabilityPlan(
      process.capabilities, available: before.permitted, warn: { try channel.send(.warning($0)) })
    try attempt("limit the bounding set of capabilities") { () throws(Errno) in
      try Privileges.limitBoundingSet(to: plan.bounding)
      try Privileges.keepCapabilitiesOverUserChange(true)
    }
    try setGroups(user.additionalGids ?? [], mayChange: before.effective.contains(.setGID))
    do throws(Errno) { try Privileges.become(user: user.uid, group: user.gid, groups: nil) } catch {
      let reason = error == .invalidArgument ? " (the user namespace of the container does not map it)" : ""
      throw RuntimeError.call(doing: "become user \(user.uid):\(user.gid)\(reason)", error, .user)
    }
    try attempt("lose capabilities with the next change of user") { () throws(Errno) in
      try Privileges.keepCapabilitiesOverUserChange(false)
    }
    // A filter without no_new_privs takes CAP_SYS_ADMIN to load: it stays until then, permitted but nowhere else.
    let needsAdmin = seccomp != nil && process.noNewPrivileges != true
    let final = ThreadCapabilities(effective: plan.effective, permitted: plan.permitted, inheritable: plan.inheritable)
    let extra: CapabilitySet = needsAdmin ? .sysAdmin : []
    let now = ThreadCapabilities(
      effective: plan.effective.union(extra), permitted: plan.permitted.union(extra), inheritable: plan.inheritable)
    try attempt("set capabilities") { () throws(Errno) in
      try Privileges.setCapabilities(now)
      try Privileges.setAmbient(plan.ambient)
    }
    if needsAdmin { finalSets = final }
  }

  /// - Parameter mayChange: the capability is there; what the kernel refuses is then switched off for the namespace.
  private func setGroups(_ groups: [UInt32], mayChange: Bool) throws {
    do throws(Errno) { try Privileges.setGroups(groups) } catch {
      let isOff = error == .notPermitted && mayChange
      // A user who has mapped itself alone could otherwise drop a group that keeps it out of something: the groups that
      // came along stay. (user_namespaces(7), /proc/pid/setgroups)
      if isOff, groups.isEmpty { return }
      let reason =
        isOff
        ? " (setgroups is switched off where a user has mapped itself alone: map ranges of groups, or leave out "
          + "process.user.additionalGids)"
        : error == .invalidArgument ? " (the user namespace of the container does not map them all)" : ""
      let list = groups.map { "\($0)" }.joined(separator: ",")
      throw RuntimeError.call(doing: "set the groups \(list)\(reason)", error, .user)
    }
  }
}

/// The five sets, without what the runtime itself does not have. (capabilities(7))
struct CapabilityPlan {
  private(set) var bounding: CapabilitySet = []
  private(set) var effective: CapabilitySet = []
  private(set) var permitted: CapabilitySet = []
  private(set) var inheritable: CapabilitySet = []
  private(set) var ambient: CapabilitySet = []

  /// - Parameter available: permitted to the runtime; what else is asked for is left out, with a warning.
  init(_ capabilities: LinuxCapabilities?, available: CapabilitySet, warn: (String) throws -> Void) throws {
    var unknown: Set<String> = []
    var missing: Set<String> = []
    var baseless: Set<String> = []
    func set(_ names: [String]?) -> CapabilitySet {
      var set: CapabilitySet = []
      for name in names ?? [] {
        guard let capability = Names.capability(name) else {
          unknown.insert(name)
          continue
        }
        if available.contains(capability) { set.insert(capability) } else { missing.insert(name) }
      }
      return set
    }
    bounding = set(capabilities?.bounding)
    permitted = set(capabilities?.permitted)
    let wanted = (effective: set(capabilities?.effective), ambient: set(capabilities?.ambient))
    effective = wanted.effective.intersection(permitted)
    inheritable = set(capabilities?.inheritable)
    ambient = wanted.ambient.intersection(permitted).intersection(inheritable)
    baseless.formUnion(Names.capabilities(wanted.effective.subtracting(effective)))
    baseless.formUnion(Names.capabilities(wanted.ambient.subtracting(ambient)))
    if !unknown.isEmpty {
      try warn("capabilities that this runtime does not know are left out: \(unknown.sorted().joined(separator: " "))")
    }
    if !missing.isEmpty {
      try warn("capabilities that the caller does not have are left out: \(missing.sorted().joined(separator: " "))")
    }
    if !baseless.isEmpty {
      try warn(
        "effective ones that are not permitted, and ambient ones that are not permitted and inheritable, are left out: "
          + baseless.sorted().joined(separator: " "))
    }
  }
}
