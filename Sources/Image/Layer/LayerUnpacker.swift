internal import struct Crypto.SHA256
internal import Glibc
public import ImageSpec
public import Kernel
public import SystemPackage

/// What an archive is unpacked as.
public struct UnpackOptions: Sendable {
  /// Whiteouts become overlayfs's own: character devices 0/0 and opaque directories.
  public var whiteouts: Bool
  /// Owner of everything, in place of the archive's; nil keeps it.
  public var owner: Owner?
  /// Device nodes are made; without it they are an error that names the entry.
  public var devices: Bool

  public struct Owner: Sendable, Hashable {
    public var userID: UInt32
    public var groupID: UInt32

    public init(userID: UInt32, groupID: UInt32) {
      self.userID = userID
      self.groupID = groupID
    }
  }

  public init(whiteouts: Bool, owner: Owner? = nil, devices: Bool = true) {
    self.whiteouts = whiteouts
    self.owner = owner
    self.devices = devices
  }

  /// A layer of an image, to be the lower directory of an overlay. (image-spec, layer.md)
  public static let layer = UnpackOptions(whiteouts: true)

  /// An archive of a user: `.wh.` names mean nothing.
  public static func archive(owner: Owner? = nil) -> UnpackOptions { UnpackOptions(whiteouts: false, owner: owner) }
}

/// Unpacks a tar archive, compressed in any known way, while its bytes arrive.
///
/// Whatever the entries say, nothing outside the directory is touched: see `RootDirectory`.
public final class LayerUnpacker: @unchecked Sendable {
  private let tree: TreeWriter
  private let reader: TarReader
  private var prefix: [UInt8] = []
  private var decompressor: Decompressor?
  private var hash = SHA256()
  private var size: Int64 = 0

  public convenience init(into directory: FilePath, options: UnpackOptions = .layer) throws {
    let opened: OwnedDescriptor
    do { opened = try openat2(workingDirectory, directory.string, flags: O_RDONLY | O_DIRECTORY) } catch {
      throw LayerError.system(operation: "open", entry: directory.string, error)
    }
    try self.init(root: opened, options: options)
  }

  /// - Parameters:
  ///   - root: an open directory that names and links are resolved in.
  ///   - subdirectory: where below the root the entries go; links on the way to it stay inside the root, too.
  public init(root: consuming OwnedDescriptor, subdirectory: String = "", options: UnpackOptions = .layer) throws {
    guard let base = components(of: Array(subdirectory.utf8)) else { throw LayerError.escapes(entry: subdirectory) }
    tree = TreeWriter(root: RootDirectory(root), base: base, options: options)
    reader = TarReader(tree)
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws {
    if let decompressor { return try decompressor.write(bytes) { try plain($0) } }
    prefix.append(contentsOf: bytes)
    if prefix.count >= Compression.prefixLength { try begin() }
  }

  public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  private func begin() throws {
    let decompressor = try Decompressor(Compression.detect(prefix))
    self.decompressor = decompressor
    let bytes = prefix
    prefix = []
    try bytes.withUnsafeBytes { try decompressor.write($0) { try plain($0) } }
  }

  private func plain(_ bytes: UnsafeRawBufferPointer) throws {
    hash.update(bufferPointer: bytes)
    size += Int64(bytes.count)
    try reader.write(bytes)
  }

  /// The end of the input: sets what could only be set at the end.
  ///
  /// - Returns: digest and size in bytes of the uncompressed archive.
  /// - Throws: `LayerError.truncated` in the middle of a stream or an entry.
  public func finish() throws -> (diffID: Digest, size: Int64) {
    if decompressor == nil { try begin() }
    try decompressor?.finish { try plain($0) }
    try reader.finish()
    try tree.finish()
    return (Digest(hash: hash.finalize()), size)
  }
}
