public import DockerfileSyntax
internal import Glibc
internal import Kernel
internal import Layers
public import SystemPackage

/// A Dockerfile and the files that it may copy.
public struct BuildInput: Sendable {
  public let dockerfile: Dockerfile
  /// The Dockerfile as it is written.
  let source: String
  /// nil where the Dockerfile came alone.
  let tree: SourceTree?
  /// Where the context was given, for what is remembered about its files.
  let place: String?
  /// Holds the files of a context that came as an archive.
  let unpacked: WorkDirectory?

  private static let dockerfileLimit = 16 << 20

  /// - Parameters:
  ///   - context: a directory, or `-`: an archive or a Dockerfile on `input`.
  ///   - file: the Dockerfile's path; `-` reads it from `input`; nil is `Dockerfile` in the context.
  ///   - builds: where an archive may be unpacked.
  public static func read(context: String, file: String?, input: CInt, builds: FilePath) throws -> BuildInput {
    if let kind = remoteKind(context) {
      throw BuildError.context(
        "\(kind) as build context (\(context)) is not supported by clipper build; fetch it first and name the directory"
      )
    }
    if context == "-" {
      guard file != "-" else {
        throw BuildError.context("invalid argument: can't use stdin for both build context and dockerfile")
      }
      return try read(stream: input, file: file, builds: builds)
    }
    let root = try opening("open the build context", context) { () throws(Errno) in
      try openat2(Kernel.workingDirectory, context, flags: O_RDONLY | O_DIRECTORY)
    }
    let source: String
    let name: String
    var own: String?
    switch file {
    case "-":
      source = try text(input, "standard input")
      name = "Dockerfile"
    case let file?:
      // Like docker's, it is looked for from here; what is in the context only is found there.
      let here = access(file, F_OK) == 0 || file.hasPrefix("/") ? file : context + "/" + file
      source = try text(here)
      name = file
      own = here + ".dockerignore"
    case nil:
      let names = ["Dockerfile", "dockerfile"]
      guard let found = names.first(where: { access(context + "/" + $0, F_OK) == 0 }) else {
        throw BuildError.context(
          "failed to read dockerfile: open \(context)/Dockerfile: no such file or directory; name another with -f")
      }
      source = try text(context + "/" + found)
      name = found
      own = context + "/" + found + ".dockerignore"
    }
    let dockerfile = try Dockerfile(parsing: source, file: name)
    let ignore = try ignoreFile([own, context + "/.dockerignore"].compactMap { $0 })
    var status = stat()
    fstat(root.number, &status)
    return BuildInput(
      dockerfile: dockerfile, source: source, tree: SourceTree(root, ignore: ignore, isContext: true),
      place: "\(status.st_dev)-\(status.st_ino)", unpacked: nil)
  }

  /// An archive or a Dockerfile from a stream.
  private static func read(stream input: CInt, file: String?, builds: FilePath) throws -> BuildInput {
    var start = [UInt8](repeating: 0, count: 64 << 10)
    var count = 0
    while count < start.count {
      let more = start.withUnsafeMutableBytes { Glibc.read(input, $0.baseAddress! + count, $0.count - count) }
      if more < 0, errno == EINTR { continue }
      guard more >= 0 else { throw BuildError.system(operation: "read", path: "standard input", .current) }
      if more == 0 { break }
      count += more
    }
    start.removeLast(start.count - count)
    guard Compression.detect(start) != .none || Archive.isHeader(start) else {
      let rest = try readAll(input, limit: Self.dockerfileLimit)
      let text = String(decoding: start + rest, as: UTF8.self)
      return BuildInput(
        dockerfile: try Dockerfile(parsing: text, file: file ?? "Dockerfile"), source: text, tree: nil, place: nil,
        unpacked: nil)
    }
    let directory = try WorkDirectory(below: builds)
    let files = directory.path.appending("context")
    let root = try opening("make", files.string) { () throws(Errno) in
      try makeDirectories(files, mode: 0o700)
      return try openat2(Kernel.workingDirectory, files.string, flags: O_RDONLY | O_DIRECTORY)
    }
    do {
      let unpacker = try LayerUnpacker(into: files, options: .archive(owner: nil))
      try unpacker.write(start)
      try Archive.read(input) { try unpacker.write($0) }
      _ = try unpacker.finish()
    } catch {
      throw BuildError.context("the build context on standard input: \(error)")
    }
    let tree = SourceTree(root, isContext: true)
    let name = file ?? "Dockerfile"
    guard let text = try tree.text(name) else {
      throw BuildError.context("failed to read dockerfile: \(name) is not in the build context on standard input")
    }
    let dockerfile = try Dockerfile(parsing: text, file: name)
    var ignore = IgnoreFile()
    for ignoreName in [name + ".dockerignore", ".dockerignore"] {
      if let text = try tree.text(ignoreName) {
        ignore = try IgnoreFile(parsing: text, file: ignoreName)
        break
      }
    }
    return BuildInput(
      dockerfile: dockerfile, source: text, tree: try tree.ignoring(ignore), place: nil, unpacked: directory)
  }

  /// The lines around a place, for people: those that it is about are marked.
  public func excerpt(around location: SourceRange) -> String? {
    guard location.file == dockerfile.stages.first?.location.file else { return nil }
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    let last = min(location.lastLine, location.firstLine + 9, lines.count)
    guard location.firstLine >= 1, location.firstLine <= last else { return nil }
    let rule = String(repeating: "-", count: 20)
    var text = "\(location)\n\(rule)\n"
    for number in max(1, location.firstLine - 2)...min(lines.count, last + 2) {
      let mark = (location.firstLine...last).contains(number) ? ">>>" : "   "
      let digits = String(number)
      text += String(repeating: " ", count: max(0, 4 - digits.count)) + digits + " | \(mark) \(lines[number - 1])\n"
    }
    return text + rule
  }

  private static func remoteKind(_ context: String) -> String? {
    let lower = context.lowercased()
    if lower.hasPrefix("git://") || lower.hasPrefix("git@") || lower.hasPrefix("ssh://")
      || lower.hasPrefix("github.com/")
    {
      return "a git repository"
    }
    guard lower.hasPrefix("http://") || lower.hasPrefix("https://") else { return nil }
    return lower.prefix { $0 != "#" }.hasSuffix(".git") ? "a git repository" : "a URL"
  }

  private static func text(_ path: String) throws -> String {
    let file = try opening("failed to read dockerfile: open", path) { () throws(Errno) in
      try openat2(Kernel.workingDirectory, path, flags: O_RDONLY)
    }
    return try text(file.number, path)
  }

  private static func text(_ descriptor: CInt, _ name: String) throws -> String {
    do throws(Errno) { return String(decoding: try readAll(descriptor, limit: dockerfileLimit), as: UTF8.self) } catch {
      throw BuildError.system(operation: "failed to read dockerfile: read", path: name, error)
    }
  }

  private static func ignoreFile(_ candidates: [String]) throws -> IgnoreFile {
    for path in candidates where access(path, F_OK) == 0 {
      return try IgnoreFile(parsing: text(path), file: path.split(separator: "/").last.map(String.init) ?? path)
    }
    return IgnoreFile()
  }
}

extension SourceTree {
  /// A text file of the tree; nil where there is none.
  func text(_ path: String) throws -> String? {
    let found = try CanonicalPath(path, in: descriptor)
    guard found.exists else { return nil }
    let file = try opening("read", path) { () throws(Errno) in try open(found.path, O_RDONLY) }
    return String(decoding: try readAll(file.number, limit: 16 << 20), as: UTF8.self)
  }

  func ignoring(_ ignore: IgnoreFile) throws -> SourceTree {
    let root = try opening("open", ".") { () throws(Errno) in try open("", O_RDONLY | O_DIRECTORY) }
    return SourceTree(root, ignore: ignore, isContext: isContext)
  }
}
