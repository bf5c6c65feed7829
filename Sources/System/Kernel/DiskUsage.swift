import Glibc
public import SystemPackage

/// Bytes that a tree takes on disk, files with several names counted once; what cannot be read counts nothing.
public func diskUsage(of path: FilePath) -> Int64 {
  var counted: Set<UInt> = []
  guard let directory = try? openat2(workingDirectory, path.string, flags: O_RDONLY | O_DIRECTORY) else { return 0 }
  return usage(directory.number, &counted)
}

private func usage(_ directory: CInt, _ counted: inout Set<UInt>) -> Int64 {
  var sum: Int64 = 0
  for name in (try? directoryEntries(directory)) ?? [] {
    var status = stat()
    guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
    if status.st_mode & S_IFMT == S_IFDIR {
      sum += Int64(status.st_blocks) * 512
      if let child = try? openat2(directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) {
        sum += usage(child.number, &counted)
      }
    } else if status.st_nlink == 1 || counted.insert(UInt(status.st_ino)).inserted {
      sum += Int64(status.st_blocks) * 512
    }
  }
  return sum
}
