import CKernel
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// An agent that gets a filter's listener and answers for the kernel. (runtime-spec, config-linux.md, Seccomp,
/// listenerPath; seccomp_unotify(2))
@Suite(.enabled(if: RuntimeHost.isAble)) struct SeccompNotifyTests {
  private let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private struct ProcessState: Decodable {
    let ociVersion: String, fds: [String], pid: Int32, metadata: String?, state: RuntimeState
  }

  private func listen() throws -> OwnedDescriptor {
    let socket = OwnedDescriptor(
      try Errno.check(socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: "\(host.directory)/agent".utf8) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket.number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try Errno.check(bound)
    try Errno.check(Glibc.listen(socket.number, 4))
    return socket
  }

  private func configure(_ config: inout RuntimeConfig) {
    config.linux?.seccomp = LinuxSeccomp(
      defaultAction: .allow, flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
      listenerPath: "\(host.directory)/agent", listenerMetadata: "for the agent",
      syscalls: [SeccompRule(names: ["mkdir", "mkdirat"], action: .notify)])
  }

  /// Takes one listener and answers its first call with an error number.
  private func serve(_ socket: borrowing OwnedDescriptor, answer: Int32) throws -> ProcessState {
    let connection = try LocalSockets.accept(socket.number, nonBlocking: false)
    let (bytes, descriptors) = try LocalSockets.receive(connection.number, limit: 64 << 10)
    let listener = OwnedDescriptor(try #require(descriptors.first))
    // One state for a connection.
    #expect(try LocalSockets.receive(connection.number, limit: 16).bytes.isEmpty)
    // struct seccomp_notif: id (8), pid (4), flags (4), then the call; SECCOMP_IOCTL_NOTIF_RECV
    var request = [UInt64](repeating: 0, count: 10)
    try Errno.check(request.withUnsafeMutableBytes { ioctl(listener.number, 0xc050_2100, $0.baseAddress!) })
    // struct seccomp_notif_resp: id (8), val (8), error (4), flags (4); SECCOMP_IOCTL_NOTIF_SEND
    var response: [UInt64] = [request[0], 0, UInt64(UInt32(bitPattern: -answer))]
    try Errno.check(response.withUnsafeMutableBytes { ioctl(listener.number, 0xc018_2101, $0.baseAddress!) })
    return try JSONText.decode(ProcessState.self, bytes, name: "state")
  }

  @Test func theAgentAnswersAtStart() throws {
    let socket = try listen()
    let bundle = try host.bundle("box", ["sh", "-c", "mkdir /tmp/x 2> /dev/shm/said; sleep 60"]) { configure(&$0) }
    try host.succeed(
      host.runtime("create", "--bundle", bundle.string, "--pid-file", "\(host.directory)/box.pid", "box"))
    let starter = try Spawn(host.program, ["--root", host.state.string, "start", "box"]).start()
    let state = try serve(socket, answer: ENOSPC)
    #expect(try waitForProcess(starter) == .exited(0))
    #expect(state.fds == ["seccompFd"] && state.ociVersion == "1.3.0" && state.metadata == "for the agent")
    #expect("\(state.pid)" == (try host.read(host.directory.appending("box.pid"))))
    #expect(state.state.id == "box" && state.state.status == .created)
    let pid = state.pid
    let said = FilePath("/proc/\(pid)/root/dev/shm/said")
    #expect(eventually { ((try? host.read(said)) ?? "").contains("No space left") })
  }

  @Test func anAgentThatIsNotThereIsAnError() throws {
    let result = try host.run(["true"]) { configure(&$0) }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("hand the seccomp listener to \(host.directory)/agent"))
  }
}
