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
    let joined = lower.map { escaped($0) }.joined(separator: ":")
    if joined.utf8.count <= stringLimit {
      try set(context.number, "lowerdir", joined)
    } else {
      do throws(Errno) {
        for directory in lower { try set(context.number, "lowerdir+", directory.string) }
      } catch {
        // Before Linux 6.7.
        guard error == .invalidArgument else { throw error }
        return try overlayByMount(lower: lower, upper: upper, work: work)
      }
    }
    if let upper, let work {
      guard upper.string.utf8.count <= stringLimit, work.string.utf8.count <= stringLimit else {
        return try overlayByMount(lower: lower, upper: upper, work: work)
      }
      try set(context.number, "upperdir", upper.string)
      try set(context.number, "workdir", work.string)
    }
    // A redirect would make a layer's archive depend on the layers below it.
    if geteuid() == 0 {
      try set(context.number, "redirect_dir", "off")
    } else {
      // It redirects nothing, and takes no word about it.
      try Errno.check(kernel_fsconfig(context.number, 0 /* FSCONFIG_SET_FLAG */, "userxattr", nil, 0))
    }
    try set(context.number, "index", "off")
    try Errno.check(kernel_fsconfig(context.number, 6 /* FSCONFIG_CMD_CREATE */, nil, nil, 0))
    let attributes: UInt32 = upper == nil ? 1 /* MOUNT_ATTR_RDONLY */ : 0
    return OwnedDescriptor(try Errno.check(kernel_fsmount(context.number, 1 /* FSMOUNT_CLOEXEC */, attributes)))
  }

  /// Bytes of a string that fsconfig takes.
  private static let stringLimit = 255

  /// Colons separate directories, a backslash escapes both.
  private static func escaped(_ path: FilePath) -> String {
    String(path.string.flatMap { $0 == ":" || $0 == "\\" ? "\\\($0)" : "\($0)" })
  }

  /// The same by mount(2), in a mount namespace of a thread's own, of which only the copy of the mount is left.
  private static func overlayByMount(lower: [FilePath], upper: FilePath?, work: FilePath?) throws(Errno)
    -> OwnedDescriptor
  {
    let number = try NetworkNamespace.onThread { () throws(Errno) -> CInt in
      try Namespaces.unshare(.mount)
      try Mounts.propagate("/", .private, recursive: true)
      // Names relative to the directory that most are in: all of them must fit a page.
      let common = lower[0].removingLastComponent().removingLastComponent()
      try Errno.check(chdir(common.string))
      func name(_ path: FilePath) -> String {
        var path = path
        _ = path.removePrefix(common)
        return escaped(path)
      }
      var data = "lowerdir=\(lower.map(name).joined(separator: ":")),index=off"
      if let upper, let work { data += ",upperdir=\(name(upper)),workdir=\(name(work))" }
      data += geteuid() == 0 ? ",redirect_dir=off" : ",userxattr"
      guard data.utf8.count < 4096 else { throw .argListTooLong }
      let place = lower[0].string
      try Mounts.mount(
        "overlay", source: "overlay", on: place, flags: upper == nil ? 1 /* MS_RDONLY */ : 0, data: data)
      return try Errno.check(
        kernel_open_tree(workingDirectory, place, UInt32(bitPattern: 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC)))
    }
    return OwnedDescriptor(number)
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
