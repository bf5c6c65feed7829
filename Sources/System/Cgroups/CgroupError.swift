import Glibc
public import SystemPackage

public enum CgroupError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A limit was asked for, and its controller is not in the cgroup v2 tree.
  case controllerMissing(String, limit: String, reason: MissingReason)
  case file(FilePath, doing: String, Errno)
  case noTree(limit: String)
  case devicesRefused(Errno)
  case invalid(String)

  public enum MissingReason: Hashable, Sendable {
    /// The host has the controller in a hierarchy of version 1.
    case versionOne
    /// The parent does not hand it down.
    case notDelegated(FilePath)
    /// The kernel did not let this cgroup hand it down.
    case refused(FilePath, Errno)
  }

  /// There is no right to the tree, as for an unprivileged user, or it is mounted read-only.
  public var isRefusal: Bool {
    guard case .file(_, _, let error) = self else { return false }
    return [.permissionDenied, .notPermitted, .readOnlyFileSystem].contains(error)
  }

  public var description: String {
    switch self {
    case .controllerMissing(let controller, let limit, .versionOne):
      "cannot limit \(limit): the host's \(controller) controller is not in the cgroup v2 tree "
        + "(cgroup v1 is not supported); boot with systemd.unified_cgroup_hierarchy=1, or leave the limit out"
    case .controllerMissing(let controller, let limit, .notDelegated(let path)):
      "cannot limit \(limit): \(path) does not delegate the \(controller) controller (cgroup.controllers); "
        + "delegate it, or leave the limit out"
    case .controllerMissing(let controller, let limit, .refused(let path, let error)):
      "cannot limit \(limit): \(path) cannot hand the \(controller) controller down (cgroup.subtree_control): "
        + Self.reason(error)
    case .file(let path, let doing, let error): "cannot \(doing) \(path): \(error)"
    case .noTree(let limit):
      "cannot limit \(limit): no cgroup v2 tree is mounted on this host; "
        + "mount one on /sys/fs/cgroup, or leave the limit out"
    case .devicesRefused(let error): "cannot restrict devices by a BPF program on the cgroup: \(error)"
    case .invalid(let message): message
    }
  }

  /// What the kernel means. (Documentation/admin-guide/cgroup-v2.rst, No Internal Process Constraint, Threads)
  private static func reason(_ error: Errno) -> String {
    switch error {
    case .resourceBusy: "it holds processes itself; move them into one below it"
    case Errno(rawValue: EOPNOTSUPP): "it is threaded, and this controller is for whole processes"
    case .permissionDenied, .notPermitted, .readOnlyFileSystem:
      "\(error); this user has no right to it: have the controller delegated, or leave the limit out"
    default: "\(error)"
    }
  }
}
