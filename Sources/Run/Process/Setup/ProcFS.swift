import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A proc file system that is certainly one. What confines a process is written to files of it; a file of another kind
/// that lies in their place would take the write and confine nothing, and another file of the kernel's would take it
/// for an order. (CVE-2019-16884, CVE-2025-52881)
struct ProcFS {
  private let root: OpenFile

  /// Its root's inode. (linux/proc_fs.h, PROC_ROOT_INO)
  static let rootInode: UInt = 1

  /// A new one of this process's PID namespace, attached nowhere: nobody can mount anything into it.
  ///
  /// In a user namespace the kernel refuses that where parts of the visible /proc are covered; then it is the mounted
  /// one, in which no covered file is opened.
  ///
  /// - Parameter processes: only what is about processes.
  static func own(onlyProcesses processes: Bool) throws -> ProcFS {
    do throws(Errno) {
      let context = try Mounts.begin("proc")
      if processes { try Mounts.set(context.number, "subset", "pid") }
      return ProcFS(root: OpenFile(try Mounts.finish(context.number, [.noSetID, .noDevices, .noExecute])))
    } catch {
      guard error == .notPermitted else {
        throw RuntimeError.call(doing: "mount a proc file system of our own", error, .other)
      }
      return try mounted()
    }
  }

  /// What is mounted on /proc.
  static func mounted() throws -> ProcFS {
    let root = try attempt("open /proc") { () throws(Errno) in
      try openat2(workingDirectory, "/proc", flags: pathOnly | O_DIRECTORY, resolve: .noSymlinks)
    }
    guard try attempt("look at /proc", .other, { () throws(Errno) in try isRoot(root.number) }) else {
      throw RuntimeError.start(
        StartFailure(kind: .other, message: "/proc is not a proc file system: nothing is written to its files"))
    }
    return ProcFS(root: OpenFile(root))
  }

  /// Whether a descriptor is the root of a proc file system, and not some part of one.
  static func isRoot(_ descriptor: CInt) throws(Errno) -> Bool {
    guard try Mounts.fileSystemType(descriptor) == Mounts.procFileSystem else { return false }
    return UInt(try status(of: descriptor).st_ino) == rootInode
  }

  /// No link is followed, and no mount is entered that somebody has laid over a file.
  func open(_ path: String, flags: CInt) throws(Errno) -> OwnedDescriptor {
    try openat2(root.number, path, flags: flags, resolve: [.beneath, .noSymlinks, .noCrossDevice])
  }

  /// A file of this process's own directory.
  func openSelf(_ path: String, flags: CInt) throws(Errno) -> OwnedDescriptor {
    // The link names the process as this file system's PID namespace does.
    guard let name = readLink(root.number, "self"), pid_t(name) != nil else { throw .noSuchProcess }
    return try open("\(name)/\(path)", flags: flags)
  }
}
