import Glibc
import Kernel
public import SystemPackage
import TestDirectories

/// A server that tests talk to: a process that ends when this one does, in a directory that goes with it.
public final class Service: Sendable {
  public let directory: FilePath
  private let watched: OwnedDescriptor
  private let shell: Int32

  /// Runs a shell script that starts the server and ends when it ends. It runs in `directory`, as the leader of a group
  /// that is killed as a whole.
  public init(_ name: String, script: String, environment: [String: String] = [:]) throws {
    directory = try makeTestDirectory(name)
    // Other users must be able to enter: some servers refuse to run as root.
    chmod(directory.string, 0o755)
    let ends = try makePipe()
    defer { close(ends.reader) }
    watched = OwnedDescriptor(ends.writer)
    // The end of the connection tells that this process is gone, however it went.
    var spawn = Spawn("/bin/bash", ["-c", "(cat <&9 >/dev/null; kill -KILL 0) & \n\(script)"])
    spawn.directory = directory
    spawn.newGroup = true
    let log = try openat2(AT_FDCWD, directory.appending("log").string, flags: O_RDWR | O_CREAT | O_APPEND, mode: 0o644)
    spawn.descriptors = [(ends.reader, 9), (log.number, 1), (log.number, 2)]
    spawn.environment = environment.map { "\($0.key)=\($0.value)" } + Self.inherited
    shell = try spawn.start()
  }

  private static var inherited: [String] {
    let names: [String] = ["PATH", "HOME", "LANG", "PYENV_ROOT"]
    return names.compactMap { name in getenv(name).map { value in "\(name)=\(String(cString: value))" } }
  }

  deinit {
    kill(-shell, SIGKILL)
    _ = try? waitForProcess(shell)
    try? removeTree(directory)
  }

  /// Waits until the server answers. Throws `NotStarted` with what it said where it does not within `seconds`.
  public func wait(seconds: Int = 60, until isReady: () -> Bool) throws {
    for _ in 0..<(seconds * 20) {
      if isReady() { return }
      usleep(50_000)
    }
    let said = (try? readFile(directory.appending("log"), limit: 1 << 20)).map { String(decoding: $0, as: UTF8.self) }
    throw NotStarted(output: String((said ?? "").suffix(4000)))
  }

  public struct NotStarted: Error, CustomStringConvertible {
    let output: String
    public var description: String { "the server did not come up:\n\(output)" }
  }

  /// A TCP port of loopback that nobody listens at now.
  public static func freePort() throws -> UInt16 {
    let descriptor = OwnedDescriptor(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor.number, $0, length) == 0 ? getsockname(descriptor.number, $0, &length) : -1
      }
    }
    guard result == 0 else { throw Errno.current }
    return UInt16(bigEndian: address.sin_port)
  }

  /// Whether something listens at a port of loopback.
  public static func answers(_ port: UInt16) -> Bool {
    let descriptor = OwnedDescriptor(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    address.sin_port = port.bigEndian
    return withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor.number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
  }
}
