public import ImageSpec
import Metadata
import NIOCore

/// A layer has a part of less than 5 MiB that is not its last. (Amazon ECR, UploadLayerPart)
public struct LayerPartTooSmall: Error {}

/// Layers in numbered parts, as ECR's operations send them: uploads of the same kind as those under `/v2/`.
extension Uploads {
  /// Uploads that have a small part, and whether another one came after it.
  static let schema = [
    """
    CREATE TABLE registry_small_part (
      upload TEXT PRIMARY KEY REFERENCES registry_upload(id) ON DELETE CASCADE,
      followed INTEGER NOT NULL
    );
    """
  ]

  private static let smallestPart = 5 << 20

  /// Adds a part that begins at byte `first`, and returns how many bytes the upload has then.
  ///
  /// Throws `uploadOutOfOrder` where it stands elsewhere, and `uploadUnknown`.
  public func append(_ bytes: [UInt8], at first: Int64, to id: String, in repository: String, of registry: Registry)
    throws -> Int64
  {
    let writer = try open(id, in: repository, of: registry)
    do {
      guard writer.offset == first else { throw RegistryError.uploadOutOfOrder(id, received: writer.offset) }
      try writer.append([ByteBuffer(bytes: bytes)])
    } catch {
      try writer.release()
      throw error
    }
    let received = writer.offset
    try writer.release()
    try registry.metadata.write { session in
      // A small part may be the last one: what comes after it shows that it was not.
      let followed = try session.execute("UPDATE registry_small_part SET followed = 1 WHERE upload = ?1", [id])
      if followed == 0, bytes.count < Self.smallestPart {
        try session.execute("INSERT INTO registry_small_part (upload, followed) VALUES (?1, 0)", [id])
      }
    }
    return received
  }

  /// Bytes that an upload has.
  public func received(by id: String, in repository: String, of registry: Registry) throws -> Int64 {
    let writer = try open(id, in: repository, of: registry)
    let received = writer.offset
    try writer.release()
    return received
  }

  /// Makes an upload a blob of its repository, and returns its size. A wrong digest ends the upload. Throws
  /// `LayerPartTooSmall`.
  public func complete(_ id: String, expecting digest: Digest, in repository: String, of registry: Registry) throws
    -> Int64
  {
    let isTooSmall = try registry.metadata.read { session in
      try session.exists("SELECT 1 FROM registry_small_part WHERE upload = ?1 AND followed = 1", [id])
    }
    if isTooSmall { throw LayerPartTooSmall() }
    return try open(id, in: repository, of: registry).finish(expecting: digest)
  }

  /// Ends an upload and removes its bytes.
  public func cancel(_ id: String, in repository: String, of registry: Registry) throws {
    try open(id, in: repository, of: registry).discard()
  }
}

extension Registry {
  /// A blob for a push that asks for it and then leaves it out; nil where it has to come.
  public func offeredBlob(_ digest: Digest, in name: String) throws -> LinkedBlob? {
    let found = try blob(digest, in: name)
    if let found, found.isOld { try touchBlob(digest, in: name) }
    return found
  }
}
