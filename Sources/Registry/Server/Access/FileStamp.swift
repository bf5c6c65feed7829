import Glibc
import Kernel
import SystemPackage

/// Which state of a file it is: changes when the file is written or replaced.
struct FileStamp: Hashable, Sendable {
  private let inode: UInt64, size: Int64, seconds: Int, nanoseconds: Int

  /// nil where there is no file. Links are followed: cert-manager and certbot turn one to renew a certificate.
  init?(_ path: FilePath) throws(Errno) {
    let facts: Stat
    do throws(Errno) { facts = try path.stat() } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw error
    }
    inode = UInt64(facts.inode.rawValue)
    size = facts.size
    seconds = facts.st_mtim.tv_sec
    nanoseconds = facts.st_mtim.tv_nsec
  }
}
