internal import CKernel
import Glibc
public import SystemPackage

/// Kinds of namespaces, as the CLONE_NEW… flags of clone(2).
public struct NamespaceSet: OptionSet, Hashable, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let time = NamespaceSet(rawValue: 0x80)
  public static let mount = NamespaceSet(rawValue: 0x0002_0000)
  public static let cgroup = NamespaceSet(rawValue: 0x0200_0000)
  public static let uts = NamespaceSet(rawValue: 0x0400_0000)
  public static let ipc = NamespaceSet(rawValue: 0x0800_0000)
  public static let user = NamespaceSet(rawValue: 0x1000_0000)
  public static let pid = NamespaceSet(rawValue: 0x2000_0000)
  public static let network = NamespaceSet(rawValue: 0x4000_0000)
}

/// Namespaces of the calling thread. A process that has one thread only calls these.
public enum Namespaces {
  /// Leaves the current namespaces for new ones. (unshare(2))
  public static func unshare(_ kinds: NamespaceSet) throws(Errno) {
    try Errno.check(kernel_unshare(CInt(truncatingIfNeeded: kinds.rawValue)))
  }

  /// Enters a namespace by its descriptor, or several of a process by its pidfd. (setns(2))
  public static func join(_ descriptor: CInt, _ kinds: NamespaceSet) throws(Errno) {
    try Errno.check(kernel_setns(descriptor, CInt(truncatingIfNeeded: kinds.rawValue)))
  }

  /// The kind of the namespace that a descriptor is open at; ENOTTY for any other file. (ioctl_nsfs(2), NS_GET_NSTYPE)
  public static func kind(of descriptor: CInt) throws(Errno) -> NamespaceSet {
    NamespaceSet(rawValue: UInt64(UInt32(bitPattern: try Errno.check(kernel_namespace_type(descriptor)))))
  }
}

/// Process copies that begin in new namespaces.
public enum Cloning {
  public enum Outcome: Sendable {
    case child
    /// The new process's ID as the caller sees it.
    case parent(Int32)
  }

  /// Copies the process. Unlike `clone` this works under Docker's seccomp profile, which hides clone3(2). (fork(2))
  public static func fork() throws(Errno) -> Outcome {
    let pid = try Errno.check(kernel_fork())
    return pid == 0 ? .child : .parent(pid)
  }

  /// Copies the process, as fork(2) does; the copy begins in new namespaces of the given kinds. The caller must have one
  /// thread. (clone3(2))
  ///
  /// - Parameters:
  ///   - cgroup: descriptor of the cgroup v2 directory in which the copy begins.
  ///   - sibling: the copy's parent is the caller's parent. (CLONE_PARENT)
  public static func clone(
    _ namespaces: NamespaceSet = [], cgroup: CInt? = nil, sibling: Bool = false
  ) throws(Errno) -> Outcome {
    let flags = namespaces.rawValue | (sibling ? 0x8000 : 0)
    let pid = try Errno.check(kernel_clone3(flags, nil, sibling ? 0 : SIGCHLD, cgroup ?? -1))
    return pid == 0 ? .child : .parent(pid)
  }
}

/// A descriptor that stands for a process, whatever becomes of its number. (pidfd_open(2))
public func openProcess(_ pid: Int32) throws(Errno) -> OwnedDescriptor {
  OwnedDescriptor(try Errno.check(kernel_pidfd_open(pid, 0)))
}

/// Sends a signal through a process's descriptor. (pidfd_send_signal(2))
public func sendSignal(_ process: CInt, _ signal: CInt) throws(Errno) {
  try Errno.check(kernel_pidfd_send_signal(process, signal))
}
