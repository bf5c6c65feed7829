internal import Glibc
import Kernel
public import Layers
import Snapshots
internal import SystemPackage

/// What is at a path in a container.
public struct ContainerPathStatus: Sendable, Hashable {
  public var isDirectory: Bool
  public var isLink: Bool
}

extension Engine {
  /// What is at a path; nil where there is nothing.
  ///
  /// - Parameter followLink: looks at what a link leads to.
  public func status(of path: String, in nameOrID: String, followLink: Bool) throws -> ContainerPathStatus? {
    let place = try root(of: container(nameOrID), for: path, writable: false)
    do throws(Errno) {
      let found = try openat2(
        place.number, place.path, flags: pathOnly | (followLink ? 0 : O_NOFOLLOW), resolve: [.inRoot, .noMagicLinks])
      var status = stat()
      try Errno.check(fstat(found.number, &status))
      let type = status.st_mode & S_IFMT
      return ContainerPathStatus(isDirectory: type == S_IFDIR, isLink: type == S_IFLNK)
    } catch {
      if error == .noSuchFileOrDirectory || error == .notDirectory { return nil }
      throw EngineError.system(operation: "look at", path: FilePath(path), error)
    }
  }

  /// Writes what is at a path of a container as a tar archive, in which it is called `name`.
  public func copyOut(
    _ path: String, from nameOrID: String, as name: String, followLink: Bool = false,
    to write: @escaping (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let container = try container(nameOrID)
    let place = try root(of: container, for: path, writable: false)
    let writer = TarWriter(write)
    do {
      try writeEntry(at: place.path, in: place.number, as: name, followLink: followLink, to: writer)
    } catch LayerError.system(_, _, let error) where error == .noSuchFileOrDirectory || error == .notDirectory {
      throw EngineError.noSuchPath(container: container.name, path: path)
    }
    try writer.finish()
  }

  /// Takes a tar archive in, to unpack it in a directory of a container. Links on the way stay inside the container.
  ///
  /// - Parameter owner: of all that is made; nil keeps the archive's.
  public func copyIn(to directory: String, of nameOrID: String, owner: UnpackOptions.Owner?) throws -> LayerUnpacker {
    let container = try container(nameOrID)
    if container.record.options.readOnlyRoot, mount(of: container, at: directory) == nil {
      throw EngineError.input("container rootfs is marked read-only")
    }
    let place = try root(of: container, for: directory, writable: true)
    do throws(Errno) {
      _ = try openat2(place.number, place.path, flags: pathOnly | O_DIRECTORY, resolve: [.inRoot, .noMagicLinks])
    } catch {
      throw EngineError.noSuchPath(container: container.name, path: directory)
    }
    let number = place.number
    let own = try { () throws(Errno) in try openat2(number, ".", flags: O_RDONLY | O_DIRECTORY) }()
    return try LayerUnpacker(root: own, subdirectory: place.path, options: .archive(owner: owner))
  }

  // MARK: -

  /// A directory that stands for `/`, and a path below it.
  private struct Place: ~Copyable {
    let root: OwnedDescriptor
    let path: String
    var number: CInt { root.number }
  }

  private func root(of container: Container, for path: String, writable: Bool) throws -> Place {
    let path = path.hasPrefix("/") ? path : "/" + path
    do throws(Errno) {
      if container.isRunning, let pid = container.state.pid {
        return Place(root: try openat2(workingDirectory, "/proc/\(pid)/root", flags: O_RDONLY | O_DIRECTORY), path: Self.relative(path))
      }
      // Its volumes are not mounted: those are looked at where they are.
      if let mount = mount(of: container, at: path), let source = mount.source {
        let rest = String(FilePath(path).lexicallyNormalized().string.dropFirst(mount.target.count))
        var status = stat()
        if stat(source, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
          return Place(root: try openat2(workingDirectory, source, flags: O_RDONLY | O_DIRECTORY), path: Self.relative(rest))
        }
        let file = FilePath(source)
        return Place(
          root: try openat2(workingDirectory, file.removingLastComponent().string, flags: O_RDONLY | O_DIRECTORY),
          path: file.lastComponent?.string ?? ".")
      }
    } catch {
      throw EngineError.system(operation: "open the root of container", path: FilePath(container.name), error)
    }
    let directory = directory(of: container.id)
    let snapshot = try container.record.snapshot.map { try snapshots.snapshot($0) }
    let view = try snapshots.openView(snapshot, upper: directory.appending("upper"), work: directory.appending("work"))
    do { return Place(root: try openat2(view.number, ".", flags: O_RDONLY | O_DIRECTORY), path: Self.relative(path)) } catch {
      throw EngineError.system(operation: "open the root of container", path: FilePath(container.name), error)
    }
  }

  private static func relative(_ path: String) -> String {
    let rest = path.drop { $0 == "/" }
    return rest.isEmpty ? "." : String(rest)
  }

  /// The innermost bind mount or volume that a path is in.
  private func mount(of container: Container, at path: String) -> ContainerRecord.Mount? {
    let path = FilePath(path.hasPrefix("/") ? path : "/" + path).lexicallyNormalized().string
    return container.record.mounts.filter { mount in
      mount.kind != .tmpfs && (path == mount.target || path.hasPrefix(mount.target + "/"))
    }.max { $0.target.utf8.count < $1.target.utf8.count }
  }
}
