import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// User and group mappings of a user namespace. (user_namespaces(7))
enum IDMapping {
  /// Writes the mappings of a process that has just entered a new user namespace.
  static func write(users: [LinuxIDMapping], groups: [LinuxIDMapping], of pid: pid_t) throws {
    if geteuid() == 0 {
      try write(groups, "gid_map", of: pid)
      try write(users, "uid_map", of: pid)
      return
    }
    // An unprivileged user maps itself alone; ranges need the set-user-ID helpers and /etc/subuid.
    if isAlone(users, geteuid()), isAlone(groups, getegid()) {
      try write("deny", "setgroups", of: pid)
      try write(groups, "gid_map", of: pid)
      try write(users, "uid_map", of: pid)
      return
    }
    // Side by side: each takes a few milliseconds to look its user up.
    let paths = try (MappingProgram.find("newgidmap"), MappingProgram.find("newuidmap"))
    let forGroups = try MappingProgram(paths.0, file: "/etc/subgid", groups, of: pid)
    let forUsers = try MappingProgram(paths.1, file: "/etc/subuid", users, of: pid)
    let problem = try (forGroups.wait(), forUsers.wait())
    if let problem = problem.0 ?? problem.1 { throw problem }
  }

  private static func isAlone(_ mappings: [LinuxIDMapping], _ own: UInt32) -> Bool {
    mappings.count == 1 && mappings[0].size == 1 && mappings[0].hostID == own
  }

  private static func write(_ mappings: [LinuxIDMapping], _ file: String, of pid: pid_t) throws {
    let text = mappings.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
    try write(text, file, of: pid)
  }

  private static func write(_ text: String, _ file: String, of pid: pid_t) throws {
    let proc = try ProcFS.mounted()
    do throws(Errno) {
      let file = try proc.open("\(pid)/\(file)", flags: O_WRONLY)
      try writeAll(file.number, Array(text.utf8))
    } catch {
      let shown = text.split(separator: "\n").joined(separator: ", ")
      // Root of a user namespace can hand on only what it has been given.
      let reason =
        error == .notPermitted && file != "setgroups" && !UserNamespaces.isInitial
        ? " (host IDs must be mapped in the runtime's own user namespace: see /proc/self/\(file))" : ""
      throw RuntimeError.call(doing: "write \"\(shown)\" to /proc/\(pid)/\(file)\(reason)", error, .user)
    }
  }

  /// A user namespace that exists only as the carrier of mappings, for mounts. (mount_setattr(2), MOUNT_ATTR_IDMAP)
  static func namespace(users: [LinuxIDMapping], groups: [LinuxIDMapping]) throws -> OwnedDescriptor {
    let runtime = getpid()
    let outcome = try attempt("make a user namespace") { () throws(Errno) in try Cloning.clone(.user) }
    guard case .parent(let pid) = outcome else {
      // It never outlives the runtime, killed or not.
      do { try Privileges.setParentDeathSignal(SIGKILL) } catch { _exit(1) }
      while getppid() == runtime { pause() }
      _exit(0)
    }
    defer {
      kill(pid, SIGKILL)
      _ = try? waitForProcess(pid)
    }
    try write(users: users, groups: groups, of: pid)
    return try attempt("open the user namespace of \(pid)") { () throws(Errno) in
      try openat2(workingDirectory, "/proc/\(pid)/ns/user", flags: O_RDONLY)
    }
  }
}

/// newuidmap and newgidmap: they may map what an administrator has given a user in a file. (newuidmap(1), subuid(5))
private struct MappingProgram {
  private let path: String
  /// Whose lines are `user:first:count`.
  private let file: String
  private let mappings: [LinuxIDMapping]
  private let process: pid_t
  /// What it says.
  private let output: OpenFile

  /// Starts it.
  init(_ path: String, file: String, _ mappings: [LinuxIDMapping], of pid: pid_t) throws {
    self.path = path
    self.file = file
    self.mappings = mappings
    let memory = OpenFile(
      try attempt("make a file in memory", .user) { () throws(Errno) in try Execution.memoryFile("output") })
    output = memory
    var spawn = Spawn(
      FilePath(path), ["\(pid)"] + mappings.flatMap { ["\($0.containerID)", "\($0.hostID)", "\($0.size)"] })
    spawn.descriptors = [(memory.number, 1), (memory.number, 2)]
    process = try attempt("start \(path)", .user) { () throws(Errno) in try spawn.start() }
  }

  /// Waits for its end. nil: it has mapped them.
  func wait() throws -> RuntimeError? {
    let status = try attempt("wait for \(path)", .user) { () throws(Errno) in try waitForProcess(process) }
    if status == .exited(0) { return nil }
    lseek(output.number, 0, SEEK_SET)
    let text = (try? readAll(output.number, limit: 64 << 10)) ?? []
    let said = String(decoding: text, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
    let ranges = mappings.map { "\($0.hostID):\($0.size)" }.joined(separator: ", ")
    let message = "\(path) did not map \(ranges)\(said.isEmpty ? "" : ": \(said)"): \(advice)"
    return .start(StartFailure(kind: .user, message: message))
  }

  static func find(_ name: String) throws -> String {
    let search = getenv("PATH").map { String(cString: $0) } ?? Program.standardPath
    for directory in search.split(separator: ":") where directory.hasPrefix("/") {
      let path = "\(directory)/\(name)"
      if access(path, X_OK) == 0 { return path }
    }
    throw RuntimeError.unsupported(
      "a user namespace with ranges of IDs for an unprivileged user",
      reason: "\(name) is not in PATH (Debian: uidmap, Fedora: shadow-utils); without it a user maps itself alone")
  }

  /// What most likely is to be done.
  private var advice: String {
    if Privileges.hasRenouncedNewPrivileges { return "it cannot get its rights from a caller with no_new_privs" }
    var status = stat()
    let isTrusted = stat(path, &status) == 0 && status.st_mode & S_ISUID != 0 && status.st_uid == 0
    if !isTrusted, !hasCapabilities {
      return "it has neither the set-user-ID bit nor file capabilities (chmod u+s \(path), or setcap)"
    }
    var mount = statvfs()
    if statvfs(path, &mount) == 0, mount.f_flag & UInt(ST_NOSUID) != 0 {
      return "it lies on a mount with nosuid, where it has no rights"
    }
    return "\(file) must give these IDs to user \(geteuid()) (a line user:first:count)"
  }
  private var hasCapabilities: Bool {
    guard let file = try? openat2(workingDirectory, path, flags: O_RDONLY) else { return false }
    return (try? extendedAttribute(file.number, "security.capability")) ?? nil != nil
  }
}
