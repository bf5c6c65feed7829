public import ImageSpec

/// What happens while an image is transferred. Layers are named by the digest that the local manifest gives them, also
/// where they travel compressed.
public enum TransferEvent: Sendable {
  public enum Kind: Sendable, Hashable { case manifest, config, layer }

  case started(Descriptor, Kind)
  /// Bytes so far, of the bytes in all.
  case advanced(Digest, bytes: Int64, of: Int64)
  /// A layer is being compressed before it is sent.
  case compressing(Digest)
  case finished(Digest)
  /// There was nothing to do: the other side has it, or this store does.
  case exists(Digest)
  /// The registry took it over from another of its repositories.
  case mounted(Digest, from: String)
  /// An attempt failed; the next comes after the wait.
  case retrying(what: String, reason: String, attempt: Int, after: Duration)
}

public typealias TransferProgress = @Sendable (TransferEvent) -> Void

/// Takes in a layer's bytes while they are downloaded, in order, from the first to the last, whatever happens to
/// connections on the way. Calls come one at a time, from any thread.
public protocol LayerTap: Sendable {
  func write(_ bytes: UnsafeRawBufferPointer) throws
  /// All bytes came, and their digest is the right one.
  func finish() throws
  /// The rest does not come, or what came is wrong. Comes instead of `finish`.
  func cancel()
}

/// The tap for a layer of a manifest that is about to be pulled; nil where it is not wanted (it is unpacked already).
///
/// Asked once more for the same layer where what a first tap was given turned out to be wrong.
public typealias LayerTapProvider =
  @Sendable (_ manifest: Manifest, _ config: ImageConfig, _ layer: Int) throws -> (any LayerTap)?
