internal import Glibc
internal import Kernel
public import SystemPackage

/// Where things are on this machine.
public struct Locations: Sendable {
  public let root: FilePath
  public let run: FilePath
  /// The program `clipper-runtime`.
  public let runtime: FilePath
  /// The program `clipper`: it cleans up after containers.
  public let clipper: FilePath

  public init(root: FilePath, run: FilePath, runtime: FilePath, clipper: FilePath) {
    self.root = root
    self.run = run
    self.runtime = runtime
    self.clipper = clipper
  }

  public static var standard: Locations { resolve(root: nil, run: nil) }

  /// What was asked for, else what the environment says ($CLIPPER_ROOT, $CLIPPER_RUN_ROOT, $CLIPPER_RUNTIME), else the
  /// usual places: /var/lib/clipper and /run/clipper for root, those of the XDG base directories for others.
  public static func resolve(root: FilePath?, run: FilePath?) -> Locations {
    let isRoot = geteuid() == 0
    let givenRoot = root ?? variable("CLIPPER_ROOT").map { FilePath($0) }
    let data = variable("XDG_DATA_HOME").map { FilePath($0) } ?? home.appending(".local/share")
    let root = absolute(givenRoot ?? (isRoot ? "/var/lib/clipper" : data.appending("clipper")))
    let ownRun = givenRoot.map { _ in root.appending("run") }
    let usualRun: FilePath =
      isRoot
      ? "/run/clipper" : FilePath(variable("XDG_RUNTIME_DIR") ?? "/tmp/clipper-\(geteuid())").appending("clipper")
    let run = absolute(run ?? variable("CLIPPER_RUN_ROOT").map { FilePath($0) } ?? ownRun ?? usualRun)
    let clipper = ownExecutable
    return Locations(root: root, run: run, runtime: findRuntime(beside: clipper), clipper: clipper)
  }

  private static func variable(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }

  private static var home: FilePath { FilePath(variable("HOME") ?? "/root") }

  private static func absolute(_ path: FilePath) -> FilePath {
    if path.isAbsolute { return path.lexicallyNormalized() }
    guard let directory = try? Execution.workingDirectoryPath() else { return path }
    return FilePath(directory).pushing(path).lexicallyNormalized()
  }

  private static var ownExecutable: FilePath {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { return "clipper" }
    return FilePath(String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  private static func findRuntime(beside clipper: FilePath) -> FilePath {
    if let given = variable("CLIPPER_RUNTIME") { return absolute(FilePath(given)) }
    let name = "clipper-runtime"
    let beside = clipper.removingLastComponent().appending(name)
    if access(beside.string, X_OK) == 0 { return beside }
    for directory in (variable("PATH") ?? "").split(separator: ":") {
      let path = FilePath(String(directory)).appending(name)
      if access(path.string, X_OK) == 0 { return path }
    }
    // Starting it then says where it was looked for.
    return beside
  }
}
