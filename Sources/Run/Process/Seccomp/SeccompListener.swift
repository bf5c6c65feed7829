import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Hands a filter's listener to the agent that decides about calls. (runtime-spec, config-linux.md, Container Process
/// State)
enum SeccompListener {
  private struct ProcessState: Encodable {
    var ociVersion = RuntimeConfig.version
    var fds = ["seccompFd"]
    var pid: Int32
    var metadata: String?
    var state: RuntimeState
  }

  static func send(_ listener: OpenFile, _ bundle: Bundle, state: RuntimeState) throws {
    guard let seccomp = bundle.config.linux?.seccomp, let path = seccomp.listenerPath else { return }
    let message = try JSONText.encode(
      ProcessState(pid: state.pid ?? 0, metadata: seccomp.listenerMetadata, state: state))
    try attempt("hand the seccomp listener to \(path)", .seccomp) { () throws(Errno) in
      let socket = try LocalSockets.connectStream(path)
      try LocalSockets.send(socket.number, message, descriptors: [listener.number])
    }
  }
}
