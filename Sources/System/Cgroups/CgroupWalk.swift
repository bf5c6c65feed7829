import Glibc
import Kernel
import SystemPackage

/// The cgroups below one, children before their parents, by descriptors.
///
/// A container may nest cgroups as deep as it likes: neither paths nor the stack nor descriptors grow with the depth.
struct CgroupWalk: ~Copyable {
  private let top: OwnedDescriptor

  init(_ top: consuming OwnedDescriptor) { self.top = top }

  /// - Parameter visit: the directory, the one above it and its name there; both nil for the top, which comes last.
  func run(_ visit: (_ directory: CInt, _ above: CInt?, _ name: String?) -> Void) throws(Errno) {
    var current = try top.duplicate()
    var names: [String] = []
    var pending = [try subdirectories(current.number)]
    while true {
      if let name = pending[pending.count - 1].popLast() {
        // One that has been removed meanwhile has nothing below it.
        guard let child = try? openat2(current.number, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW) else {
          continue
        }
        pending.append((try? subdirectories(child.number)) ?? [])
        names.append(name)
        current = child
        continue
      }
      guard let name = names.popLast() else { return visit(current.number, nil, nil) }
      pending.removeLast()
      let above = try openat2(current.number, "..", flags: O_RDONLY | O_DIRECTORY)
      visit(current.number, above.number, name)
      current = above
    }
  }
}
