import Content
internal import Glibc
internal import GRDB
internal import Kernel
internal import Sandboxes
internal import SystemPackage

/// A container's /etc/hosts: its own lines, and below a mark those of its network, which change as neighbours come and go.
enum HostsFile {
  static let mark = "# Containers of the same network:\n"

  /// - Parameter extra: `name:address`, from `--add-host`; `host-gateway` stands for the gateway.
  static func head(extra: [String], gateway: IPv4Address?) throws -> String {
    HostFiles.hosts(
      try extra.map { entry in
        // The name comes first, and an IPv6 address has colons of its own.
        guard let separator = entry.firstIndex(where: { $0 == ":" || $0 == "=" }), separator != entry.startIndex else {
          throw EngineError.input("bad format for add-host: \"\(entry)\"; write name:address")
        }
        var address = String(entry[entry.index(after: separator)...])
        if address == "host-gateway" { address = gateway?.description ?? "127.0.0.1" }
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        var parsed = in6_addr()
        guard IPv4Address(address) != nil || inet_pton(AF_INET6, address, &parsed) == 1 else {
          throw EngineError.input("invalid IP address in add-host: \"\(address)\"")
        }
        return HostsEntry(address: address, names: [String(entry[..<separator])])
      })
  }

  /// Replaces what is below the mark. The file stays the same one: it is mounted into its container.
  static func replaceTail(of path: FilePath, with tail: String) throws(Errno) {
    let file = try openat2(workingDirectory, path.string, flags: O_RDWR | O_NOFOLLOW)
    let current = String(decoding: try readAll(file.number, limit: 1 << 20), as: UTF8.self)
    let head = current.firstRange(of: mark).map { String(current[..<$0.lowerBound]) } ?? current
    let text = Array((head + mark + tail).utf8)
    let written = try Errno.retrying { pwrite(file.number, text, text.count, 0) }
    try Errno.check(ftruncate(file.number, off_t(written)))
  }
}

extension Engine {
  /// Writes who is in a network into the hosts files of those who are. One that has just gone is no error.
  func refreshHosts(of network: String) throws {
    let path = locations.run.appending("hosts.lock")
    do throws(Errno) {
      do throws(Errno) { try makeDirectories(locations.run, mode: 0o711) } catch { if error != .fileExists { throw error } }
      // Read under the lock: who writes last knows most.
      let lock = try OperationLock(path)
      try refreshHosts(of: network, lock)
    } catch {
      throw EngineError.system(operation: "lock", path: path, error)
    }
  }

  private func refreshHosts(of network: String, _ lock: borrowing OperationLock) throws(Errno) {
    let rows = (try? content.database.read { database in
      try Row.fetchAll(database, sql: "SELECT owner, address, names FROM endpoints WHERE network = ?", arguments: [network])
    }) ?? []
    let members = rows.map { row -> (owner: String, line: String) in
      let names: String = row["names"]
      let address: Int64 = row["address"]
      return (row["owner"], names.isEmpty ? "" : "\(IPv4Address(number: UInt32(truncatingIfNeeded: address)))\t\(names)\n")
    }
    for member in members {
      let others = members.filter { $0.owner != member.owner }.map(\.line)
      // A pod has no file: its containers know no neighbours.
      do throws(Errno) {
        try HostsFile.replaceTail(of: directory(of: member.owner).appending("hosts"), with: member.line + others.joined())
      } catch {
        if error != .noSuchFileOrDirectory { throw error }
      }
    }
  }
}
