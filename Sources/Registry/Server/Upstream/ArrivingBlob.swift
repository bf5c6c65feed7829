import Content
import ImageSpec
import Kernel
import NIOCore
import RegistryClient
import Synchronization
import SystemPackage

/// A blob on its way into the store: one download, read by as many clients as wait for it.
public final class ArrivingBlob: Sendable {
  let blob: Descriptor
  private let store: ContentStore
  private let state = Mutex(State())

  private struct State {
    var available: Int64 = 0
    var result: Result<Void, any Error>?
    var file: BlobFile?
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  init(_ blob: Descriptor, in store: ContentStore) {
    self.blob = blob
    self.store = store
  }

  /// So many bytes have come.
  func advance(to bytes: Int64) {
    wake { state in
      // Where a download begins anew, what was read before comes again. The last byte is kept back until the digest of
      // all is known to be right: nobody takes what is wrong for the whole.
      state.available = max(state.available, min(bytes, blob.size - 1))
    }
  }

  func finish(_ result: Result<Void, any Error>) {
    wake { state in
      state.result = result
      if case .success = result { state.available = blob.size }
    }
  }

  private func wake(_ change: (inout State) -> Void) {
    let waiters = state.withLock { state in
      change(&state)
      let waiters = state.waiters
      state.waiters = []
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Waits until there are bytes beyond `offset`, and returns how many there are. Throws what ended the download.
  private func wait(beyond offset: Int64) async throws -> Int64 {
    while true {
      let ready = try state.withLock { state -> Int64? in
        if case .failure(let error)? = state.result { throw error }
        return state.available > offset || state.result != nil ? state.available : nil
      }
      if let ready { return ready }
      try Task.checkCancellation()
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if state.available > offset || state.result != nil { return true }
          state.waiters.append(continuation)
          return false
        }
        if isReady { continuation.resume() }
      }
    }
  }

  /// Waits for the end. Throws what went wrong.
  func complete() async throws { _ = try await wait(beyond: blob.size) }

  /// The next bytes from `offset` on, at most `count`; blocks for the disk on `server`'s threads.
  func read(at offset: Int64, count: Int64, _ server: RegistryServer) async throws -> ByteBuffer {
    let available = try await wait(beyond: offset)
    guard available > offset else { throw RequestBroken() }
    return try await server.blocking {
      try self.file().read(at: offset, count: Int(min(count, available - offset)))
    }
  }

  /// The file that is written, which stays the same when it becomes content.
  private func file() throws -> BlobFile {
    if let open = state.withLock({ $0.file }) { return open }
    let opened: BlobFile
    if let arriving = try store.openIngest(RegistryClient.ingestKey(blob.digest)) {
      opened = BlobFile(arriving)
    } else {
      opened = BlobFile(try store.open(blob.digest))
    }
    return state.withLock { state in
      if let other = state.file { return other }
      state.file = opened
      return opened
    }
  }
}
