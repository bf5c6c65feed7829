internal import Glibc
internal import Kernel
internal import SystemPackage

/// SOURCE_DATE_EPOCH: nothing in a layer is younger. (reproducible-builds.org, SOURCE_DATE_EPOCH)
enum LayerDates {
  static func clamp(_ directory: FilePath, to epoch: Int64) throws {
    let root = try opening("read", directory.string) { () throws(Errno) in
      try openat2(Kernel.workingDirectory, directory.string, flags: O_RDONLY | O_DIRECTORY)
    }
    do throws(Errno) { try clamp(root.number, epoch) } catch {
      throw BuildError.system(operation: "set times in", path: directory.string, error)
    }
  }

  private static func clamp(_ directory: CInt, _ epoch: Int64) throws(Errno) {
    for name in try directoryEntries(directory) {
      var status = stat()
      try Errno.check(fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW))
      if status.st_mode & S_IFMT == S_IFDIR {
        let inner = try openat2(directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        try clamp(inner.number, epoch)
      }
      guard Int64(status.st_mtim.tv_sec) >= epoch, !(status.st_mtim.tv_sec == Int(epoch) && status.st_mtim.tv_nsec == 0)
      else { continue }
      let time = timespec(tv_sec: Int(epoch), tv_nsec: 0)
      try Errno.check(utimensat(directory, name, [time, time], AT_SYMLINK_NOFOLLOW))
    }
  }
}
