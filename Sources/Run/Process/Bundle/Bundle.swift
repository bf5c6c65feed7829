import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// An OCI bundle: a directory with config.json. (runtime-spec, bundle.md)
struct Bundle {
  /// Absolute.
  let path: FilePath
  let config: RuntimeConfig
  /// config.json as it was read.
  let text: [UInt8]
  /// `linux.seccomp` as it stands there.
  let seccompText: ArraySlice<UInt8>

  /// - Parameter other: a file in place of config.json; relative to the bundle.
  init(_ path: FilePath, config other: FilePath? = nil) throws {
    let path = try Self.absolute(path)
    let name = other ?? "config.json"
    let file = name.isAbsolute ? name : path.appending(name.components)
    try self.init(path: path, text: ConfigFile.read(file), name: file.string)
    try BundleCheck(config).run()
  }

  /// A bundle that was checked before.
  ///
  /// - Parameter file: its config.json, or a copy of that.
  init(path: FilePath, reading file: FilePath) throws {
    let text = try attempt("read \(file)") { () throws(Errno) in try readFile(file, limit: ConfigFile.sizeLimit) }
    try self.init(path: path, text: text, name: file.string)
  }

  /// - Parameter name: of the document, for errors.
  init(path: FilePath, text: [UInt8], name: String) throws {
    let (config, seccomp) = try JSONText.read(text, name: name) { (json) throws(JSONError) in
      (try RuntimeConfig(&json), json.seccomp)
    }
    self.path = path
    self.text = text
    self.config = config
    seccompText = seccomp.map { text[$0] } ?? []
  }

  /// The same with another configuration, of which its own document says nothing.
  init(_ bundle: Bundle, config: RuntimeConfig) {
    path = bundle.path
    text = bundle.text
    seccompText = bundle.seccompText
    self.config = config
  }

  static func absolute(_ path: FilePath) throws -> FilePath {
    if path.isAbsolute { return path.lexicallyNormalized() }
    let here = try attempt("find the working directory") { () throws(Errno) in try Execution.workingDirectoryPath() }
    return FilePath(here).appending(path.components).lexicallyNormalized()
  }

  var rootPath: FilePath {
    let root = FilePath(config.root?.path ?? "rootfs")
    return root.isAbsolute ? root : path.appending(root.components)
  }

  func annotation(_ name: String) -> String? { config.annotations?["dev.clipper.\(name)"] }

  /// Clipper's own process 1 in front of the program.
  var usesInit: Bool { annotation("init") == "true" }

  func namespace(_ kind: LinuxNamespace.Kind) -> LinuxNamespace? { config.linux?.namespaces?.first { $0.type == kind } }

  /// A new one, not one that is joined.
  func makes(_ kind: LinuxNamespace.Kind) -> Bool {
    guard let namespace = namespace(kind) else { return false }
    return (namespace.path ?? "").isEmpty
  }

  var hasUserNamespace: Bool { namespace(.user) != nil }
}

/// The overlay that Clipper's annotations describe in place of root.path.
struct OverlayRoot {
  let directory: FilePath
  /// Relative to the directory, topmost first, joined by colons.
  let lower: String
  let upper: String?
  let work: String?

  /// nil where the bundle has none.
  init?(_ bundle: Bundle) throws {
    guard let directory = bundle.annotation("overlay.directory") else { return nil }
    self.directory = FilePath(directory)
    lower = bundle.annotation("overlay.lower") ?? ""
    upper = bundle.annotation("overlay.upper")
    work = bundle.annotation("overlay.work")
    guard self.directory.isAbsolute, (upper == nil) == (work == nil) else {
      throw RuntimeError.configuration(
        property: "annotations.dev.clipper.overlay", problem: "needs an absolute directory, and upper and work together"
      )
    }
    guard upper != nil || !lower.isEmpty else {
      throw RuntimeError.configuration(property: "annotations.dev.clipper.overlay", problem: "has no directory at all")
    }
  }
}
