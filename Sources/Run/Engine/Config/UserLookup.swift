/// Who a container's program runs as, from `user[:group]` and the image's own /etc/passwd and /etc/group.
struct FoundUser: Hashable {
  var userID: UInt32 = 0
  var groupID: UInt32 = 0
  /// Without the group itself.
  var additionalGroups: [UInt32] = []
  var home: String?
  var name: String?
}

/// The two files, each read when it is first needed.
struct UserFiles {
  /// Content of a file such as `etc/passwd`, nil where there is none.
  let read: (String) throws -> [UInt8]?

  /// - Parameters:
  ///   - text: nil and empty are root.
  ///   - groups: names or numbers of further groups.
  /// - Throws: `EngineError.noSuchUser`, `noSuchGroup`.
  func find(_ text: String?, groups: [String] = []) throws -> FoundUser {
    let text = text ?? ""
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let userText = parts.first ?? ""
    let groupText = parts.count > 1 ? parts[1] : ""
    let passwd = try lines("etc/passwd")
    var found = FoundUser()
    // A name that is a number is looked up as a name first, as getpwnam(3) users expect.
    let wanted = userText.isEmpty ? "0" : userText
    let number = UInt32(wanted)
    let entry =
      passwd.first { $0.count >= 4 && $0[0] == wanted } ?? number.flatMap { id in passwd.first { $0.count >= 4 && $0[2] == String(id) } }
    if let entry {
      guard let userID = UInt32(entry[2]), let groupID = UInt32(entry[3]) else { throw EngineError.noSuchUser(wanted) }
      found.userID = userID
      found.groupID = groupID
      found.name = entry[0]
      if entry.count >= 6, !entry[5].isEmpty { found.home = entry[5] }
    } else if let number, number <= UInt32(Int32.max) {
      found.userID = number
    } else {
      throw EngineError.noSuchUser(userText)
    }
    if !groupText.isEmpty {
      found.groupID = try group(groupText)
    } else if let name = found.name, !userText.isEmpty {
      found.additionalGroups = try lines("etc/group").compactMap { line in
        guard line.count >= 4, line[3].split(separator: ",").contains(Substring(name)) else { return nil }
        return UInt32(line[2])
      }
    }
    for name in groups {
      let id = try group(name)
      if !found.additionalGroups.contains(id) { found.additionalGroups.append(id) }
    }
    return found
  }

  private func group(_ text: String) throws -> UInt32 {
    if let number = UInt32(text) {
      guard number <= UInt32(Int32.max) else { throw EngineError.noSuchGroup(text) }
      return number
    }
    guard let line = try lines("etc/group").first(where: { $0.count >= 3 && $0[0] == text }), let id = UInt32(line[2]) else {
      throw EngineError.noSuchGroup(text)
    }
    return id
  }

  private func lines(_ path: String) throws -> [[String]] {
    guard let bytes = try read(path) else { return [] }
    return bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard line.first != UInt8(ascii: "#") else { return nil }
      return line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
