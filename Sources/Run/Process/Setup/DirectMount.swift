import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A file system that is mounted by mount(2), right on its place: fsconfig(2) takes no value above 255 bytes, and file
/// systems refuse the flag `iversion` there that they ignore here.
struct DirectMount {
  let tree: RootTree
  let mount: ContainerMount
  let options: MountOptions

  static func isNeeded(_ options: MountOptions) -> Bool {
    options.flags.contains("iversion") || options.data.contains { $0.1.utf8.count > 255 }
  }

  /// MS_… of mount(2).
  private static let flags: [String: UInt] = [
    "sync": 16, "mand": 64, "dirsync": 128, "silent": 32768, "iversion": 1 << 23, "lazytime": 1 << 25,
  ]

  /// - Parameter check: gets the place and then the mount on it, and refuses what must not be covered.
  func make(label: String?, _ check: (CInt, CInt) throws -> Void) throws -> OpenFile {
    let path = mount.destination
    let target = try attempt("make the mount point \(path)", .mount) { () throws(Errno) in
      try tree.openMaking(path, .directory)
    }
    var words = options.flags.filter { Self.flags[$0] == nil } + options.data.map { "\($0)=\($1)" }
    if let label { words.append("context=\"\(label)\"") }
    let data = words.joined(separator: ",")
    guard data.utf8.count < 4096 else {
      throw RuntimeError.unsupported(
        "mounting \(path) with \(data.utf8.count) bytes of options", reason: "the kernel takes 4095 at most")
    }
    let flags = options.flags.reduce(UInt(0)) { $0 | (Self.flags[$1] ?? 0) }
    let made = try attempt("mount \(mount.type ?? "none") on \(path)", .mount) { () throws(Errno) in
      let before = try status(of: target.number)
      try Mounts.mount(
        mount.type ?? "none", source: mount.source ?? "none", on: "/proc/self/fd/\(target.number)", flags: flags,
        data: data)
      // The descriptor of the place is still below the mount: only a path leads on top of it.
      let top = try tree.open(path)
      guard try status(of: top.number).st_dev != before.st_dev else { throw Errno(rawValue: EBUSY) }
      try Mounts.change(top.number, set: options.set)
      return OpenFile(top)
    }
    try check(target.number, made.number)
    return made
  }
}
