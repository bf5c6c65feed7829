internal import Content
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Layers

extension MediaType {
  /// The gzip form of an uncompressed layer's type; nil for all others.
  var gzipForm: MediaType? {
    switch self {
    case .layer: .layerGzip
    case .dockerLayer: .dockerLayerGzip
    default: nil
    }
  }
}

extension RegistryClient {
  /// A layer as it travels: an uncompressed one in its gzip form, which is made once and kept in the store.
  func travelling(_ layer: Descriptor, progress: TransferProgress?) throws -> Descriptor {
    guard let type = layer.mediaType.gzipForm else { return layer }
    var compressed = layer
    compressed.mediaType = type
    if let known = try records.compressed(layer.digest) {
      (compressed.digest, compressed.size) = known
      return compressed
    }
    progress?(.compressing(layer.digest))
    let file = try store.open(layer.digest)
    posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL)
    let ingest = try store.ingest()
    do {
      try compressGzip(from: file.number) { try ingest.append($0) }
      (compressed.digest, compressed.size) = try ingest.commit()
    } catch {
      ingest.discard()
      throw error
    }
    try records.note(layer.digest, compressed: compressed.digest, size: compressed.size)
    return compressed
  }
}
