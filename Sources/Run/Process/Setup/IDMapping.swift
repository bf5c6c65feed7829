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
    try MappingProgram(name: "newgidmap", file: "/etc/subgid", own: geteuid()).run(groups, pid)
    try MappingProgram(name: "newuidmap", file: "/etc/subuid", own: geteuid()).run(users, pid)
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
  let name: String
  /// Whose lines are `user:first:count`.
  let file: String
  /// The caller's own ID, for the message.
  let own: UInt32

  func run(_ mappings: [LinuxIDMapping], _ pid: pid_t) throws {
    let path = try find()
    let arguments = ["\(pid)"] + mappings.flatMap { ["\($0.containerID)", "\($0.hostID)", "\($0.size)"] }
    let run: CapturedRun
    do { run = try Spawn(FilePath(path), arguments).capture(limit: 64 << 10, milliseconds: 60_000) } catch {
      throw failure("\(error)")
    }
    guard run.status == .exited(0) else {
      let said = String(decoding: run.errorOutput, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
      let ranges = mappings.map { "\($0.hostID):\($0.size)" }.joined(separator: ", ")
      throw failure(
        "\(path) did not map \(ranges)\(said.isEmpty ? "" : ": \(said)"): \(advice(path, said))")
    }
  }

  private func failure(_ message: String) -> RuntimeError { .start(StartFailure(kind: .user, message: message)) }

  private func find() throws -> String {
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
  private func advice(_ path: String, _ said: String) -> String {
    if Privileges.hasRenouncedNewPrivileges { return "it cannot get its rights from a caller with no_new_privs" }
    var status = stat()
    let isTrusted = stat(path, &status) == 0 && status.st_mode & S_ISUID != 0 && status.st_uid == 0
    if !isTrusted, !hasCapabilities(path) {
      return "it has neither the set-user-ID bit nor file capabilities (chmod u+s \(path), or setcap)"
    }
    var mount = statvfs()
    if statvfs(path, &mount) == 0, mount.f_flag & UInt(ST_NOSUID) != 0 {
      return "it lies on a mount with nosuid, where it has no rights"
    }
    return "\(file) must give these IDs to user \(own) (a line user:first:count)"
  }
  private func hasCapabilities(_ path: String) -> Bool {
    guard let file = try? openat2(workingDirectory, path, flags: O_RDONLY) else { return false }
    return (try? extendedAttribute(file.number, "security.capability")) ?? nil != nil
  }
}
