import Glibc
import Kernel
import SystemPackage

/// What Prometheus' clients tell of the process itself. (prometheus.io, Writing client libraries, Process metrics)
enum ProcessFigures {
  static func write(to text: inout MetricsText) {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let processor =
      Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1_000_000
    text.family("process_cpu_seconds_total", "counter", "User and system time in seconds.")
    text.sample("process_cpu_seconds_total", [], "\(processor)")
    if let pages = words("/proc/self/statm"), pages.count > 1, let resident = Int64(pages[1]) {
      text.family("process_resident_memory_bytes", "gauge", "Resident memory.")
      text.sample("process_resident_memory_bytes", [], "\(resident * Int64(sysconf(Int32(_SC_PAGESIZE))))")
    }
    if let count = try? directoryEntries(of: FilePath("/proc/self/fd")).count {
      text.family("process_open_fds", "gauge", "Open file descriptors.")
      text.sample("process_open_fds", [], "\(count)")
    }
    var limit = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      text.family("process_max_fds", "gauge", "Most file descriptors that may be open.")
      text.sample("process_max_fds", [], "\(limit.rlim_cur)")
    }
    text.family("process_start_time_seconds", "gauge", "When the process began, since 1970.")
    text.sample("process_start_time_seconds", [], "\(started)")
  }

  /// Its first use is as good as the process' start: the server touches it when it begins.
  static let started = Int64(time(nil))

  private static func words(_ path: String) -> [Substring]? {
    (try? readFile(FilePath(path), limit: 4096)).map { String(decoding: $0, as: UTF8.self).split(separator: " ") }
  }
}
