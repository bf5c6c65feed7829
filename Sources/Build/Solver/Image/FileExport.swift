internal import Glibc
internal import Kernel
internal import Layers
internal import Snapshots
internal import SystemPackage

extension Solver {
  /// Writes the files, without an image around them: `-o type=local`, `-o type=tar`.
  ///
  /// - Parameter destination: a directory that is filled, or an archive; nil is standard output.
  public func export(_ result: BuildResult, to destination: String?, asArchive: Bool) async throws {
    try await log.step("exporting to client \(asArchive ? "tarball" : "directory")") { _ in
      try await onThread { [environment] in
        let view = try environment.snapshots.openView(result.snapshot(environment.snapshots))
        if asArchive {
          try Self.writeArchive(of: view.number, to: destination)
        } else {
          try Self.fill(destination ?? ".", from: view.number)
        }
      }
    }
  }

  private static func writeArchive(of view: CInt, to destination: String?) throws {
    guard let destination else {
      _ = try writeTree(of: view, as: .plain) { try writeAll(STDOUT_FILENO, $0) }
      return
    }
    // It appears as a whole.
    let temporary = "\(destination).\(getpid()).tmp"
    let file = try opening("write", destination) { () throws(Errno) in
      try openat2(Kernel.workingDirectory, temporary, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: 0o644)
    }
    do {
      _ = try writeTree(of: view, as: .plain) { try writeAll(file.number, $0) }
      try Errno.check(rename(temporary, destination))
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// By way of an archive: it has all that a file can have, and nothing leaves the directory.
  private static func fill(_ destination: String, from view: CInt) throws {
    do throws(Errno) { try makeDirectories(FilePath(destination)) } catch {
      throw BuildError.system(operation: "make", path: destination, error)
    }
    let unpacker = try LayerUnpacker(into: FilePath(destination), options: .archive(owner: nil))
    _ = try writeTree(of: view, as: .plain) { try unpacker.write($0) }
    _ = try unpacker.finish()
  }
}
