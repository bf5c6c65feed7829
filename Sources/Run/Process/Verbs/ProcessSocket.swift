import Kernel
import SystemPackage

/// `--pidfd-socket`: whoever listens there gets a descriptor of the process, which no other process comes to have the
/// number of. (as runc)
enum ProcessSocket {
  static func send(_ pid: Int32, to path: String) throws {
    try attempt("send a descriptor of process \(pid) to the socket \(path)") { () throws(Errno) in
      let socket = try LocalSockets.connectStream(path)
      let process = try openProcess(pid)
      try LocalSockets.send(socket.number, Array("pidfd".utf8), descriptors: [process.number])
    }
  }
}
