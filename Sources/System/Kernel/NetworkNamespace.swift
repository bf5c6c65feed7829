internal import CKernel
import Glibc
public import SystemPackage

/// Network namespaces, entered by threads of their own: the process stays where it is. (network_namespaces(7))
public enum NetworkNamespace {
  private static let newNetwork: CInt = 0x4000_0000  // CLONE_NEWNET

  /// A new one in which only the loopback interface is up. Nobody is in it: it lives as long as the descriptor.
  public static func make() throws(Errno) -> OwnedDescriptor {
    let number = try onThread { () throws(Errno) -> CInt in
      try Errno.check(kernel_unshare(newNetwork))
      let namespace = try openat2(workingDirectory, "/proc/thread-self/ns/net", flags: O_RDONLY)
      try bringLoopbackUp()
      return namespace.release()
    }
    return OwnedDescriptor(number)
  }

  /// Runs `body` on a thread that is in the namespace.
  public static func within<Result: Sendable>(
    _ namespace: CInt, _ body: @Sendable () -> Result
  ) throws(Errno) -> Result {
    try onThread { () throws(Errno) -> Result in
      try Errno.check(kernel_setns(namespace, newNetwork))
      return body()
    }
  }

  /// In the calling process's own namespace.
  public static func bringLoopbackUp() throws(Errno) {
    let probe = OwnedDescriptor(try Errno.check(socket(AF_INET, CInt(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)))
    // struct ifreq: 16 bytes of name, then the flags
    var request = [UInt8](repeating: 0, count: 40)
    request[0] = UInt8(ascii: "l")
    request[1] = UInt8(ascii: "o")
    request[16] = 0x41  // IFF_UP | IFF_RUNNING
    let result = request.withUnsafeMutableBytes { ioctl(probe.number, 0x8914 /* SIOCSIFFLAGS */, $0.baseAddress!) }
    try Errno.check(result)
  }

  /// What a thread hands back is read after it has ended.
  private final class Slot<Result>: @unchecked Sendable {
    let body: () throws(Errno) -> Result
    var result: Swift.Result<Result, Errno>?

    init(_ body: @escaping () throws(Errno) -> Result) { self.body = body }

    func run() {
      do throws(Errno) { result = .success(try body()) } catch { result = .failure(error) }
    }
  }

  static func onThread<Result>(_ body: () throws(Errno) -> Result) throws(Errno) -> Result {
    // The thread ends before this call does.
    let outcome: Swift.Result<Result, Errno> = withoutActuallyEscaping(body) { body in
      let slot = Slot(body)
      let job = Unmanaged.passRetained(Job { slot.run() })
      var thread = pthread_t()
      let created = pthread_create(
        &thread, nil,
        { pointer in
          Unmanaged<Job>.fromOpaque(pointer!).takeRetainedValue().run()
          return nil
        }, job.toOpaque())
      guard created == 0 else {
        job.release()
        return .failure(Errno(rawValue: created))
      }
      pthread_join(thread, nil)
      return slot.result ?? .failure(.canceled)
    }
    return try outcome.get()
  }

  private final class Job {
    let run: () -> Void
    init(_ run: @escaping () -> Void) { self.run = run }
  }
}
