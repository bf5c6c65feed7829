internal import Glibc
internal import Kernel
public import SystemPackage

/// What the check looks for in an image's file system.
public struct ImageFiles: Sendable, Hashable {
  /// Programs that change who runs them, by absolute path in the image.
  public var privileged: [String] = []
  /// The topmost directories that the image's own user owns.
  public var writable: [String] = []

  public init(privileged: [String] = [], writable: [String] = []) {
    self.privileged = privileged
    self.writable = writable
  }

  /// Walks unpacked layers as overlayfs would show them.
  ///
  /// - Parameters:
  ///   - layers: their directories, topmost first.
  ///   - user: the image's numeric user.
  public init(layers: [FilePath], user: UInt32?) throws {
    let roots = try layers.map { try OpenFile($0.string, flags: O_RDONLY | O_DIRECTORY) }
    try withExtendedLifetime(roots) {
      try walk(roots.map(\.number), path: "", user: user, isOwned: false, depth: 0)
    }
    privileged.sort()
    writable.sort()
  }

  private mutating func walk(_ layers: [CInt], path: String, user: UInt32?, isOwned: Bool, depth: Int) throws {
    guard depth < 128 else { return }
    var seen: Set<String> = []
    for (index, layer) in layers.enumerated() {
      for name in try directoryEntries(layer) where seen.insert(name).inserted {
        var status = stat()
        guard fstatat(layer, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { throw Errno.current }
        let place = "\(path)/\(name)"
        switch status.st_mode & S_IFMT {
        case S_IFREG:
          if status.st_mode & 0o111 != 0, status.st_mode & 0o6000 != 0 || Self.hasCapabilities(layer, name) {
            privileged.append(place)
          }
        case S_IFDIR:
          let owned = user != nil && status.st_uid == user
          if owned, !isOwned { writable.append(place) }
          try descend(Array(layers[index...]), name, place, user, owned, depth)
        default: break
        }
      }
    }
  }

  /// The directory of that name, merged from the layers down to the first that hides those below.
  private mutating func descend(
    _ layers: [CInt], _ name: String, _ place: String, _ user: UInt32?, _ isOwned: Bool, _ depth: Int
  ) throws {
    var found: [OpenFile] = []
    for layer in layers {
      do {
        let directory = try OpenFile(
          layer, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: [.beneath, .noSymlinks])
        found.append(directory)
        if directory.isOpaque { break }
      } catch Errno.noSuchFileOrDirectory {
        continue
      } catch let error as Errno where [.notDirectory, .tooManySymbolicLinkLevels].contains(error) {
        // A file, a link or a whiteout: what is below it does not show.
        break
      }
    }
    try withExtendedLifetime(found) {
      try walk(found.map(\.number), path: place, user: user, isOwned: isOwned, depth: depth + 1)
    }
  }

  private static func hasCapabilities(_ directory: CInt, _ name: String) -> Bool {
    guard let file = try? OpenFile(directory, name, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK, resolve: .beneath) else { return false }
    return (try? extendedAttribute(file.number, "security.capability")) != nil
  }
}

extension OpenFile {
  fileprivate var isOpaque: Bool { (try? extendedAttribute(number, "trusted.overlay.opaque")) == [UInt8(ascii: "y")] }
}
