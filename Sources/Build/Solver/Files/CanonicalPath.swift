internal import Glibc
internal import Kernel
internal import SystemPackage

/// Where a path leads inside a root, links followed, and how much of it is there.
struct CanonicalPath: Hashable, Sendable {
  /// Without a slash in front, without links, `.` and `..`; empty is the root.
  var components: [String]
  /// The last ones that do not exist.
  var missing: Int

  var path: String { components.joined(separator: "/") }
  /// For calls that take a directory's descriptor: the root is `.`.
  var relative: String { components.isEmpty ? "." : path }
  var exists: Bool { missing == 0 }

  /// The paths of what is missing, topmost first.
  var missingPaths: [String] {
    (0..<missing).map { components.dropLast(missing - 1 - $0).joined(separator: "/") }
  }

  private static let linkLimit = 40

  /// Follows `path` in `root` by hand: the kernel does not say where a path leads that ends nowhere.
  ///
  /// - Parameter followLast: a link as the last component is followed, too.
  init(_ path: String, in root: CInt, followLast: Bool = true) throws {
    var rest = path.split(separator: "/").map(String.init)[...]
    var done: [String] = []
    var missing = 0
    var links = 0
    while let part = rest.popFirst() {
      if part == "." { continue }
      if part == ".." {
        if !done.isEmpty {
          done.removeLast()
          missing = max(0, missing - 1)
        }
        continue
      }
      if missing > 0 {
        done.append(part)
        missing += 1
        continue
      }
      let here = (done + [part]).joined(separator: "/")
      var status = stat()
      if fstatat(root, here, &status, AT_SYMLINK_NOFOLLOW) != 0 {
        let error = Errno.current
        guard error == .noSuchFileOrDirectory else {
          throw error == .notDirectory
            ? BuildError.destination("/" + done.joined(separator: "/"), "is not a directory")
            : BuildError.system(operation: "look at", path: "/" + here, error)
        }
        done.append(part)
        missing = 1
        continue
      }
      guard status.st_mode & S_IFMT == S_IFLNK, followLast || !rest.isEmpty else {
        done.append(part)
        continue
      }
      links += 1
      guard links <= Self.linkLimit else {
        throw BuildError.destination("/" + path, "too many levels of symbolic links")
      }
      let target = try linkTarget(root, here)
      if target.utf8.first == UInt8(ascii: "/") { done = [] }
      rest = (target.split(separator: "/").map(String.init) + rest)[...]
    }
    components = done
    self.missing = missing
  }
}

func linkTarget(_ directory: CInt, _ name: String) throws -> String {
  var buffer = [UInt8](repeating: 0, count: 4096)
  let count = buffer.withUnsafeMutableBytes {
    readlinkat(directory, name, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
  }
  guard count >= 0 else { throw BuildError.system(operation: "read the link", path: name, .current) }
  return String(decoding: buffer[..<count], as: UTF8.self)
}
