import CKernel
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

extension RuntimeHost {
  /// A root of its own, changed before the container starts, as whoever makes an image can.
  func image(_ change: (FilePath) throws -> Void) throws -> FilePath {
    let root = directory.appending("image\(UInt32.random(in: 0...UInt32.max))")
    try makeRoot(root)
    try change(root)
    return root
  }

  func link(_ target: String, _ path: FilePath) throws {
    unlink(path.string)
    rmdir(path.string)
    try Errno.check(symlink(target, path.string))
  }
}

/// A directory of the host's that no container has anything to do with.
struct Outside {
  let path: FilePath
  private let before: [String]

  /// - Parameter files: what is in it, each with its own name as content.
  init(_ host: RuntimeHost, files: [String] = []) throws {
    path = host.directory.appending("outside")
    try makeDirectories(path)
    for file in files { try host.write(path.appending(file), file) }
    before = try Self.look(path)
  }

  /// What has changed in it; empty is well.
  func changes() throws -> [String] {
    let now = try Self.look(path)
    return Set(now).symmetricDifference(before).sorted()
  }

  private static func look(_ path: FilePath) throws -> [String] {
    try directoryEntries(of: path).map { name in
      var status = stat()
      try Errno.check(lstat(path.appending(name).string, &status))
      let text =
        status.st_mode & S_IFMT == S_IFREG ? String(decoding: try readFile(path.appending(name)), as: UTF8.self) : ""
      return "\(name) mode \(String(status.st_mode, radix: 8)) owner \(status.st_uid) device \(status.st_rdev) \(text)"
    }
  }
}

/// Somebody with a hand in a directory that the container has, who changes what a name in it is as fast as can be.
final class Exchange {
  private final class Names {
    let one: UnsafeMutablePointer<CChar>
    let other: UnsafeMutablePointer<CChar>
    let target: UnsafeMutablePointer<CChar>?

    init(_ one: FilePath, _ other: FilePath, _ target: FilePath?) {
      (self.one, self.other) = (strdup(one.string), strdup(other.string))
      self.target = target.map { strdup($0.string) }
    }

    deinit { for text in [one, other, target] { free(text) } }

    /// Until one of the names has gone.
    func exchange() { while kernel_renameat2(workingDirectory, one, workingDirectory, other, 2) == 0 {} }

    /// Until the other name is taken.
    func replace() {
      guard let target else { return }
      while symlink(target, other) == 0, rename(other, one) == 0 {}
    }
  }

  private let stop: () -> Void
  private var thread = pthread_t()

  /// Two names, a directory and a link: at every moment each is one of them. (renameat2(2), RENAME_EXCHANGE)
  init(_ one: FilePath, _ other: FilePath) throws {
    stop = { rename(one.string, "\(one).gone") }
    try start(Names(one, other, nil))
  }

  /// A name that becomes a link again, whatever the runtime has made of it.
  init(replacing name: FilePath, with target: FilePath) throws {
    let other = FilePath("\(name).next")
    stop = { while mkdir(other.string, 0o700) != 0, Errno.current == .fileExists {} }
    try start(Names(name, other, target))
  }

  private func start(_ names: Names) throws {
    let result = pthread_create(
      &thread, nil,
      { context in
        guard let context else { return nil }
        let names = Unmanaged<Names>.fromOpaque(context).takeRetainedValue()
        if names.target == nil { names.exchange() } else { names.replace() }
        return nil
      }, Unmanaged.passRetained(names).toOpaque())
    guard result == 0 else { throw Errno(rawValue: result) }
  }

  deinit {
    stop()
    pthread_join(thread, nil)
  }
}
