import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The program that a process is to become.
enum Program {
  /// Where the environment has no PATH, as execvp(3).
  static let standardPath = "/bin:/usr/bin"

  /// The file of the first argument, as the current user in the current root finds it.
  ///
  /// - Parameter own: the runtime's own file, which no container executes. (CVE-2019-5736)
  static func find(_ name: String, environment: [String], own: CInt) throws -> String {
    guard !name.isEmpty else { throw RuntimeError.program(name, .empty) }
    if name.contains("/") {
      try check(name, name, own)
      return name
    }
    let path = environment.last { $0.hasPrefix("PATH=") }.map { String($0.dropFirst(5)) } ?? standardPath
    var refused: RuntimeError?
    for directory in path.split(separator: ":", omittingEmptySubsequences: false) {
      let candidate = directory.isEmpty ? "./\(name)" : "\(directory)/\(name)"
      do {
        try check(candidate, name, own)
        return candidate
      } catch RuntimeError.program(_, .notFound) {
        continue
      } catch let error as RuntimeError {
        refused = refused ?? error
      }
    }
    throw refused ?? RuntimeError.program(name, .notInPath)
  }

  private static func check(_ path: String, _ name: String, _ own: CInt) throws {
    var status = stat()
    if stat(path, &status) != 0 {
      let error = Errno.current
      throw RuntimeError.program(
        name, error == .noSuchFileOrDirectory || error == .notDirectory ? .notFound : .notExecutable(error))
    }
    guard !status.isDirectory else { throw RuntimeError.program(name, .notExecutable(.permissionDenied)) }
    do throws(Errno) {
      try Execution.access(path, X_OK)
    } catch {
      throw RuntimeError.program(name, .notExecutable(error))
    }
    var ours = stat()
    if fstat(own, &ours) == 0, ours.st_dev == status.st_dev, ours.st_ino == status.st_ino {
      throw RuntimeError.program(name, .ownBinary)
    }
  }

  /// What execve refused, in the words of `find`.
  static func failure(_ name: String, _ error: Errno) -> RuntimeError {
    switch error {
    // The file is there: its interpreter, or a library's loader, is not.
    case .noSuchFileOrDirectory: .program(name, .notFound)
    default: .program(name, .notExecutable(error))
    }
  }

  /// HOME of a user by /etc/passwd of the current root; nil where it has no line.
  static func home(of uid: UInt32) -> String? {
    // Its content is the image's: bounded, and a link to something that does not end is refused by its type.
    guard
      let file = try? openat2(
        workingDirectory, "/etc/passwd", flags: O_RDONLY | O_NONBLOCK | O_NOCTTY, resolve: .noMagicLinks),
      let status = try? status(of: file.number), status.st_mode & S_IFMT == S_IFREG,
      let text = try? readAll(file.number, limit: 1 << 20)
    else { return nil }
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      if fields.count >= 6, UInt32(String(decoding: fields[2], as: UTF8.self)) == uid {
        return String(decoding: fields[5], as: UTF8.self)
      }
    }
    return nil
  }
}
