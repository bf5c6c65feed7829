import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The last step into the container's root.
struct RootEntry {
  let bundle: Bundle
  /// At the root of its mount.
  let root: OpenFile
  let noPivot: Bool

  func run() throws {
    let pivots = bundle.makes(.mount) && !noPivot
    try attempt("\(pivots ? "pivot" : "change") to the container's root", .rootfs) { () throws(Errno) in
      try Errno.check(fchdir(root.number))
    }
    if bundle.makes(.mount), noPivot { try hideKernelFileSystems() }
    try attempt("\(pivots ? "pivot" : "change") to the container's root", .rootfs) { () throws(Errno) in
      // In a mount namespace that is joined, pivot_root would take the root from everybody in it.
      if pivots { try Mounts.pivotToWorkingDirectory() } else { try Mounts.enterWorkingDirectory() }
      if bundle.config.root?.readonly == true { try Mounts.change(root.number, set: .readOnly) }
    }
    guard let name = bundle.config.linux?.rootfsPropagation, let (propagation, _) = MountOptions.propagation(name)
    else {
      return
    }
    // Volumes have been given theirs already: only the root's own is left to set, also for the recursive kinds.
    try attempt("set the propagation of the root", .rootfs) { () throws(Errno) in
      try Mounts.change(root.number, propagation: propagation)
    }
  }

  /// Without pivot_root the host's mounts stay below the container's root. While a whole proc or sysfs is among them,
  /// the kernel lets a user namespace mount new ones without what is masked in the container's.
  private func hideKernelFileSystems() throws {
    let table = try attempt("read /proc/self/mountinfo", .mount) { () throws(Errno) in
      try readFile("/proc/self/mountinfo", limit: 64 << 20)
    }
    var places: [String] = []
    for line in table.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
      guard let end = fields.firstIndex(of: "-"), end + 1 < fields.count, fields.count > 4 else { continue }
      if fields[end + 1] == "proc" || fields[end + 1] == "sysfs" { places.append(fields[4]) }
    }
    // The last mounted first. This process's root is still the host's: paths lead there, and not to the container's.
    for place in places.reversed() { try hide(place) }
  }

  private func hide(_ place: String) throws {
    do throws(Errno) { try Mounts.detach(place) } catch {
      // The container's own have the same names in the list, and are not there on these paths.
      if error == .invalidArgument || error == .noSuchFileOrDirectory { return }
      // Locked together by a user namespace: then it is covered.
      guard error == .notPermitted else {
        throw RuntimeError.call(doing: "unmount the host's \(place)", error, .mount)
      }
      try attempt("cover the host's \(place)", .mount) { () throws(Errno) in
        try Mounts.mount("tmpfs", source: "tmpfs", on: place, flags: 1 /* MS_RDONLY */, data: "")
      }
    }
  }
}
