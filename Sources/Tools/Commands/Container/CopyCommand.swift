internal import ArgumentParser
internal import Engine
internal import Glibc
internal import Kernel
internal import Layers
internal import SystemPackage

struct CopyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cp", abstract: "Copy files between a container and this machine.",
    discussion: "One of the two is CONTAINER:PATH. - stands for a tar archive on standard input or output.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Keep owners.") var archive = false
  @Flag(name: [.customShort("L"), .long], help: "Copy what a link leads to.") var followLink = false
  @Flag(name: .shortAndLong, help: "Do not say what was copied.") var quiet = false
  @Argument(help: "[CONTAINER:]PATH, or -.") var source: String
  @Argument(help: "[CONTAINER:]PATH, or -.") var destination: String

  func run() throws {
    switch (Self.split(source), Self.split(destination)) {
    case (let from?, nil):
      try copyOut(from.container, from.path, try global.engine())
      if destination != "-", !quiet { report("\(destination)") }
    case (nil, let to?):
      try copyIn(to.container, to.path, try global.engine())
      if source != "-", !quiet { report("\(to.container):\(to.path)") }
    case (.some, .some): throw Failure("copying between containers is not supported")
    case (nil, nil): throw Failure("must specify at least one container source")
    }
  }

  private func report(_ destination: String) {
    if Terminal.errorIsTerminal { printError("Successfully copied to \(destination)") }
  }

  /// nil for a path of this machine: one that begins with `/` or `.`, or has no colon.
  private static func split(_ text: String) -> (container: String, path: String)? {
    guard !text.hasPrefix("/"), !text.hasPrefix("."), let colon = text.firstIndex(of: ":"), colon != text.startIndex
    else { return nil }
    return (String(text[..<colon]), String(text[text.index(after: colon)...]))
  }

  /// `dir/.`: what is in it.
  private static func meansContents(_ path: String) -> Bool { path == "." || path.hasSuffix("/.") }

  private static func name(of path: String) -> String {
    FilePath(path).lexicallyNormalized().lastComponent?.string ?? "."
  }

  // MARK: Out of a container

  private func copyOut(_ container: String, _ path: String, _ engine: Engine) throws {
    guard let status = try engine.status(of: path, in: container, followLink: followLink || path.hasSuffix("/")) else {
      throw EngineError.noSuchPath(container: container, path: path)
    }
    let follows = followLink || path.hasSuffix("/")
    if destination == "-" {
      if Terminal.outputIsTerminal { throw Failure("cowardly refusing to copy to a terminal: redirect it") }
      return try engine.copyOut(path, from: container, as: Self.name(of: path), followLink: follows) {
        try AttachedSession.write(Array($0), to: STDOUT_FILENO)
      }
    }
    let place = try localPlace(sourceIsDirectory: status.isDirectory, path)
    let owner = archive ? nil : UnpackOptions.Owner(userID: geteuid(), groupID: getegid())
    let unpacker = try LayerUnpacker(into: FilePath(place.directory), options: .archive(owner: owner))
    try engine.copyOut(path, from: container, as: place.name, followLink: follows) { try unpacker.write($0) }
    _ = try unpacker.finish()
  }

  /// The directory to unpack in, which exists, and the name there. (docker cp)
  private func localPlace(sourceIsDirectory: Bool, _ source: String) throws -> (directory: String, name: String) {
    var status = stat()
    let target = FilePath(destination)
    guard stat(destination, &status) == 0 else {
      let parent = target.removingLastComponent()
      let directory = parent.isEmpty ? "." : parent.string
      if destination.hasSuffix("/"), !sourceIsDirectory { throw Failure("\(destination): no such directory") }
      guard stat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw Failure("invalid output path: directory \"\(directory)\" does not exist")
      }
      return (directory, target.lastComponent?.string ?? ".")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      if sourceIsDirectory { throw Failure("cannot copy a directory onto the file \(destination)") }
      if destination.hasSuffix("/") { throw Failure("\(destination) is not a directory") }
      let parent = target.removingLastComponent()
      return (parent.isEmpty ? "." : parent.string, target.lastComponent?.string ?? ".")
    }
    return (destination, sourceIsDirectory && Self.meansContents(source) ? "." : Self.name(of: source))
  }

  // MARK: Into a container

  private func copyIn(_ container: String, _ path: String, _ engine: Engine) throws {
    let owner = archive ? nil : UnpackOptions.Owner(userID: 0, groupID: 0)
    if source == "-" {
      guard let status = try engine.status(of: path, in: container, followLink: true), status.isDirectory else {
        throw Failure("destination \"\(container):\(path)\" must be a directory")
      }
      // As the archive has them.
      let unpacker = try engine.copyIn(to: path, of: container, owner: nil)
      var buffer = [UInt8](repeating: 0, count: 256 << 10)
      while case let count = read(STDIN_FILENO, &buffer, buffer.count), count != 0 {
        if count < 0 {
          if errno == EINTR { continue }
          throw Failure("read standard input: \(Errno.current)")
        }
        try buffer[..<count].withUnsafeBytes { try unpacker.write($0) }
      }
      _ = try unpacker.finish()
      return
    }
    var status = stat()
    let follows = followLink || source.hasSuffix("/")
    guard (follows ? stat(source, &status) : lstat(source, &status)) == 0 else {
      throw Failure("lstat \(source): \(Errno.current)")
    }
    let isDirectory = status.st_mode & S_IFMT == S_IFDIR
    let place = try containerPlace(container, path, sourceIsDirectory: isDirectory, engine)
    let unpacker = try engine.copyIn(to: place.directory, of: container, owner: owner)
    let writer = TarWriter { try unpacker.write($0) }
    let here = FilePath(source)
    let parent = here.removingLastComponent()
    // `.` and `..` are directories of their own.
    let base = isDirectory ? source : parent.isEmpty ? "." : parent.string
    let directory = try open(base)
    try writeEntry(
      at: isDirectory ? "." : here.lastComponent?.string ?? ".", in: directory.number, as: place.name,
      followLink: followLink,
      to: writer)
    try writer.finish()
    _ = try unpacker.finish()
  }

  private func open(_ path: String) throws -> OwnedDescriptor {
    do { return try openat2(workingDirectory, path, flags: O_RDONLY | O_DIRECTORY) } catch {
      throw Failure("open \(path): \(error)")
    }
  }

  /// The directory of the container to unpack in, and the name there. (docker cp)
  private func containerPlace(
    _ container: String, _ path: String, sourceIsDirectory: Bool, _ engine: Engine
  ) throws -> (directory: String, name: String) {
    let path = path.isEmpty ? "/" : path
    let target = FilePath(path.hasPrefix("/") ? path : "/" + path)
    let parent = target.removingLastComponent().string
    guard let status = try engine.status(of: path, in: container, followLink: true) else {
      if path.hasSuffix("/"), !sourceIsDirectory { throw EngineError.noSuchPath(container: container, path: path) }
      guard try engine.status(of: parent, in: container, followLink: true)?.isDirectory == true else {
        throw EngineError.noSuchPath(container: container, path: parent)
      }
      return (parent, target.lastComponent?.string ?? ".")
    }
    guard status.isDirectory else {
      if sourceIsDirectory { throw Failure("cannot copy a directory onto the file \(container):\(path)") }
      if path.hasSuffix("/") { throw Failure("\(container):\(path) is not a directory") }
      return (parent, target.lastComponent?.string ?? ".")
    }
    return (path, sourceIsDirectory && Self.meansContents(source) ? "." : try localName())
  }

  /// The last part of the source's name, also of `.` and `dir/..`.
  private func localName() throws -> String {
    let path = FilePath(source.hasPrefix("/") ? source : try Execution.workingDirectoryPath() + "/" + source)
    return path.lexicallyNormalized().lastComponent?.string ?? "."
  }
}
