internal import CKernel
import Glibc
public import SystemPackage

/// Attributes of one mount. (mount_setattr(2), MOUNT_ATTR_…)
public struct MountAttributes: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let readOnly = MountAttributes(rawValue: 0x01)
  public static let noSetID = MountAttributes(rawValue: 0x02)
  public static let noDevices = MountAttributes(rawValue: 0x04)
  public static let noExecute = MountAttributes(rawValue: 0x08)
  /// The mask of the three times' settings: to be cleared when one of them is set.
  public static let timeMask = MountAttributes(rawValue: 0x70)
  public static let noAccessTime = MountAttributes(rawValue: 0x10)
  public static let strictAccessTime = MountAttributes(rawValue: 0x20)
  public static let noDirectoryTime = MountAttributes(rawValue: 0x80)
  public static let idMapped = MountAttributes(rawValue: 0x10_0000)
  public static let noSymlinks = MountAttributes(rawValue: 0x20_0000)
}

/// How mounts and unmounts reach other copies of a tree. (mount_namespaces(7))
public enum MountPropagation: UInt64, Sendable {
  case unbindable = 0x2_0000
  case `private` = 0x4_0000
  case slave = 0x8_0000
  case shared = 0x10_0000
}

/// The mount calls of Linux 5.2 and later: everything is a descriptor, no path is walked twice.
public enum Mounts {
  /// A file system in the making. (fsopen(2))
  public static func begin(_ type: String) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(kernel_fsopen(type, 1 /* FSOPEN_CLOEXEC */)))
  }

  /// Sets `key=value`; a value of more than 255 bytes is EINVAL. (fsconfig(2), FSCONFIG_SET_STRING)
  public static func set(_ context: CInt, _ key: String, _ value: String) throws(Errno) {
    let result = value.withCString { kernel_fsconfig(context, 1, key, $0, 0) }
    try Errno.check(result)
  }

  /// Sets an option without a value. (fsconfig(2), FSCONFIG_SET_FLAG)
  public static func set(_ context: CInt, flag: String) throws(Errno) {
    try Errno.check(kernel_fsconfig(context, 0, flag, nil, 0))
  }

  /// Makes the file system and a mount of it that is attached nowhere. (FSCONFIG_CMD_CREATE, fsmount(2))
  public static func finish(_ context: CInt, _ attributes: MountAttributes) throws(Errno) -> OwnedDescriptor {
    try Errno.check(kernel_fsconfig(context, 6, nil, nil, 0))
    return OwnedDescriptor(
      try Errno.check(
        kernel_fsmount(context, 1 /* FSMOUNT_CLOEXEC */, UInt32(truncatingIfNeeded: attributes.rawValue))))
  }

  /// The file system that a mount is of, to be changed by `set` and `reconfigure`. (fspick(2))
  public static func pick(_ mount: CInt) throws(Errno) -> OwnedDescriptor {
    // FSPICK_CLOEXEC, FSPICK_EMPTY_PATH
    OwnedDescriptor(try Errno.check(kernel_fspick(mount, "", 1 | 8)))
  }

  /// (fsconfig(2), FSCONFIG_CMD_RECONFIGURE)
  public static func reconfigure(_ context: CInt) throws(Errno) {
    try Errno.check(kernel_fsconfig(context, 7, nil, nil, 0))
  }

  /// What the kernel says in words about the last failure on a context: `e overlay: …`; empty where it says nothing.
  public static func messages(_ context: CInt) -> String {
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 1024)
    while true {
      let count = read(context, &buffer, buffer.count)
      guard count > 0 else { return text }
      if !text.isEmpty { text += "; " }
      text += String(
        decoding: buffer[..<count].drop { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: " ") }, as: UTF8.self
      )
      .filter { $0 != "\n" }
    }
  }

  /// A copy of the mount at `path` that is attached nowhere, with what is mounted below it where `recursive`.
  /// (open_tree(2), OPEN_TREE_CLONE) An empty path is the descriptor itself.
  public static func copy(_ directory: CInt, _ path: String = "", recursive: Bool) throws(Errno) -> OwnedDescriptor {
    var flags = UInt32(1 /* OPEN_TREE_CLONE */) | UInt32(bitPattern: O_CLOEXEC)
    if recursive { flags |= 0x8000 /* AT_RECURSIVE */ }
    if path.isEmpty { flags |= 0x1000 /* AT_EMPTY_PATH */ }
    return OwnedDescriptor(try Errno.check(kernel_open_tree(directory, path, flags)))
  }

  /// Attaches a detached mount on the place that `target` is open at. (move_mount(2))
  public static func attach(_ mount: CInt, to target: CInt) throws(Errno) {
    // MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
    try Errno.check(kernel_move_mount(mount, "", target, "", 0x04 | 0x40))
  }

  /// Changes attributes of the mount that a descriptor is at the root of. (mount_setattr(2))
  public static func change(
    _ mount: CInt, set: MountAttributes = [], clear: MountAttributes = [], propagation: MountPropagation? = nil,
    recursive: Bool = false, userNamespace: CInt? = nil
  ) throws(Errno) {
    try Errno.check(
      kernel_mount_setattr(
        mount, "", 0x1000 | (recursive ? 0x8000 : 0), set.rawValue, clear.rawValue, propagation?.rawValue ?? 0,
        userNamespace ?? 0))
  }

  /// Changes how the whole tree of mounts below `path` propagates.
  public static func propagate(_ path: String, _ propagation: MountPropagation, recursive: Bool) throws(Errno) {
    try Errno.check(
      Glibc.mount("", path, "", UInt(propagation.rawValue) | (recursive ? 0x4000 /* MS_REC */ : 0), nil))
  }

  /// mount(2), for what fsconfig's short strings cannot say.
  public static func mount(
    _ type: String, source: String, on target: String, flags: UInt = 0, data: String
  ) throws(Errno) {
    try Errno.check(Glibc.mount(source, target, type, flags, data))
  }

  /// Makes the working directory, the root of a mount, this mount namespace's root, and lets the old one go with all
  /// that is mounted below it. (pivot_root(2), "pivot_root(".", ".")") That must be slaves or private: unmounting shared
  /// mounts would take them from others as well.
  public static func pivotToWorkingDirectory() throws(Errno) {
    try Errno.check(kernel_pivot_root(".", "."))
    // The old root lies on the new one now, and is what umount finds at "."; a call that does not cross mounts at the
    // end of a path would find the new one.
    try Errno.check(umount2(".", 2 /* MNT_DETACH */))
    try Errno.check(Glibc.chdir("/"))
  }

  /// Makes the working directory this process's root. The mount namespace keeps its own. (chroot(2))
  public static func enterWorkingDirectory() throws(Errno) {
    try Errno.check(chroot("."))
    try Errno.check(Glibc.chdir("/"))
  }

  public static func detach(_ path: String) throws(Errno) {
    try Errno.check(umount2(path, 2 /* MNT_DETACH */))
  }

  /// Type of the file system that a descriptor is on. (statfs(2), f_type)
  public static func fileSystemType(_ descriptor: CInt) throws(Errno) -> Int {
    var status = statfs()
    try Errno.check(fstatfs(descriptor, &status))
    return status.f_type
  }

  /// Attributes of the mount that a descriptor is on, without those for times. (statfs(2), ST_…)
  public static func attributes(_ descriptor: CInt) throws(Errno) -> MountAttributes {
    var status = statfs()
    try Errno.check(fstatfs(descriptor, &status))
    // The first four flags have the same bits.
    return MountAttributes(rawValue: UInt64(truncatingIfNeeded: status.f_flags) & 0x0f)
  }

  /// Whether the mount that a descriptor is on is read-only. (statfs(2), ST_RDONLY)
  public static func isReadOnly(_ descriptor: CInt) throws(Errno) -> Bool {
    var status = statfs()
    try Errno.check(fstatfs(descriptor, &status))
    return status.f_flags & 1 != 0
  }

  public static let procFileSystem = 0x9fa0
  public static let cgroup2FileSystem = 0x6367_7270
  public static let devptsFileSystem = 0x1cd1
  public static let sysFileSystem = 0x6265_6572
  public static let messageQueueFileSystem = 0x1980_0202
}
