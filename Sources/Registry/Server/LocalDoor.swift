import FoundationEssentials
import Glibc
import Kernel
import NIOCore
public import SystemPackage

/// A Unix socket beside the store, through which an engine on the same store pushes references in place of bytes.
///
/// ```
/// <root>/registry/local/<pid>.sock   where the server with that process ID listens
///                       <pid>.json   {"hosts": [...]}: what clients call it
/// ```
/// Whoever comes by it must be the store's owner, which the kernel says (SO_PEERCRED): that one can read every blob
/// there is already, so that naming a digest opens nothing to him. Anybody else is turned away before the first byte.
public struct LocalDoor: Sendable {
  private let directory: FilePath
  private let owner: uid_t

  /// nil where the store's path is longer than a socket's may be (sockaddr_un has 108 bytes).
  public init?(root: FilePath) throws {
    directory = root.appending("registry").appending("local")
    guard directory.appending("4194304.sock").string.utf8.count < 108 else { return nil }
    var status = stat()
    guard stat(root.appending("version").string, &status) == 0 else { throw Errno.current }
    owner = status.st_uid
  }

  var socket: FilePath { directory.appending("\(getpid()).sock") }
  private var announcement: FilePath { directory.appending("\(getpid()).json") }

  private struct Announcement: Codable {
    let hosts: [String]
  }

  /// Makes room for the socket, and clears what servers that died have left.
  func prepare() throws {
    try makeDirectories(directory, mode: 0o700)
    for name in try directoryEntries(of: directory) {
      guard let id = pid_t(name.prefix { $0 != "." }), id == getpid() || (kill(id, 0) != 0 && errno == ESRCH) else {
        continue
      }
      unlink(directory.appending(name).string)
    }
  }

  /// Says under which names clients know the server, once it listens.
  func announce(_ addresses: [ListenAddress], externalURL: String?) throws {
    var hosts: [String] = []
    for address in addresses {
      if address.host.isEmpty || address.isLoopback {
        hosts += ["localhost", "127.0.0.1", "[::1]"].map { "\($0):\(address.port)" }
      }
      if !address.host.isEmpty { hosts.append(address.description) }
    }
    if let externalURL {
      hosts.append(String(externalURL.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "/" }))
    }
    try writeFileAtomically(announcement, Array(JSONEncoder().encode(Announcement(hosts: hosts))), mode: 0o600)
  }

  func withdraw() {
    unlink(announcement.string)
    unlink(socket.string)
  }

  /// Whether the other end of an accepted connection is the store's owner.
  func admits(_ channel: any Channel) -> EventLoopFuture<Bool> {
    guard let options = channel as? any SocketOptionProvider else { return channel.eventLoop.makeSucceededFuture(false) }
    let credentials: EventLoopFuture<PeerCredentials> = options.unsafeGetSocketOption(
      level: .socket, name: .init(rawValue: SO_PEERCRED))
    return credentials.map { $0.user == owner }.recover { _ in false }
  }

  /// struct ucred. (unix(7))
  private struct PeerCredentials {
    var process: pid_t
    var user: uid_t
    var group: gid_t
  }
}
