internal import BuildGraph
internal import Content
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Snapshots
internal import SystemPackage

/// What a stage has come to: its files, and what its image would be.
struct BuiltStage: Sendable {
  enum Files: Hashable, Sendable {
    case none
    case snapshot(Snapshot)
    /// Not unpacked as long as nobody needs its files.
    case image(Manifest, ImageConfig)
  }

  enum Layer: Sendable {
    case image(Descriptor, diffID: Digest)
    case snapshot(Snapshot)
  }

  var key: CacheKey
  var files: Files
  var layers: [Layer] = []
  var history: [History] = []
  /// When the last layer was made: the date of what follows and makes none.
  var created: String?

  static let scratch = BuiltStage(key: .scratch, files: .none)

  init(key: CacheKey, files: Files) {
    self.key = key
    self.files = files
  }

  init(_ image: BaseImage) {
    let diffIDs = image.config.rootfs.diffIDs
    key = .image(diffIDs.isEmpty ? nil : SnapshotStore.chainID(diffIDs))
    files = diffIDs.isEmpty ? .none : .image(image.manifest, image.config)
    layers = zip(image.manifest.layers, diffIDs).map { .image($0, diffID: $1) }
    history = image.config.history ?? []
    created = image.config.created
  }
}

extension BuiltStage.Files {
  /// The files as a snapshot, unpacked where they are not.
  func snapshot(_ snapshots: SnapshotStore) throws -> Snapshot? {
    switch self {
    case .none: nil
    case .snapshot(let snapshot): snapshot
    case .image(let manifest, let config):
      try snapshots.find(chain: config.rootfs.diffIDs) ?? snapshots.unpack(manifest, config)
    }
  }
}

/// What is kept beside a step's files: when they were made, so that a cached build gives the same image, dates
/// included; and their key, for what follows a step that was found without looking at content.
///
/// ```
/// <root>/snapshots/<id>/step   date and key, a line each
/// ```
struct StepRecord: Sendable {
  var created: String
  var key: CacheKey

  init(created: String, key: CacheKey) {
    self.created = created
    self.key = key
  }

  /// nil where there is none, as with an image's layers.
  init?(_ snapshot: Snapshot, _ snapshots: SnapshotStore) {
    guard let bytes = try? readFile(Self.path(snapshots.directory.appending(String(snapshot.id))), limit: 256) else {
      return nil
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == 2, let key = CacheKey(hex: String(lines[1])) else { return nil }
    created = String(lines[0])
    self.key = key
  }

  func write(for pending: PendingSnapshot) throws {
    do throws(Errno) {
      let file = try openat2(
        Kernel.workingDirectory, Self.path(pending.fs.removingLastComponent()).string,
        flags: O_WRONLY | O_CREAT | O_TRUNC,
        mode: 0o600)
      try writeAll(file.number, Array("\(created)\n\(key)\n".utf8))
    } catch {
      throw BuildError.system(operation: "write", path: pending.fs.string, error)
    }
  }

  private static func path(_ directory: FilePath) -> FilePath { directory.appending("step") }
}
