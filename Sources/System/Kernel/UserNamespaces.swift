import Glibc
public import SystemPackage

/// What /proc says about the calling process's user namespace. (user_namespaces(7))
public enum UserNamespaces {
  /// Number of the file /proc/self/ns/user in the namespace that the machine began with. (PROC_USER_INIT_INO)
  private static let initial: UInt = 0xefff_fffd

  /// Whether root here is the machine's root. Where /proc is not there, it is taken to be.
  public static var isInitial: Bool {
    var status = stat()
    return stat("/proc/self/ns/user", &status) != 0 || status.st_ino == initial
  }

  /// Whether a descriptor is the namespace that this process is in.
  public static func isOwn(_ descriptor: CInt) -> Bool {
    var own = stat(), other = stat()
    return stat("/proc/self/ns/user", &own) == 0 && fstat(descriptor, &other) == 0 && own.st_ino == other.st_ino
      && own.st_dev == other.st_dev
  }

  /// Whether a group has a number outside. Where /proc is not there, it is taken to have one.
  public static func maps(group: UInt32) -> Bool {
    guard let text = try? readFile("/proc/self/gid_map", limit: 1 << 16) else { return true }
    return String(decoding: text, as: UTF8.self).split(separator: "\n").contains { line in
      let fields = line.split(separator: " ").compactMap { UInt64($0) }
      return fields.count == 3 && (fields[0]..<fields[0] + fields[2]).contains(UInt64(group))
    }
  }

  /// A setting of the kernel that explains why a namespace of a user without rights was refused; nil: none does.
  ///
  /// - Parameter settings: where the sysctls are files.
  public static func obstacle(_ error: Errno, settings: FilePath = "/proc/sys") -> String? {
    func number(_ sysctl: String) -> Int? {
      guard let text = try? readFile(settings.appending(sysctl), limit: 64) else { return nil }
      return Int(String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
    if error == .noSpace {
      let kinds = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"].map { "max_\($0)_namespaces" }
      if let none = kinds.first(where: { number("user/\($0)") == 0 }) {
        return "the sysctl user.\(none) is 0; a larger number allows them"
      }
      return "a limit is reached: see the sysctls user.max_user_namespaces and its like"
    }
    guard error == .notPermitted || error == .permissionDenied else { return nil }
    if number("kernel/unprivileged_userns_clone") == 0 {
      return "the sysctl kernel.unprivileged_userns_clone is 0; 1 allows user namespaces"
    }
    if number("kernel/apparmor_restrict_unprivileged_userns") == 1 {
      return "the sysctl kernel.apparmor_restrict_unprivileged_userns is 1: 0, or an AppArmor profile for this program "
        + "with the rule userns, allows them"
    }
    return nil
  }
}
