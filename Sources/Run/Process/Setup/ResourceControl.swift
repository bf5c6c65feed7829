import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// Shares of caches and memory bandwidth, by the file system resctrl. (runtime-spec, config-linux.md, IntelRdt)
///
/// ```
/// /sys/fs/resctrl/
///   tasks  schemata              the class of all that is in no other
///   mon_groups/<id>/tasks        what is measured apart
///   <closID>/                    a class: the same files
/// ```
struct ResourceControl {
  private let root: FilePath

  init(root: FilePath = "/sys/fs/resctrl") { self.root = root }

  /// What was made for one container, in its saved state.
  struct Group: Hashable, Codable {
    /// Absolute.
    var directory: String
    /// The directory goes with the container.
    var isOurs: Bool
    /// The name of the group that is measured apart.
    var monitoring: String?
  }

  func make(_ rdt: LinuxIntelRdt, id: String) throws -> Group {
    guard access(root.appending("schemata").string, F_OK) == 0 else {
      throw RuntimeError.unsupported("linux.intelRdt", reason: "no file system resctrl is mounted on \(root)")
    }
    var group = try makeClass(rdt, id: id)
    do {
      let lines = [rdt.l3CacheSchema ?? "", rdt.memBwSchema ?? ""].filter { !$0.isEmpty } + (rdt.schemata ?? [])
      for line in lines { try write("\(line)\n", FilePath(group.directory).appending("schemata")) }
      if rdt.enableMonitoring == true { try addMonitoring(&group, id) }
      return group
    } catch {
      try? remove(group)
      throw error
    }
  }

  private func makeClass(_ rdt: LinuxIntelRdt, id: String) throws -> Group {
    let name = rdt.closID.flatMap { $0.isEmpty ? nil : $0 }
    let directory = name == "/" ? root : root.appending(name ?? id)
    let exists = access(directory.string, F_OK) == 0
    let hasSchema =
      [rdt.l3CacheSchema, rdt.memBwSchema].contains { $0?.isEmpty == false } || rdt.schemata?.isEmpty == false
    if name != nil, exists {
      for line in [rdt.l3CacheSchema, rdt.memBwSchema] {
        if let line, !line.isEmpty { try compare(line, directory.appending("schemata")) }
      }
      return Group(directory: directory.string, isOurs: false)
    }
    guard name == nil || hasSchema else {
      throw RuntimeError.configuration(
        property: "linux.intelRdt.closID",
        problem: "is \"\(name ?? "")\", which is not there, and no schema says what it is to be")
    }
    guard !exists else {
      throw RuntimeError.resources(
        "linux.intelRdt: \(directory) exists already; with closID the container would join it")
    }
    try attempt("make the class \(directory)\(status)", .resources) { () throws(Errno) in
      try Errno.check(mkdir(directory.string, 0o755))
    }
    return Group(directory: directory.string, isOurs: name == nil)
  }

  private func addMonitoring(_ group: inout Group, _ id: String) throws {
    let directory = FilePath(group.directory).appending("mon_groups").appending(id)
    try attempt("make the monitoring group \(directory)\(status)", .resources) { () throws(Errno) in
      try Errno.check(mkdir(directory.string, 0o755))
    }
    group.monitoring = id
  }

  /// Puts a process, and those that it will make, into the group.
  func add(_ pid: Int32, to group: Group) throws {
    let directory = FilePath(group.directory)
    try write("\(pid)", directory.appending("tasks"))
    if let name = group.monitoring {
      try write("\(pid)", directory.appending("mon_groups").appending(name).appending("tasks"))
    }
  }

  /// Changes a class that the container has for itself. (`update`)
  func update(_ group: Group, l3CacheSchema: String?, memBwSchema: String?) throws {
    for line in [l3CacheSchema, memBwSchema] {
      if let line, !line.isEmpty { try write("\(line)\n", FilePath(group.directory).appending("schemata")) }
    }
  }

  func remove(_ group: Group) throws {
    if let name = group.monitoring {
      try removeDirectory(FilePath(group.directory).appending("mon_groups").appending(name))
    }
    if group.isOurs { try removeDirectory(FilePath(group.directory)) }
  }

  private func removeDirectory(_ path: FilePath) throws {
    guard rmdir(path.string) != 0, Errno.current != .noSuchFileOrDirectory else { return }
    throw RuntimeError.call(doing: "remove \(path)", Errno.current, .resources)
  }

  // MARK: Schemata

  /// A class that others made must be what the configuration says.
  private func compare(_ line: String, _ file: FilePath) throws {
    let text = try attempt("read \(file)", .resources) { () throws(Errno) in try readFile(file, limit: 1 << 20) }
    let present = String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Self.parse(String($0)) }
    guard let wanted = Self.parse(line) else {
      throw RuntimeError.configuration(property: "linux.intelRdt", problem: "has \"\(line)\", which is no schema")
    }
    let found = present.first { $0.resource == wanted.resource }?.shares ?? [:]
    guard wanted.shares.allSatisfy({ found[$0.key] == $0.value }) else {
      throw RuntimeError.configuration(
        property: "linux.intelRdt.closID",
        problem: "names a class that exists with other shares than \"\(line)\" (\(file))")
    }
  }

  /// `L3:0=ff;1=c0` by its resource and the shares of each domain. The kernel writes blanks and zeros in front.
  private static func parse(_ line: String) -> (resource: String, shares: [Int: UInt64])? {
    let parts = line.filter { $0 != " " }.split(separator: ":")
    guard parts.count == 2 else { return nil }
    var shares: [Int: UInt64] = [:]
    for part in parts[1].split(separator: ";") {
      let pair = part.split(separator: "=")
      guard pair.count == 2, let domain = Int(pair[0]), let share = UInt64(pair[1], radix: parts[0] == "MB" ? 10 : 16)
      else { return nil }
      shares[domain] = share
    }
    return (String(parts[0]), shares)
  }

  private func write(_ text: String, _ file: FilePath) throws {
    do throws(Errno) {
      let open = try openat2(workingDirectory, file.string, flags: O_WRONLY | O_CREAT, mode: 0o644)
      try writeAll(open.number, Array(text.utf8))
    } catch {
      throw RuntimeError.call(
        doing: "write \"\(text.filter { $0 != "\n" })\" to \(file)\(status)", error, .resources)
    }
  }

  /// What the kernel says about the last thing that it refused.
  private var status: String {
    guard let text = try? readFile(root.appending("info/last_cmd_status"), limit: 4096) else { return "" }
    let words = String(decoding: text.filter { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    return words.isEmpty || words == "ok" ? "" : " (\(words))"
  }
}
