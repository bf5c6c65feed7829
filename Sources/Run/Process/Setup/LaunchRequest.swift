import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What a start of a container needs beside its bundle.
struct LaunchRequest {
  enum Terminal {
    /// process.terminal is false.
    case none
    /// The master goes to whoever listens on this connected socket. (`--console-socket`)
    case socket(OpenFile)
    /// The master comes to the caller.
    case caller
  }

  let id: String
  let bundle: Bundle
  var terminal = Terminal.none
  /// Standard input, output and error; nil hands the caller's on.
  var streams: (CInt, CInt, CInt)?
  /// Where `start` connects; nil: the program starts at once.
  var startSocket: OpenFile?
  /// The program ends with this process.
  var diesWithParent = false
  var preserved: CInt = 0
  var newKeyring = true
  /// The root is entered by chroot(2): pivot_root(2) cannot leave the first root of a machine, an initramfs.
  var noPivot = false
  var cgroup: Cgroup?
  /// Makes the cgroup around a process that waits for it, as systemd does: in place of `cgroup`.
  var cgroupAround: ((pid_t) throws -> Cgroup)?
  var cgroups: CgroupTree?
  var seccompCache: FilePath?

  init(id: String, bundle: Bundle) {
    self.id = id
    self.bundle = bundle
  }

  func state(_ status: RuntimeState.Status, pid: pid_t?) -> RuntimeState {
    RuntimeState(
      id: id, status: status, pid: pid, bundle: bundle.path.string, annotations: bundle.config.annotations)
  }
}
