import Cgroups
import Glibc
import Kernel
import SystemPackage

/// The part of the cgroup tree that was handed to a user without rights to the rest.
/// (Documentation/admin-guide/cgroup-v2.rst, Delegation)
enum Delegation {
  static let advice =
    "a user without rights to the tree needs a part of it: start the runtime in a delegated cgroup, as "
    + "`systemd-run --user --scope -p Delegate=yes` makes one, or leave linux.resources out"

  /// Where the caller may make cgroups: beside its own, which holds processes and could hand no controllers down (as
  /// runc), else below its own. nil: nowhere.
  static func place(_ tree: CgroupTree) -> String? {
    guard let own = tree.cgroup(of: getpid()), !own.path.components.contains("..") else { return nil }
    let above = Cgroup(tree: tree, path: own.path.removingLastComponent())
    // Above the mount there is no cgroup.
    return (own.path == tree.mount ? [own] : [above, own]).first(where: isWritable)?.name
  }

  private static func isWritable(_ cgroup: Cgroup) -> Bool {
    access(cgroup.path.string, W_OK | X_OK) == 0 && access(cgroup.path.appending("cgroup.procs").string, W_OK) == 0
  }

  /// The file of the first cgroup above the caller's and this one, where the caller may not write to it: no process can
  /// be moved from the one to the other.
  static func obstacle(to cgroup: Cgroup) -> FilePath? {
    guard let own = cgroup.tree.cgroup(of: getpid()) else { return nil }
    var common = cgroup.path
    while !own.path.starts(with: common), common != cgroup.tree.mount { common = common.removingLastComponent() }
    let file = common.appending("cgroup.procs")
    return access(file.string, W_OK) == 0 ? nil : file
  }
}
