internal import Glibc
internal import Kernel
internal import Snapshots
internal import SystemPackage

/// Looks at files of an image without mounting it, layer by layer. What a link is part of needs the mounted view.
struct LayerFiles {
  enum Answer<Found> {
    case found(Found)
    case absent
    /// A link or something odd is on the way.
    case unclear
  }

  let layers: [FilePath]

  init(_ snapshot: Snapshot?, _ store: SnapshotStore) throws {
    layers = snapshot == nil ? [] : try store.lowerPaths(snapshot)
  }

  /// Content of an ordinary file, of at most 4 MiB.
  func read(_ path: String) -> Answer<[UInt8]> {
    for layer in layers {
      switch open(path, in: layer, flags: O_RDONLY | O_NONBLOCK) {
      case .found(let number):
        let file = OwnedDescriptor(number)
        var status = stat()
        guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
          let bytes = try? readAll(file.number, limit: 4 << 20)
        else { return .unclear }
        return .found(bytes)
      case .absent: return .absent
      case .unclear: return .unclear
      case nil: continue
      }
    }
    return .absent
  }

  func isDirectory(_ path: String) -> Answer<Bool> {
    let relative = String(path.drop { $0 == "/" })
    if relative.isEmpty { return .found(true) }
    for layer in layers {
      switch open(relative, in: layer, flags: pathOnly | O_DIRECTORY) {
      case .found(let number):
        close(number)
        return .found(true)
      case .absent: return .absent
      case .unclear: return .unclear
      case nil: continue
      }
    }
    return .absent
  }

  /// nil: the layers below decide.
  private func open(_ path: String, in layer: FilePath, flags: CInt) -> Answer<CInt>? {
    do throws(Errno) {
      let root = try openat2(workingDirectory, layer.string, flags: pathOnly | O_DIRECTORY)
      do throws(Errno) {
        return .found(try openat2(root.number, path, flags: flags, resolve: [.noSymlinks, .inRoot]).release())
      } catch {
        switch error {
        case .noSuchFileOrDirectory: return missing(path, in: root.number)
        // A whiteout is a character device without a driver.
        case .noSuchAddressOrDevice: return .absent
        default: return .unclear
        }
      }
    } catch {
      return .unclear
    }
  }

  /// Whether an opaque directory or a whiteout of one hides what the layers below have.
  private func missing(_ path: String, in root: CInt) -> Answer<CInt>? {
    let parts = path.split(separator: "/").dropLast()
    for count in stride(from: parts.count, through: 1, by: -1) {
      let parent = parts[..<count].joined(separator: "/")
      do throws(Errno) {
        let directory = try openat2(root, parent, flags: O_RDONLY | O_DIRECTORY, resolve: [.noSymlinks, .inRoot])
        let opaque = try? extendedAttribute(directory.number, "trusted.overlay.opaque")
        if opaque == [UInt8(ascii: "y")] { return .absent }
      } catch {
        if error == .noSuchFileOrDirectory { continue }
        return error == .notDirectory ? .absent : .unclear
      }
    }
    return nil
  }
}

/// Reads an ordinary file below an open directory that stands for `/`. nil where there is none.
func readFile(_ path: String, inRoot root: CInt, limit: Int = 4 << 20) throws(Errno) -> [UInt8]? {
  do throws(Errno) {
    let file = try openat2(root, path, flags: O_RDONLY | O_NONBLOCK, resolve: [.inRoot, .noMagicLinks])
    return try readAll(file.number, limit: limit)
  } catch {
    if error == .noSuchFileOrDirectory || error == .notDirectory { return nil }
    throw error
  }
}
