import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The container's root while it is being furnished. Every path in it is resolved by the kernel with the root as `/`,
/// and used through the descriptor that came out: a link in an image or in a volume that others write to leads nowhere
/// outside. (CVE-2019-19921, CVE-2021-30465, CVE-2023-27561, CVE-2023-28642, CVE-2025-31133, CVE-2025-52565,
/// CVE-2025-52881)
struct RootTree {
  let root: OpenFile

  enum Kind { case directory, file }

  /// A place in the root, as O_PATH. Links are followed inside the root, magic links never.
  func open(_ path: String, flags: CInt = pathOnly, resolve: PathResolution = []) throws(Errno) -> OwnedDescriptor {
    let relative = path.drop { $0 == "/" }
    return try openat2(
      root.number, relative.isEmpty ? "." : String(relative), flags: flags,
      resolve: resolve.union([.inRoot, .noMagicLinks]))
  }

  /// The same, made with its parents where it is missing.
  func openMaking(_ path: String, _ kind: Kind, resolve: PathResolution = []) throws(Errno) -> OwnedDescriptor {
    do { return try open(path, resolve: resolve) } catch { guard error == .noSuchFileOrDirectory else { throw error } }
    return try make(path, kind, resolve, linksLeft: 40)
  }

  private func make(_ path: String, _ kind: Kind, _ resolve: PathResolution, linksLeft: Int) throws(Errno)
    -> OwnedDescriptor
  {
    guard linksLeft > 0 else { throw .tooManySymbolicLinkLevels }
    let components = path.split(separator: "/").map { String($0) }
    var walked = ""
    for (index, component) in components.enumerated() {
      let next = walked + "/" + component
      let last = index == components.count - 1
      do {
        _ = try open(next, resolve: resolve)
        walked = next
        continue
      } catch {
        guard error == .noSuchFileOrDirectory else { throw error }
      }
      let parent = try open(walked, flags: pathOnly | O_DIRECTORY, resolve: resolve)
      let result =
        last && kind == .file
        ? mknodat(parent.number, component, S_IFREG | 0o644, 0) : mkdirat(parent.number, component, 0o755)
      if result < 0 {
        guard Errno.current == .fileExists else { throw Errno.current }
        // Somebody else was first, or it is a link that leads to something that is not there: make what it names, still
        // inside the root.
        guard let target = readLink(parent.number, component) else {
          walked = next
          continue
        }
        guard !resolve.contains(.noSymlinks) else { throw .tooManySymbolicLinkLevels }
        let base = target.hasPrefix("/") ? target : walked + "/" + target
        let rest = components[(index + 1)...].joined(separator: "/")
        return try make(rest.isEmpty ? base : base + "/" + rest, kind, resolve, linksLeft: linksLeft - 1)
      }
      walked = next
    }
    return try open(walked, resolve: resolve)
  }

  /// Where a descriptor is, for a message and for checks on procfs: a path of the host that begins with the root's.
  static func path(of descriptor: CInt) -> String { readLink(workingDirectory, "/proc/self/fd/\(descriptor)") ?? "" }
}

/// nil where it is not a link.
func readLink(_ directory: CInt, _ name: String) -> String? {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlinkat(directory, name, &buffer, buffer.count)
  guard count >= 0 else { return nil }
  return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

func status(of descriptor: CInt) throws(Errno) -> stat {
  var status = stat()
  try Errno.check(fstat(descriptor, &status))
  return status
}

extension stat {
  var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
  var isCharacterDevice: Bool { st_mode & S_IFMT == S_IFCHR }
}
