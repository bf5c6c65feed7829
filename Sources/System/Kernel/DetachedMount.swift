internal import CKernel
import Glibc
public import SystemPackage

/// Mounts that are attached nowhere: reached by their descriptor only, and gone with it. (fsmount(2), open_tree(2))
public enum DetachedMount {
  /// An overlay of directories, topmost first, read-only without an upper directory. (overlayfs, Documentation/filesystems)
  ///
  /// - Parameter lower: at least two without an upper directory, else at least one.
  public static func overlay(
    lower: [FilePath], upper: FilePath? = nil, work: FilePath? = nil
  ) throws(Errno) -> OwnedDescriptor {
    let context = OwnedDescriptor(try Errno.check(kernel_fsopen("overlay", 1 /* FSOPEN_CLOEXEC */)))
    try set(context.number, "source", "overlay")
    // Colons separate directories, a backslash escapes both.
    let joined = lower.map { $0.string.flatMap { $0 == ":" || $0 == "\\" ? "\\\($0)" : "\($0)" } }.map { String($0) }
    try set(context.number, "lowerdir", joined.joined(separator: ":"))
    if let upper, let work {
      try set(context.number, "upperdir", upper.string)
      try set(context.number, "workdir", work.string)
    }
    // A redirect would make a layer's archive depend on the layers below it.
    try set(context.number, "redirect_dir", "off")
    try set(context.number, "index", "off")
    if geteuid() != 0 { try Errno.check(kernel_fsconfig(context.number, 0 /* FSCONFIG_SET_FLAG */, "userxattr", nil, 0)) }
    try Errno.check(kernel_fsconfig(context.number, 6 /* FSCONFIG_CMD_CREATE */, nil, nil, 0))
    let attributes: UInt32 = upper == nil ? 1 /* MOUNT_ATTR_RDONLY */ : 0
    return OwnedDescriptor(try Errno.check(kernel_fsmount(context.number, 1 /* FSMOUNT_CLOEXEC */, attributes)))
  }

  /// A read-only bind of a directory.
  public static func readOnly(_ directory: FilePath) throws(Errno) -> OwnedDescriptor {
    let tree = OwnedDescriptor(
      try Errno.check(
        kernel_open_tree(workingDirectory, directory.string, UInt32(bitPattern: 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC))))
    try Errno.check(kernel_mount_setattr(tree.number, "", UInt32(emptyPath), 1 /* MOUNT_ATTR_RDONLY */, 0, 0, -1))
    return tree
  }

  private static func set(_ context: CInt, _ key: String, _ value: String) throws(Errno) {
    let result = value.withCString { kernel_fsconfig(context, 1 /* FSCONFIG_SET_STRING */, key, $0, 0) }
    try Errno.check(result)
  }
}
