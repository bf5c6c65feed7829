import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// How ready the kernel is to end a process when memory runs out. (proc(5), oom_score_adj)
enum OutOfMemoryScore {
  /// - Parameter pid: in the PID namespace that /proc shows; nil is the calling process, whose own idea of its number
  /// is another one in a new PID namespace.
  static func set(_ score: Int, of pid: pid_t?, warn: (String) throws -> Void) throws {
    let path = "/proc/\(pid.map { "\($0)" } ?? "self")/oom_score_adj"
    let proc = try ProcFS.mounted()
    do throws(Errno) {
      let file: OwnedDescriptor
      if let pid {
        file = try proc.open("\(pid)/oom_score_adj", flags: O_RDWR)
      } else {
        file = try proc.openSelf("oom_score_adj", flags: O_RDWR)
      }
      let now = try readAll(file.number, limit: 32)
      if Int(String(decoding: now.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)) == score { return }
      try writeAll(file.number, Array("\(score)".utf8))
    } catch {
      // An unprivileged user cannot go below what it was given: the container runs with that, as with other runtimes.
      guard error == .permissionDenied || error == .notPermitted else {
        throw RuntimeError.call(doing: "write \(score) to \(path)", error, .resources)
      }
      try warn("process.oomScoreAdj \(score) was not set: lowering it takes CAP_SYS_RESOURCE on the host")
    }
  }
}
