import BuildGraph
import BuildSolver
import Content
import Foundation
import ImageSpec
import Kernel
import RegistryClient
import Snapshots
import Synchronization
import SystemPackage
import TestDirectories

let isRoot = geteuid() == 0

/// A store and a context of a test's own. Gone with the object.
final class Workbench: Sendable {
  let root: FilePath
  let content: ContentStore
  let snapshots: SnapshotStore
  private let said = Mutex<[BuildEvent]>([])
  private let exports = Mutex(0)

  /// - Parameter name: of the store's directory.
  init(store name: String = "store") throws {
    root = try makeTestDirectory("clipper-build")
    try makeDirectories(root.appending("context"))
    try makeDirectories(root.appending(name))
    content = try ContentStore.open(root.appending(name))
    snapshots = try SnapshotStore(content)
  }

  deinit { try? removeTree(root) }

  var context: FilePath { root.appending("context") }

  // MARK: - The context

  @discardableResult
  func write(_ path: String, _ text: String = "", mode: UInt32 = 0o644) throws -> FilePath {
    let file = context.appending(path)
    try makeDirectories(file.removingLastComponent())
    try writeFileAtomically(file, Array(text.utf8), mode: mode)
    chmod(file.string, mode)
    return file
  }

  func link(_ path: String, to target: String) throws {
    let file = context.appending(path)
    try makeDirectories(file.removingLastComponent())
    try Errno.check(symlink(target, file.string))
  }

  /// Content of an archive that Python writes: `script` adds to the open tarfile `t`.
  func archive(_ path: String, _ script: String, compression: String = "") throws {
    let python = """
      import tarfile, io
      t = tarfile.open('\(context.appending(path))', 'w\(compression.isEmpty ? "" : ":" + compression)')
      def f(name, data=b'', mode=0o644, uid=0):
          e = tarfile.TarInfo(name); e.size = len(data); e.mode = mode; e.uid = uid; t.addfile(e, io.BytesIO(data))
      def l(name, to, kind=tarfile.SYMTYPE):
          e = tarfile.TarInfo(name); e.type = kind; e.linkname = to; t.addfile(e)
      \(script)
      t.close()
      """
    let run = try Spawn("/usr/bin/python3", ["-c", python]).capture(milliseconds: 20_000)
    guard run.status == .exited(0) else { throw Failed(description: String(decoding: run.errorOutput, as: UTF8.self)) }
  }

  struct Failed: Error, CustomStringConvertible { let description: String }

  // MARK: - Building

  struct Built: Sendable {
    let image: CommittedImage
    let config: ImageConfig
    let manifest: Manifest
    /// Path → `type mode uid:gid content`
    let files: [String: String]
    let events: [BuildEvent]

    var cached: [String] { finished(.cached) }
    var done: [String] { finished(.done) }

    /// Instructions of steps of stages.
    private func finished(_ wanted: BuildEvent.Outcome) -> [String] {
      events.compactMap { event in
        guard case .finished(let step, let outcome) = event, outcome == wanted, step.name.hasPrefix("["),
          !step.name.hasPrefix("[internal]"),
          let end = step.name.firstIndex(of: "]")
        else { return nil }
        let text = step.name[step.name.index(end, offsetBy: 2)...]
        return text.hasPrefix("FROM") ? nil : String(text)
      }
    }

    var output: String {
      String(
        decoding: events.flatMap { event -> [UInt8] in if case .output(_, let bytes, _) = event { bytes } else { [] } },
        as: UTF8.self)
    }
  }

  func build(
    _ dockerfile: String, names: [String] = [], _ change: (inout BuildOptions) -> Void = { _ in }
  ) async throws -> Built {
    try writeFileAtomically(root.appending("Dockerfile"), Array(dockerfile.utf8))
    var options = BuildOptions(request: BuildRequest())
    change(&options)
    said.withLock { $0 = [] }
    let input = try BuildInput.read(
      context: context.string, file: root.appending("Dockerfile").string, input: STDIN_FILENO, builds: builds)
    let solver = Solver(input, options, environment) { event in self.said.withLock { $0.append(event) } }
    let result = try await solver.build()
    let image = try await solver.commit(result, names: names.map { try Reference(parsing: $0) })
    let tree = root.appending("export-\(exports.withLock { $0 += 1; return $0 })")
    try await solver.export(result, to: tree.string, asArchive: false)
    let manifest = try JSONDecoder().decode(Manifest.self, from: Data(content.read(image.manifest.digest)))
    let config = try JSONDecoder().decode(ImageConfig.self, from: Data(content.read(image.id)))
    return Built(image: image, config: config, manifest: manifest, files: try listing(tree), events: events)
  }

  var events: [BuildEvent] { said.withLock { $0 } }
  var builds: FilePath { content.root.appending("builds") }

  static let runtime = ProcessInfo.processInfo.environment["CLIPPER_RUNTIME"] ?? ""

  private var environment: BuildEnvironment {
    let content = content
    return BuildEnvironment(
      content: content, snapshots: snapshots, runtime: FilePath(Self.runtime), runtimeRoot: root.appending("runtime"),
      image: { name, _, _, _ in
        guard let target = try content.resolve(Reference(parsing: name).tagged) else {
          throw Failed(description: "No such image: \(name)")
        }
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(content.read(target.digest)))
        let config = try JSONDecoder().decode(ImageConfig.self, from: Data(content.read(manifest.config.digest)))
        return BaseImage(manifest: manifest, config: config, name: name)
      },
      registry: { RegistryClient(store: content) },
      network: { throw Failed(description: "tests have no bridge") })
  }

  // MARK: - Looking

  private func listing(_ tree: FilePath) throws -> [String: String] {
    var files: [String: String] = [:]
    func walk(_ directory: FilePath, _ prefix: String) throws {
      for name in try directoryEntries(of: directory) {
        let path = directory.appending(name)
        var status = stat()
        try Errno.check(lstat(path.string, &status))
        let rest = String(status.st_mode & 0o7777, radix: 8) + " \(status.st_uid):\(status.st_gid)"
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
          files[prefix + name] = "d \(rest)"
          try walk(path, prefix + name + "/")
        case S_IFLNK:
          let target = try FileManager.default.destinationOfSymbolicLink(atPath: path.string)
          files[prefix + name] = "l \(target)"
        // Programs are only looked at.
        case S_IFREG where status.st_size > 1_500_000: files[prefix + name] = "f \(rest) …"
        default: files[prefix + name] = "f \(rest) \(String(decoding: try readFile(path), as: UTF8.self))"
        }
      }
    }
    try walk(tree, "")
    return files
  }

  /// What a build leaves when it is over, one way or the other.
  func leftovers() throws -> [String] {
    let directories = (try? directoryEntries(of: builds)) ?? []
    let mounts = String(decoding: try readFile("/proc/self/mounts"), as: UTF8.self).split(separator: "\n")
      .filter { $0.contains(root.string) }.map(String.init)
    let known = Set(try snapshots.all().map { String($0.snapshot.id) })
    let pending = ((try? directoryEntries(of: snapshots.directory)) ?? []).filter {
      Int($0) != nil && !known.contains($0)
    }
    // What begins with a dot is the runtime's own, of no container.
    let states = ((try? directoryEntries(of: root.appending("runtime"))) ?? []).filter { !$0.hasPrefix(".") }
    return directories.filter { $0 != "digests" } + mounts + pending + states
  }
}
