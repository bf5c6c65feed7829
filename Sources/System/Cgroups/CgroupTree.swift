import Glibc
import Kernel
public import SystemPackage

/// The host's cgroup v2 tree, as far as it has one.
///
/// ```
/// /sys/fs/cgroup            unified: cgroup2 with all controllers
/// /sys/fs/cgroup/unified    hybrid: cgroup2 without those that sit in version 1
/// ```
public struct CgroupTree: Hashable, Sendable {
  /// Where cgroup2 is mounted.
  public let mount: FilePath
  /// Controllers of the tree's top: `memory`, `cpu`, …
  public let controllers: Set<String>

  public init(mount: FilePath, controllers: Set<String>) {
    self.mount = mount
    self.controllers = controllers
  }

  /// nil where no cgroup2 is mounted at the two usual places.
  public static func find(below root: FilePath = "/sys/fs/cgroup") -> CgroupTree? {
    for mount in [root, root.appending("unified")] {
      guard let directory = try? openat2(workingDirectory, mount.string, flags: O_RDONLY | O_DIRECTORY),
        (try? Mounts.fileSystemType(directory.number)) == Mounts.cgroup2FileSystem
      else { continue }
      return CgroupTree(mount: mount, controllers: words(mount.appending("cgroup.controllers")))
    }
    return nil
  }

  /// The cgroup at `path`, which begins with a slash and counts from the mount.
  public func cgroup(at path: String) throws(CgroupError) -> Cgroup {
    let components = FilePath(path).components.map(\.string)
    guard path.hasPrefix("/"), !components.isEmpty, !components.contains("..") else {
      throw .invalid("\(path) does not name a cgroup: an absolute path without .. is needed")
    }
    return Cgroup(tree: self, path: mount.appending(components.joined(separator: "/")))
  }

  /// The cgroup of a process, as seen from this process's cgroup namespace; nil where it has ended.
  public func cgroup(of pid: Int32) -> Cgroup? {
    guard let text = try? readFile(FilePath("/proc/\(pid)/cgroup"), limit: 1 << 16) else { return nil }
    for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where line.hasPrefix("0::/") {
      let path = line.dropFirst(4)
      return Cgroup(tree: self, path: path.isEmpty ? mount : mount.appending(String(path)))
    }
    return nil
  }
}

// The kernel makes such a file's text when it is read, and hands it over at once where it fits.

private func text(_ file: FilePath, limit: Int) -> String? {
  guard let open = try? openat2(workingDirectory, file.string, flags: O_RDONLY) else { return nil }
  return withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
    guard let count = try? Errno.retrying({ read(open.number, buffer.baseAddress, buffer.count) }) else { return nil }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }
}

func words(_ file: FilePath) -> Set<String> {
  guard let text = text(file, limit: 4096) else { return [] }
  return Set(text.split { $0 == " " || $0 == "\n" }.map { String($0) })
}

/// `name value` lines, as of memory.events and cpu.stat.
func counters(_ file: FilePath) -> [String: UInt64] {
  guard let text = text(file, limit: 16384) else { return [:] }
  var counters: [String: UInt64] = [:]
  for line in text.split(separator: "\n") {
    let parts = line.split(separator: " ")
    if parts.count == 2, let value = UInt64(parts[1]) { counters[String(parts[0])] = value }
  }
  return counters
}

/// nil also for "max".
func number(_ file: FilePath) -> UInt64? {
  guard let text = text(file, limit: 256) else { return nil }
  return UInt64(text.prefix { $0 != "\n" })
}
