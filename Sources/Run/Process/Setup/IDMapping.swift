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
    if users.count == 1, users[0].size == 1, users[0].hostID == geteuid(), groups.count == 1, groups[0].size == 1,
      groups[0].hostID == getegid()
    {
      try write("deny", "setgroups", of: pid)
      try write(groups, "gid_map", of: pid)
      try write(users, "uid_map", of: pid)
      return
    }
    try runHelper("newgidmap", groups, pid)
    try runHelper("newuidmap", users, pid)
  }

  private static func write(_ mappings: [LinuxIDMapping], _ file: String, of pid: pid_t) throws {
    let text = mappings.map { "\($0.containerID) \($0.hostID) \($0.size)\n" }.joined()
    try write(text, file, of: pid)
  }

  private static func write(_ text: String, _ file: String, of pid: pid_t) throws {
    let proc = try ProcFS.mounted()
    try attempt("write \"\(text.filter { $0 != "\n" })\" to /proc/\(pid)/\(file)", .user) { () throws(Errno) in
      let file = try proc.open("\(pid)/\(file)", flags: O_WRONLY)
      try writeAll(file.number, Array(text.utf8))
    }
  }

  private static func runHelper(_ name: String, _ mappings: [LinuxIDMapping], _ pid: pid_t) throws {
    guard
      let path = ["/usr/bin", "/bin", "/usr/local/bin"].map({ "\($0)/\(name)" })
        .first(where: { (path: String) in access(path, X_OK) == 0 })
    else {
      throw RuntimeError.unsupported(
        "a user namespace with ranges of IDs for an unprivileged user",
        reason: "\(name) is not installed (Debian: uidmap)")
    }
    let arguments = ["\(pid)"] + mappings.flatMap { ["\($0.containerID)", "\($0.hostID)", "\($0.size)"] }
    let child = try attempt("start \(path)") { () throws(Errno) in try Spawn(FilePath(path), arguments).start() }
    let status = try attempt("wait for \(path)") { () throws(Errno) in try waitForProcess(child) }
    guard status == .exited(0) else {
      throw RuntimeError.start(
        StartFailure(kind: .user, message: "\(path) ended with \(status.code): see /etc/subuid and /etc/subgid"))
    }
  }

  /// A user namespace that exists only as the carrier of mappings, for mounts. (mount_setattr(2), MOUNT_ATTR_IDMAP)
  static func namespace(users: [LinuxIDMapping], groups: [LinuxIDMapping]) throws -> OwnedDescriptor {
    let outcome = try attempt("make a user namespace") { () throws(Errno) in try Cloning.clone(.user) }
    guard case .parent(let pid) = outcome else {
      while true { pause() }
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
