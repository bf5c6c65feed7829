import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// What of a container belongs to the host and is not saved: its names in the images are the same on both sides.
struct ExternalResources {
  /// A joined namespace by the name that criu gives it.
  static let namespaces: [(LinuxNamespace.Kind, key: String, prefix: String)] = [
    (.network, "extRootNetNS", "net"), (.pid, "extRootPidNS", "pid"),
  ]
  private static let streamsName = "descriptors.json"

  let bundle: Bundle

  func check() throws {
    guard !bundle.hasUserNamespace || geteuid() == 0 else {
      throw RuntimeError.unsupported("a checkpoint by an unprivileged user", reason: "criu needs root")
    }
    if bundle.config.linux?.intelRdt != nil {
      throw RuntimeError.unsupported("a checkpoint with linux.intelRdt", reason: "criu does not save its group")
    }
    for namespace in bundle.config.linux?.namespaces ?? [] {
      guard let path = namespace.path, !path.isEmpty, namespace.type != .network, namespace.type != .pid else { continue }
      throw RuntimeError.unsupported(
        "a checkpoint with the \(namespace.type.rawValue) namespace \(path)",
        reason: "criu can join network and PID namespaces only")
    }
  }

  // MARK: Mounts

  /// Sources of bind mounts by their places.
  private var binds: [(destination: String, source: String)] {
    get throws {
      try (bundle.config.mounts ?? []).compactMap { mount in
        guard try MountOptions(mount.options ?? []).bind != nil, let source = mount.source else { return nil }
        let path = FilePath(source)
        return (
          FilePath(mount.destination).lexicallyNormalized().string,
          path.isAbsolute ? source : bundle.path.appending(path.components).string
        )
      }
    }
  }

  /// Masked files lie under the host's /dev/null; directories under an empty file system, which criu saves.
  func mounts(of pid: pid_t) throws -> [String] {
    let root = try attempt("open the root of process \(pid)") { () throws(Errno) in
      try openat2(workingDirectory, "/proc/\(pid)/root", flags: pathOnly | O_DIRECTORY)
    }
    let tree = RootTree(root: OpenFile(root))
    let files = (bundle.config.linux?.maskedPaths ?? []).filter { path in
      guard let file = try? tree.open(path), let found = try? status(of: file.number) else { return false }
      return !found.isDirectory
    }
    return (try binds.map(\.destination) + files).map { "mnt[\($0)]:\($0)" }
  }

  func mountsToRestore() throws -> [String] {
    try binds.map { "mnt[\($0.destination)]:\($0.source)" }
      + (bundle.config.linux?.maskedPaths ?? []).map { "mnt[\($0)]:/dev/null" }
  }

  // MARK: Namespaces

  func namespaces(of pid: pid_t) throws -> [String] {
    try Self.namespaces.compactMap { kind, key, prefix in
      guard bundle.namespace(kind)?.path?.isEmpty == false else { return nil }
      let file = try attempt("open the \(kind.rawValue) namespace of process \(pid)") { () throws(Errno) in
        try openat2(workingDirectory, "/proc/\(pid)/ns/\(prefix)", flags: O_RDONLY)
      }
      let found = try attempt("look at a namespace") { () throws(Errno) in try status(of: file.number) }
      return "\(prefix)[\(found.st_ino)]:\(key)"
    }
  }

  // MARK: Streams

  /// What standard input, output and error are, so that the restorer's can take the place of pipes and of files that
  /// lie outside of the container. (descriptors.json, as runc's; `file[…]:path` is ours)
  ///
  /// - Returns: the files outside, by the names that criu gives them.
  static func saveStreams(of pid: pid_t, in images: CInt) throws -> [String] {
    let mounts = try mountNumbers(of: pid)
    let names = (0...2).map { number in
      let name = readLink(workingDirectory, "/proc/\(pid)/fd/\(number)") ?? "/dev/null"
      return outside(mounts, pid, number, name) ?? name
    }
    let text = try JSONText.encode(names)
    try attempt("write \(streamsName)") { () throws(Errno) in
      let file = try openat2(images, streamsName, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
      try writeAll(file.number, text)
    }
    return Array(Set(names.compactMap { fileKey($0) }))
  }

  private static func mountNumbers(of pid: pid_t) throws -> Set<Substring> {
    let path = FilePath("/proc/\(pid)/mountinfo")
    let text = try attempt("read \(path)") { () throws(Errno) in try readFile(path, limit: 16 << 20) }
    return Set(String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { $0.split(separator: " ").first })
  }

  /// A file of a mount that the container does not have; nil for all else.
  private static func outside(_ mounts: Set<Substring>, _ pid: pid_t, _ number: Int, _ name: String) -> String? {
    guard name.hasPrefix("/"), let text = try? readFile(FilePath("/proc/\(pid)/fdinfo/\(number)"), limit: 4096),
      let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first(where: { $0.hasPrefix("mnt_id:") }),
      let mount = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).last, !mounts.contains(mount),
      let identifier = Int(mount), let file = try? openat2(workingDirectory, "/proc/\(pid)/fd/\(number)", flags: pathOnly),
      let found = try? status(of: file.number)
    else { return nil }
    return "file[\(String(identifier, radix: 16)):\(String(found.st_ino, radix: 16))]:\(name)"
  }

  private static func fileKey(_ name: String) -> String? {
    guard name.hasPrefix("file["), let end = name.firstIndex(of: "]") else { return nil }
    return String(name[...end])
  }

  /// What stands in for the streams that the container had, by criu's names: the caller's, but what was nothing stays
  /// nothing. criu restores the place in a file, which the caller's terminal does not have.
  static func streams(from images: CInt) throws -> [(key: String, file: OpenFile)] {
    let text: [UInt8]
    do throws(Errno) {
      let file = try openat2(images, streamsName, flags: O_RDONLY)
      text = try readAll(file.number, limit: 64 << 10)
    } catch {
      throw RuntimeError.call(doing: "read \(streamsName) beside the images", error, .other)
    }
    let names = try JSONText.decode([String].self, text, name: streamsName).prefix(3)
    return try names.enumerated().compactMap { number, name in
      guard let key = name.hasPrefix("pipe:") ? name : fileKey(name) else { return nil }
      let file = try attempt("take a stream for the container") { () throws(Errno) in
        name.hasSuffix("]:/dev/null")
          ? try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
          : OwnedDescriptor(try Errno.check(fcntl(CInt(number), F_DUPFD_CLOEXEC, 3)))
      }
      return (key, OpenFile(file))
    }
  }
}
