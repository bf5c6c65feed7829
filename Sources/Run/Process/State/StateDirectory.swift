import Cgroups
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The runtime's memory of its containers.
///
/// ```
/// <root>/                 --root; /run/clipper/runtime for root, else $XDG_RUNTIME_DIR/clipper/runtime, where that is
///                         not set below /run/user/UID
///   .seccomp/<hash>       compiled filters
///   <id>/config.json      the bundle's, as it was at the start; locked by whoever makes the container (fcntl(2))
///   <id>/state.json       SavedState: written when the process exists, and before it goes on
///   <id>/start.sock       while it waits for `start`
/// ```
struct StateDirectory {
  let root: FilePath

  static var standard: FilePath {
    let user = geteuid()
    let runtime = getenv("XDG_RUNTIME_DIR").map { FilePath(String(cString: $0)) }.flatMap { $0.isAbsolute ? $0 : nil }
    if user != 0 { return (runtime ?? FilePath("/run/user/\(user)")).appending("clipper/runtime") }
    // Root of a user namespace is the user who made it; one who says to be root is in a container's. (as runc)
    if let runtime, getenv("USER").map({ String(cString: $0) }) != "root", !UserNamespaces.isInitial {
      return runtime.appending("clipper/runtime")
    }
    return "/run/clipper/runtime"
  }

  var seccompCache: FilePath { root.appending(".seccomp") }

  func path(_ id: String) throws -> FilePath {
    try Self.check(id)
    return root.appending(id)
  }

  /// What may name a directory, and nothing that could lead out of one.
  private static func check(_ id: String) throws {
    let bytes = Array(id.utf8)
    func plain(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    let extra = Set("_.+-".utf8)
    guard let first = bytes.first, plain(first) || first == UInt8(ascii: "_"), bytes.count <= 255,
      bytes.allSatisfy({ plain($0) || extra.contains($0) })
    else { throw RuntimeError.invalidID(id) }
  }

  /// A new container's place; exactly one of several at once gets it.
  func make(_ id: String) throws -> FilePath {
    let path = try path(id)
    do throws(Errno) { try makeDirectories(root, mode: 0o700) } catch {
      let advice = geteuid() == 0 ? "" : " (set XDG_RUNTIME_DIR to a directory of this user, or give --root)"
      throw RuntimeError.call(doing: "make \(root)\(advice)", error, .other)
    }
    try checkOwner()
    if mkdir(path.string, 0o700) == 0 { return path }
    let error = Errno.current
    if error == .fileExists {
      throw access(path.appending("state.json").string, F_OK) == 0
        ? RuntimeError.containerExists(id) : RuntimeError.containerHalfMade(id)
    }
    throw RuntimeError.call(doing: "make \(path)", error, .other)
  }

  /// What an unprivileged user reads here decides which of its processes end: nobody else may write it.
  private func checkOwner() throws {
    let user = geteuid()
    guard user != 0 else { return }
    var status = stat()
    guard stat(root.string, &status) == 0 else { return }
    guard status.st_uid == user, status.st_mode & 0o022 == 0 else {
      let problem = status.st_uid == user ? "can be written by others" : "belongs to user \(status.st_uid)"
      throw RuntimeError.state("the state directory \(root) \(problem): name another one by --root")
    }
    // What is old in $XDG_RUNTIME_DIR may be cleared away, but for what has the sticky bit. (XDG base directories)
    if status.st_mode & S_ISVTX == 0, root == Self.standard { chmod(root.string, status.st_mode & 0o777 | S_ISVTX) }
  }

  func remove(_ id: String) throws {
    let path = try path(id)
    try attempt("remove \(path)") { () throws(Errno) in try removeTree(path) }
  }

  /// `state.json` names a process that is killed, and beside it are hooks that are run: both must be this user's own
  /// words, or root's.
  private func read(_ path: FilePath) throws(Errno) -> [UInt8] {
    let directory: OwnedDescriptor
    do throws(Errno) {
      directory = try openat2(workingDirectory, path.string, flags: pathOnly | O_DIRECTORY | O_NOFOLLOW)
    } catch {
      // A link.
      throw error == .notDirectory || error == .tooManySymbolicLinkLevels ? .notPermitted : error
    }
    let found = try status(of: directory.number)
    guard found.st_uid == geteuid() || found.st_uid == 0, found.st_mode & 0o022 == 0 else { throw .notPermitted }
    let file = try openat2(directory.number, "state.json", flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    return try readAll(file.number, limit: 16 << 20)
  }

  func identifiers() throws -> [String] {
    let names: [String]
    do throws(Errno) { names = try directoryEntries(of: root) } catch {
      if error == .noSuchFileOrDirectory { return [] }
      throw RuntimeError.call(doing: "list \(root)", error, .other)
    }
    return names.filter { !$0.hasPrefix(".") }.sorted()
  }

  func load(_ id: String) throws -> Container {
    let path = try path(id)
    try checkOwner()
    let text: [UInt8]
    do throws(Errno) { text = try read(path) } catch {
      if error == .noSuchFileOrDirectory { throw RuntimeError.noSuchContainer(id) }
      if error == .notPermitted {
        throw RuntimeError.state(
          "\(path) is a link, or others can write to it: what it says about a process and its hooks is not believed")
      }
      throw RuntimeError.brokenState(id: id, problem: "it cannot be read: \(error)")
    }
    return Container(directory: path, saved: try SavedState(text, id: id))
  }
}

/// `state.json`
struct SavedState: Codable {
  /// Of this form of the file. Another one may mean something else by the same words.
  static let version = 1

  var version = SavedState.version
  var id: String
  var pid: Int32
  /// Clock ticks since boot: tells a process from a later one of the same number.
  var pidStartTime: UInt64
  var bundle: String
  /// The root file system, absolute.
  var rootfs: String
  /// RFC 3339.
  var created: String
  var uid: UInt32
  /// Below the cgroup mount; nil: none.
  var cgroup: String?
  /// Whose cgroup it is; nil: the runtime made it itself.
  var systemdUnit: SystemdUnit?
  var annotations: [String: String]?
  /// nil without linux.intelRdt.
  var resourceControl: ResourceControl.Group?
}

extension SavedState {
  init(_ text: [UInt8], id: String) throws {
    do { self = try JSONText.decode(SavedState.self, text, name: "state.json") } catch {
      struct Versioned: Decodable { let version: Int? }
      guard let found = try? JSONText.decode(Versioned.self, text, name: "state.json"),
        found.version != SavedState.version
      else { throw RuntimeError.brokenState(id: id, problem: "\(error)") }
      throw Self.foreign(id, found.version)
    }
    guard version == Self.version else { throw Self.foreign(id, version) }
    guard self.id == id else { throw RuntimeError.brokenState(id: id, problem: "it is that of \"\(self.id)\"") }
  }

  private static func foreign(_ id: String, _ version: Int?) -> RuntimeError {
    let number = version.map { "version \($0)" } ?? "no version"
    return .brokenState(
      id: id,
      problem: "it has \(number), and this clipper-runtime writes and understands version \(Self.version): "
        + "use the clipper-runtime that made it")
  }
}

/// One container of this runtime.
struct Container {
  let directory: FilePath
  let saved: SavedState

  var id: String { saved.id }

  var cgroup: Cgroup? {
    guard let name = saved.cgroup, let tree = CgroupTree.find() else { return nil }
    return try? tree.cgroup(at: name)
  }

  func save() throws {
    let text = try JSONText.encode(saved)
    let file = directory.appending("state.json")
    try attempt("write \(file)") { () throws(Errno) in try writeFileAtomically(file, text, mode: 0o600) }
  }

  /// The configuration that it was started with.
  func bundle() throws -> Bundle {
    try Bundle(path: FilePath(saved.bundle), reading: directory.appending("config.json"))
  }

  func hooks() throws -> ContainerHooks? {
    let file = directory.appending("config.json")
    let text = try attempt("read \(file)") { () throws(Errno) in try readFile(file, limit: ConfigFile.sizeLimit) }
    return try JSONText.read(text, name: file.string) { (json) throws(JSONError) in try HooksOfConfig(&json).hooks }
  }

  /// Replaces the configuration that it is to be known by from now on.
  func save(_ config: RuntimeConfig) throws {
    let file = directory.appending("config.json")
    let text = try JSONText.encode(config)
    try attempt("write \(file)") { () throws(Errno) in try writeFileAtomically(file, text, mode: 0o600) }
  }

  /// Whether its first process lives. A number that was given to another process since is not it.
  var isAlive: Bool {
    // Killed before there was a process.
    guard saved.pid > 0 else { return false }
    guard let process = ProcessStatus(saved.pid) else { return isHidden }
    guard process.startTime == saved.pidStartTime else { return false }
    return !process.hasEnded
  }

  /// Where /proc shows a user only what it may look into (proc(5), hidepid), a process that waits for `start` cannot be
  /// seen; its socket is the proof that it is there.
  private var isHidden: Bool {
    guard geteuid() != 0, Glibc.kill(saved.pid, 0) == 0 || Errno.current != .noSuchProcess,
      let open = try? openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY)
    else { return false }
    return StartSocket.isWaiting(in: open.number)
  }

  var status: RuntimeState.Status {
    guard isAlive else { return .stopped }
    if cgroup?.isFrozen == true { return .paused }
    if let open = try? openat2(workingDirectory, directory.string, flags: pathOnly | O_DIRECTORY),
      access(directory.appending(StartSocket.name).string, F_OK) == 0, StartSocket.isWaiting(in: open.number)
    {
      return .created
    }
    return .running
  }

  var state: RuntimeState { state(status) }

  func state(_ status: RuntimeState.Status) -> RuntimeState {
    RuntimeState(
      id: id, status: status, pid: status == .stopped ? 0 : saved.pid, bundle: saved.bundle,
      annotations: saved.annotations)
  }

  /// A descriptor of the first process that can be signalled without a race against its number.
  func process() throws -> OwnedDescriptor {
    let stopped = RuntimeError.wrongStatus(id: id, status: .stopped, doing: "reach a process of")
    let process: OwnedDescriptor
    do throws(Errno) { process = try openProcess(saved.pid) } catch {
      if error == .noSuchProcess { throw stopped }
      throw RuntimeError.call(doing: "open process \(saved.pid)", error, .other)
    }
    // After it was opened: it is this one, or none.
    guard isAlive else { throw stopped }
    return process
  }
}

/// What /proc says about a process. (proc(5), /proc/pid/stat)
struct ProcessStatus {
  let state: UInt8
  let startTime: UInt64

  init?(_ pid: Int32) {
    guard let text = try? readFile(FilePath("/proc/\(pid)/stat"), limit: 4096),
      let end = text.lastIndex(of: UInt8(ascii: ")"))
    else {
      return nil
    }
    // The name may hold blanks and parentheses; the fields after it do not.
    let fields = text[(end + 1)...].split(separator: UInt8(ascii: " "))
    guard fields.count > 19, let state = fields[0].first,
      let start = UInt64(String(decoding: fields[19], as: UTF8.self))
    else { return nil }
    self.state = state
    startTime = start
  }

  var hasEnded: Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") || state == UInt8(ascii: "x") }
}

/// Waits for the end of a process, at most ten seconds: one in uninterruptible sleep ends when it wakes.
func waitForEnd(_ process: CInt) {
  var ended = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
  _ = try? Errno.retrying { poll(&ended, 1, 10_000) }
}
