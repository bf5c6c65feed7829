internal import Glibc
internal import Kernel
internal import SystemPackage

/// Who a step acts for.
struct UserIdentity: Hashable, Sendable {
  var userID: UInt32 = 0
  var groupID: UInt32 = 0
  var additionalGroups: [UInt32] = []
  var home: String?
}

/// Users and groups by the image's own /etc/passwd and /etc/group.
struct ImageUsers {
  /// The image's files.
  let root: CInt

  /// `user[:group]` of USER, names or numbers. Empty is root.
  func identity(_ text: String) throws -> UserIdentity {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let wanted = parts.first.flatMap { $0.isEmpty ? nil : $0 } ?? "0"
    var found = UserIdentity()
    let passwd = try lines("etc/passwd")
    var name: String?
    let entry =
      passwd.first { $0.count >= 4 && $0[0] == wanted }
      ?? UInt32(wanted).flatMap { id in passwd.first { $0.count >= 4 && UInt32($0[2]) == id } }
    if let entry, let user = UInt32(entry[2]), let group = UInt32(entry[3]) {
      (found.userID, found.groupID, name) = (user, group, entry[0])
      if entry.count >= 6, !entry[5].isEmpty { found.home = entry[5] }
    } else {
      found.userID = try number(wanted) ?? { throw BuildError.noSuchUser(wanted) }()
    }
    if parts.count > 1, !parts[1].isEmpty {
      found.groupID = try group(parts[1])
    } else if let name {
      found.additionalGroups = try lines("etc/group").compactMap { line in
        line.count >= 4 && line[3].split(separator: ",").contains(Substring(name)) ? UInt32(line[2]) : nil
      }
    }
    return found
  }

  /// `user[:group]` of --chown: a user without a group gives the group of the same number. (Dockerfile reference, COPY)
  func owner(_ text: String) throws -> Owner {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let user: UInt32
    var group: UInt32?
    if let number = try number(parts[0]) {
      user = number
    } else {
      guard let entry = try lines("etc/passwd").first(where: { $0.count >= 4 && $0[0] == parts[0] }),
        let id = UInt32(entry[2])
      else { throw BuildError.noSuchUser(parts[0]) }
      user = id
      group = UInt32(entry[3])
    }
    if parts.count > 1, !parts[1].isEmpty { group = try self.group(parts[1]) }
    return Owner(userID: user, groupID: group ?? user)
  }

  private func group(_ text: String) throws -> UInt32 {
    if let number = try number(text) { return number }
    guard let line = try lines("etc/group").first(where: { $0.count >= 3 && $0[0] == text }), let id = UInt32(line[2])
    else {
      throw BuildError.noSuchGroup(text)
    }
    return id
  }

  private func number(_ text: String) throws -> UInt32? {
    guard let number = UInt32(text) else { return nil }
    guard number <= UInt32(Int32.max) else { throw BuildError.noSuchUser(text) }
    return number
  }

  private func lines(_ path: String) throws -> [[String]] {
    let bytes: [UInt8]
    do throws(Errno) {
      let file = try openat2(root, path, flags: O_RDONLY | O_NONBLOCK, resolve: [.inRoot, .noMagicLinks])
      bytes = try readAll(file.number, limit: 16 << 20)
    } catch {
      if error == .noSuchFileOrDirectory || error == .notDirectory { return [] }
      throw BuildError.system(operation: "read the image's", path: path, error)
    }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard line.first != UInt8(ascii: "#") else { return nil }
      return line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map {
        String(decoding: $0, as: UTF8.self)
      }
    }
  }
}

struct Owner: Hashable, Sendable {
  var userID: UInt32
  var groupID: UInt32

  static let root = Owner(userID: 0, groupID: 0)
}
