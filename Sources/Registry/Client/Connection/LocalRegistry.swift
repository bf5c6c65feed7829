internal import FoundationEssentials
internal import Glibc
internal import Kernel
internal import SystemPackage

/// The socket of a registry that is served from the same store: a push to it names blobs in place of sending them.
///
/// The server announces itself in `<root>/registry/local/<pid>.json`, beside `<pid>.sock`. Both count only where they are
/// this user's own, in a folder that nobody else may write to.
struct LocalRegistry: Sendable {
  private let directory: FilePath

  init(root: FilePath) { directory = root.appending("registry").appending("local") }

  private struct Announcement: Decodable {
    let hosts: [String]
  }

  /// The path of the socket where `host` is served from this store; nil where it is not.
  func socket(for host: Host) -> String? {
    guard isOwn(directory, S_IFDIR), let names = try? directoryEntries(of: directory) else { return nil }
    for name in names where name.hasSuffix(".json") {
      guard let bytes = try? readFile(directory.appending(name), limit: 64 << 10),
        let announcement = try? JSONDecoder().decode(Announcement.self, from: Data(bytes)),
        announcement.hosts.contains(host.address)
      else { continue }
      let socket = directory.appending(name.dropLast(5) + ".sock")
      if isOwn(socket, S_IFSOCK) { return socket.string }
    }
    return nil
  }

  private func isOwn(_ path: FilePath, _ kind: mode_t) -> Bool {
    var status = stat()
    return lstat(path.string, &status) == 0 && status.st_mode & S_IFMT == kind && status.st_uid == geteuid()
      && status.st_mode & 0o022 == 0
  }
}
