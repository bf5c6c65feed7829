internal import CKernel
import Glibc

/// Lets this process have as many open files as it may: the usual 1024 is for programs that use select(2).
/// (setrlimit(2), RLIMIT_NOFILE)
public func raiseOpenFileLimit() {
  var limit = rlimit()
  guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
  limit.rlim_cur = limit.rlim_max
  _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Makes a server of many threads as small as one of few: at most two heaps for all of them. To be called before the
/// threads begin.
public func limitHeaps() { kernel_limit_heaps(2) }

/// Gives memory that was freed back to the system.
public func trimHeaps() { kernel_trim_heaps() }
