internal import Content
internal import Dispatch
internal import Glibc
public import ImageSpec
internal import Kernel
internal import Layers
internal import Synchronization
internal import SystemPackage

/// The unpacking of one image's layers, side by side and in any order; what is unpacked already is left alone.
public final class ImageUnpacking: Sendable {
  private struct State {
    var pending: [Int: (snapshot: PendingSnapshot, size: Int64)] = [:]
    var unpacked: Set<Int> = []
  }

  private let store: SnapshotStore
  private let manifest: Manifest
  private let diffIDs: [Digest]
  /// Layers below this index are there.
  private let present: Int
  private let base: Snapshot?
  private let state = Mutex(State())

  /// - Throws: `SnapshotError.layerCountMismatch`.
  public init(_ store: SnapshotStore, _ manifest: Manifest, _ config: ImageConfig) throws {
    self.store = store
    self.manifest = manifest
    diffIDs = config.rootfs.diffIDs
    guard manifest.layers.count == diffIDs.count else {
      throw SnapshotError.layerCountMismatch(layers: manifest.layers.count, diffIDs: diffIDs.count)
    }
    var found: (Int, Snapshot?) = (0, nil)
    for count in stride(from: diffIDs.count, to: 0, by: -1) {
      if let snapshot = try store.find(chain: Array(diffIDs[..<count])) {
        found = (count, snapshot)
        break
      }
    }
    (present, base) = found
  }

  /// Whether the layer of this index, lowest first, is still to be unpacked.
  public func needs(_ layer: Int) -> Bool {
    layer >= present && state.withLock { !$0.unpacked.contains(layer) }
  }

  /// Takes the bytes of one layer as they arrive.
  public func unpacker(of layer: Int) throws -> LayerUnpacking {
    let pending = try store.begin(parent: nil)
    return try LayerUnpacking(pending, manifest.layers[layer].digest, expected: diffIDs[layer]) { [self] size in
      state.withLock {
        $0.pending[layer] = (pending, size)
        $0.unpacked.insert(layer)
      }
    }
  }

  /// Unpacks from the content store what has not been, and makes all visible. nil for an image without layers.
  public func finish() throws -> Snapshot? {
    let missing = (present..<max(present, diffIDs.count)).filter { needs($0) }
    let failure = Mutex<(any Error)?>(nil)
    if missing.count == 1 {
      try unpack(missing[0])
    } else if missing.count > 1 {
      DispatchQueue.concurrentPerform(iterations: missing.count) { index in
        if failure.withLock({ $0 != nil }) { return }
        do { try unpack(missing[index]) } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    var snapshot = base
    for layer in present..<max(present, diffIDs.count) {
      let pending = state.withLock { $0.pending.removeValue(forKey: layer) }
      // Another process may have been faster: containers of one image share one directory.
      if let made = try store.find(chain: Array(diffIDs[...layer])) {
        pending?.snapshot.discard()
        snapshot = made
        continue
      }
      snapshot = try pending?.snapshot.commit(
        on: snapshot, keys: [], diffID: diffIDs[layer], layer: manifest.layers[layer], size: pending?.size)
    }
    return snapshot
  }

  private func unpack(_ layer: Int) throws {
    let unpacking = try unpacker(of: layer)
    do {
      let file = try store.content.open(manifest.layers[layer].digest)
      var buffer = [UInt8](repeating: 0, count: 512 << 10)
      while true {
        let count: Int
        do { count = try Errno.retrying { read(file.number, &buffer, buffer.count) } } catch {
          throw SnapshotError.system(operation: "read", path: store.content.path(of: manifest.layers[layer].digest), error)
        }
        if count == 0 { break }
        try buffer.withUnsafeBytes { try unpacking.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      }
      try unpacking.finish()
    } catch {
      unpacking.cancel()
      throw error
    }
  }
}

/// One layer being unpacked.
public final class LayerUnpacking: @unchecked Sendable {
  private let pending: PendingSnapshot
  private let unpacker: LayerUnpacker
  private let layer: Digest
  private let expected: Digest
  private let done: @Sendable (Int64) -> Void

  init(_ pending: PendingSnapshot, _ layer: Digest, expected: Digest, done: @escaping @Sendable (Int64) -> Void) throws {
    self.pending = pending
    self.layer = layer
    self.expected = expected
    self.done = done
    unpacker = try LayerUnpacker(into: pending.fs)
  }

  public func write(_ bytes: UnsafeRawBufferPointer) throws { try unpacker.write(bytes) }

  /// - Throws: `SnapshotError.diffIDMismatch` where the layer is not the one that the configuration names.
  public func finish() throws {
    let (diffID, size) = try unpacker.finish()
    guard diffID == expected else {
      throw SnapshotError.diffIDMismatch(layer: layer, expected: expected, actual: diffID)
    }
    done(size)
  }

  public func cancel() { pending.discard() }
}

extension SnapshotStore {
  /// Unpacks what is missing of an image's layers. nil for an image without layers.
  public func unpack(_ manifest: Manifest, _ config: ImageConfig) throws -> Snapshot? {
    try ImageUnpacking(self, manifest, config).finish()
  }
}
