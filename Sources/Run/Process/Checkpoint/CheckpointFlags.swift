import Glibc
import Kernel
import SystemPackage

/// The flags that `checkpoint` and `restore` share, as runc's.
struct CheckpointFlags {
  private static let all: [Arguments.Flag] = [
    .option("image-path", value: "DIR", help: "where criu's images are (checkpoint)"),
    .option("work-path", value: "DIR", help: "where criu's log is (the same)"),
    .flag("tcp-established", help: "with open TCP connections"),
    .flag("ext-unix-sk", help: "with Unix sockets that lead out of the container"),
    .flag("shell-job", help: "with a session or a terminal of the host's"),
    .flag("file-locks", help: "with locks on files"),
    .flag("link-remap", help: "with files that have no name any more"),
    .option("manage-cgroups-mode", value: "MODE", help: "soft, full, strict or ignore (soft)"),
    .option("empty-ns", value: "network", help: "leave the network empty: a hook fills it"),
    .flag("auto-dedup", help: "drop memory that is in older images too"),
    .flag("lazy-pages", help: "is refused: memory is saved and restored as a whole"),
    .option("status-fd", value: "N", help: "is refused, as --lazy-pages"),
  ]

  let images: OpenFile
  let imagesPath: FilePath
  private let work: OpenFile
  private let workPath: FilePath
  private let verb: String
  private let arguments: Arguments

  /// The command line of either.
  static func arguments(_ words: ArraySlice<String>, _ flags: [Arguments.Flag], verb: String) throws -> Arguments {
    let arguments = try Arguments(words, all + flags, command: verb)
    for flag in ["lazy-pages", "status-fd"] where arguments[flag] != nil {
      throw RuntimeError.unsupported("--\(flag)", reason: "memory is always saved and restored as a whole")
    }
    return arguments
  }

  init(_ arguments: Arguments, verb: String) throws {
    self.arguments = arguments
    self.verb = verb
    imagesPath = try Bundle.absolute(FilePath(arguments["image-path"] ?? "checkpoint"))
    workPath = try arguments["work-path"].map { try Bundle.absolute(FilePath($0)) } ?? imagesPath
    images = try Self.open(imagesPath, making: verb == "checkpoint")
    work = try Self.open(workPath, making: true)
  }

  private static func open(_ path: FilePath, making: Bool) throws -> OpenFile {
    if making { try attempt("make \(path)") { () throws(Errno) in try makeDirectories(path, mode: 0o700) } }
    return OpenFile(
      try attempt("open the directory of images \(path)") { () throws(Errno) in
        try openat2(workingDirectory, path.string, flags: O_RDONLY | O_DIRECTORY)
      })
  }

  var logFile: FilePath { workPath.appending(logName) }
  private var logName: String { verb == "checkpoint" ? "dump.log" : "restore.log" }

  func options() throws -> CriuOptions {
    var options = CriuOptions()
    // criu opens them by way of this process's /proc/PID/fd.
    options.set(.imagesDirectory, images.number)
    options.set(.workDirectory, work.number)
    options.set(.logLevel, 4 as CInt)
    options.set(.logFile, logName)
    options.set(.notify)
    options.set(.establishedTCP, arguments.has("tcp-established"))
    options.set(.externalUnixSockets, arguments.has("ext-unix-sk"))
    options.set(.shellJob, arguments.has("shell-job"))
    options.set(.fileLocks, arguments.has("file-locks"))
    options.set(.deduplicates, arguments.has("auto-dedup"))
    options.set(.linkRemap, arguments.has("link-remap"))
    try setCgroups(&options)
    if let namespace = arguments["empty-ns"] {
      guard namespace == "network" else {
        throw RuntimeError.unsupported("--empty-ns \(namespace)", reason: "only a network can be left empty")
      }
      options.set(.emptyNamespaces, CInt(truncatingIfNeeded: NamespaceSet.network.rawValue))
    }
    return options
  }

  private func setCgroups(_ options: inout CriuOptions) throws {
    let modes: [String: CInt] = ["ignore": 0, "none": 1, "props": 2, "soft": 3, "full": 4, "strict": 5]
    let name = arguments["manage-cgroups-mode"] ?? "soft"
    guard let mode = modes[name] else {
      throw RuntimeError.usage("\(verb): --manage-cgroups-mode is \"\(name)\": use soft, full, strict or ignore")
    }
    options.set(.managesCgroups)
    options.set(.cgroupMode, mode)
  }
}
