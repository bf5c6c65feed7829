import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Steps that a new container's first process and one that `exec` brings in share.
enum IdentityChange {
  /// In a user namespace that has been joined or mapped: its root, with all capabilities over it. In one without a
  /// root it is the process's own user, who has them as well until execve.
  static func becomeRootOfNamespace(_ linux: LinuxConfig?, _ user: ContainerUser?) throws {
    let uid = number(0, in: linux?.uidMappings, else: user?.uid)
    let gid = number(0, in: linux?.gidMappings, else: user?.gid)
    try attempt("become \(uid):\(gid) in the user namespace", .user) { () throws(Errno) in
      // Where setgroups is switched off, the groups that came along stay.
      do throws(Errno) { try Privileges.setGroups([]) } catch { guard error == .notPermitted else { throw error } }
      // A change from root to another user would take the effective capabilities.
      if uid != 0 { try Privileges.keepCapabilitiesOverUserChange(true) }
      try Privileges.become(user: uid, group: gid, groups: nil)
      guard uid != 0 else { return }
      try Privileges.keepCapabilitiesOverUserChange(false)
      let sets = try Privileges.capabilities()
      try Privileges.setCapabilities(
        ThreadCapabilities(effective: sets.permitted, permitted: sets.permitted, inheritable: sets.inheritable))
    }
    try attempt("hide this process from the others") { () throws(Errno) in try Privileges.setDumpable(false) }
  }

  private static func number(_ root: UInt32, in mappings: [LinuxIDMapping]?, else own: UInt32?) -> UInt32 {
    guard let mappings, !mappings.isEmpty, !mappings.contains(where: { $0.containerID == root }) else { return root }
    return own ?? mappings[0].containerID
  }

  /// Puts standard input, output and error in their places, owned by the user where they belong to this container
  /// alone.
  static func setStreams(_ streams: (CInt, CInt, CInt)?, _ console: Console?, _ user: ContainerUser) throws {
    if let console {
      try console.takeOver(user: user)
      return
    }
    if let (input, output, error) = streams {
      try attempt("set standard input, output and error") { () throws(Errno) in
        for (source, target) in [(input, CInt(0)), (output, 1), (error, 2)] { try Errno.check(dup2(source, target)) }
      }
    }
    guard user.uid != 0 else { return }
    for number in CInt(0)...2 {
      // So that the program can open /dev/stdout again. Only pipes and sockets: a terminal or a file is somebody
      // else's.
      // A stream that the caller had closed is none to give away.
      guard let status = try? status(of: number), [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT),
        status.st_uid != user.uid
      else {
        continue
      }
      if fchown(number, user.uid, gid_t.max) != 0,
        ![.notPermitted, .invalidArgument, .readOnlyFileSystem].contains(Errno.current)
      {
        throw RuntimeError.call(doing: "give descriptor \(number) to user \(user.uid)", Errno.current, .user)
      }
    }
  }
}

/// AppArmor and SELinux labels of the next execve.
enum SecurityLabels {
  static func set(_ process: ContainerProcess) throws {
    let profile = process.apparmorProfile.flatMap {
      $0.isEmpty || $0 == "unconfined" && !BundleCheck.hasAppArmor ? nil : $0
    }
    let label = process.selinuxLabel.flatMap { $0.isEmpty ? nil : $0 }
    guard profile != nil || label != nil else { return }
    // Not through the container's /proc. (CVE-2019-16884, CVE-2025-52881)
    let proc = try ProcFS.own(onlyProcesses: true)
    if let profile { try setProfile(profile, proc) }
    if let label {
      try attempt("set the SELinux label \(label)") { () throws(Errno) in
        let file = try proc.openSelf("attr/exec", flags: O_WRONLY)
        try writeAll(file.number, Array(label.utf8))
      }
    }
  }

  private static func setProfile(_ profile: String, _ proc: ProcFS) throws {
    let file = try attempt("set the AppArmor profile \(profile)") { () throws(Errno) in
      do throws(Errno) { return try proc.openSelf("attr/apparmor/exec", flags: O_WRONLY) } catch {
        // Before Linux 5.8 the modules share one file.
        guard error == .noSuchFileOrDirectory else { throw error }
        return try proc.openSelf("attr/exec", flags: O_WRONLY)
      }
    }
    do throws(Errno) { try writeAll(file.number, Array("exec \(profile)".utf8)) } catch {
      guard error == .noSuchFileOrDirectory else {
        throw RuntimeError.call(doing: "set the AppArmor profile \(profile)", error, .other)
      }
      throw RuntimeError.configuration(
        property: "process.apparmorProfile",
        problem: "is \(profile), which is not loaded on this host: load it by apparmor_parser")
    }
  }
}

enum Signals {
  /// As a fresh process has them: a parent's ignored or blocked signals are not the program's.
  static func reset() {
    var none = sigset_t()
    sigemptyset(&none)
    sigprocmask(SIG_SETMASK, &none, nil)
    for number in CInt(1)..<65 where number != SIGKILL && number != SIGSTOP { signal(number, SIG_DFL) }
  }

  static func block(_ numbers: [CInt]) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    sigprocmask(SIG_BLOCK, &set, nil)
  }
}
