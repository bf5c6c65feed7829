internal import AsyncHTTPClient
internal import Content
internal import DistributionSpec
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import NIOCore
internal import NIOHTTP1
internal import SystemPackage

/// What a download tells on its way.
struct DownloadNotices: Sendable {
  var progress: TransferProgress?
  /// The digest that events are about.
  var digest: Digest

  func advanced(_ bytes: Int64, of total: Int64) { progress?(.advanced(digest, bytes: bytes, of: total)) }

  var onRetry: RetryNotice? {
    guard let progress else { return nil }
    return { progress(.retrying(what: $0, reason: $1, attempt: $2, after: $3)) }
  }
}

extension RegistryClient {
  /// Bytes between two reports of progress.
  static let progressStep: Int64 = 256 << 10
  /// An attempt that brought so many bytes counts as a success that was cut short: counting starts anew.
  private static let worthwhile: Int64 = 4 << 20
  /// Milliseconds between two looks at a download that another process does.
  private static let busyPoll = 200
  /// Looks, after which the other process is taken for stuck: an hour.
  private static let busyLooks = 5 * 3600

  /// A blob into the store; one that is there is not asked for again.
  ///
  /// - Parameter makeTap: gets the bytes in the same pass, also those of a blob that is already there.
  func fetchBlob(
    _ blob: Descriptor, from name: Reference, what: String, progress: TransferProgress?,
    makeTap: (@Sendable () throws -> (any LayerTap)?)? = nil
  ) async throws {
    guard blob.size >= 0 else {
      throw RegistryClientError.malformed(host: name.domain, what: what, reason: "its size is negative")
    }
    for _ in 0..<Self.busyLooks {
      if try store.retain(blob.digest) {
        progress?(.exists(blob.digest))
        if let tap = try makeTap?() { try await feedStored(blob, to: tap) }
        return
      }
      do {
        let ingest = try store.ingest(Self.ingestKey(blob.digest))
        try await download(blob, from: name, into: ingest, what: what, progress, makeTap)
        progress?(.finished(blob.digest))
        return
      } catch ContentError.ingestBusy {
        // Another process downloads the same: its blob will do.
        try await configuration.retry.sleep(.milliseconds(Self.busyPoll))
      }
    }
    throw ContentError.ingestBusy(Self.ingestKey(blob.digest))
  }

  /// Unpacks a blob that needs no download.
  private func feedStored(_ blob: Descriptor, to tap: any LayerTap) async throws {
    do {
      let file = try store.open(blob.digest)
      posix_fadvise(file.number, 0, 0, POSIX_FADV_SEQUENTIAL)
      var buffer = [UInt8](repeating: 0, count: 1 << 20)
      while true {
        let count = try Errno.retrying { read(file.number, &buffer, buffer.count) }
        if count == 0 { break }
        try buffer.withUnsafeBytes { try tap.write(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        try Task.checkCancellation()
      }
      try tap.finish()
    } catch {
      tap.cancel()
      throw error
    }
  }

  // MARK: Attempts

  private func download(
    _ blob: Descriptor, from name: Reference, into ingest: Ingest, what: String, _ progress: TransferProgress?,
    _ makeTap: (@Sendable () throws -> (any LayerTap)?)?
  ) async throws {
    let resumed = ingest.offset > 0
    do {
      try await attempt(blob, from: name, into: ingest, what: what, progress, makeTap)
    } catch ContentError.digestMismatch(let expected, let actual) {
      // The bytes that an earlier process left may be the wrong ones: once more from nothing.
      guard resumed else {
        throw RegistryClientError.digestMismatch(host: name.domain, what: what, expected: expected, actual: actual)
      }
      try await download(
        blob, from: name, into: try store.ingest(Self.ingestKey(blob.digest)), what: what, progress, makeTap)
    }
  }

  /// From what the ingest has to the committed blob. Bytes that are good so far are kept where it fails.
  private func attempt(
    _ blob: Descriptor, from name: Reference, into ingest: Ingest, what: String, _ progress: TransferProgress?,
    _ makeTap: (@Sendable () throws -> (any LayerTap)?)?
  ) async throws {
    let notices = DownloadNotices(progress: progress, digest: blob.digest)
    guard let tap = try makeTap?() else {
      try await receiveAndCommit(blob, from: name, into: ingest, what: what, notices, feed: nil)
      return
    }
    let feed = TapFeed(tap)
    do {
      // What an earlier process left goes first; from then on each new piece goes to both.
      if ingest.offset <= blob.size { try ingest.replay { feed.replay($0) } }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await feed.run() }
        // Also where the download fails: the group waits for the feed.
        defer { feed.end() }
        try await receiveAndCommit(blob, from: name, into: ingest, what: what, notices, feed: feed)
      }
    } catch {
      feed.cancel()
      throw error
    }
    try feed.finish()
  }

  private func receiveAndCommit(
    _ blob: Descriptor, from name: Reference, into ingest: Ingest, what: String, _ notices: DownloadNotices,
    feed: TapFeed?
  ) async throws {
    do {
      try await receiveAll(blob, from: name, into: ingest, what: what, notices, feed)
    } catch {
      switch error {
      // What is wrong must not be gone on with; and what fills the disk must not stay there.
      case RegistryClientError.sizeMismatch, ContentError.system(_, _, .noSpace): ingest.discard()
      default: ingest.suspend()
      }
      throw error
    }
    notices.advanced(blob.size, of: blob.size)
    try ingest.commit(expecting: blob.digest, size: blob.size)
  }

  /// Repeats requests for what is missing, until all is there or too many in a row brought too little.
  private func receiveAll(
    _ blob: Descriptor, from name: Reference, into ingest: Ingest, what: String, _ notices: DownloadNotices,
    _ feed: TapFeed?
  ) async throws {
    if ingest.offset > blob.size { try ingest.restart() }
    let host = Host(name)
    let request = try await request(
      host, .blob(name: name.path, digest: blob.digest), scopes: [.pull(name.path)], what: what)
    var bestOffset: Int64 = ingest.offset
    while true {
      do {
        try await transport.retrying(host: host.name, what: what, onRetry: notices.onRetry) {
          do {
            try await self.receive(blob, request, into: ingest, host: host, what: what, notices, feed)
          } catch  where TransientFailure(error) != nil && ingest.offset >= bestOffset + Self.worthwhile {
            throw CutShort(cause: error)
          }
        }
        return
      } catch let cut as CutShort {
        bestOffset = ingest.offset
        let reason = TransientFailure(cut.cause)?.reason ?? ""
        let delay = configuration.retry.delay(after: 1)
        notices.onRetry?(what, reason, 1, delay)
        try await configuration.retry.sleep(delay)
      }
    }
  }

  /// A connection that was lost after it had brought something worthwhile.
  private struct CutShort: Error {
    let cause: any Error
  }

  /// One request, from where the ingest stands to the end of the blob.
  private func receive(
    _ blob: Descriptor, _ request: HTTPRequest, into ingest: Ingest, host: Host, what: String,
    _ notices: DownloadNotices,
    _ feed: TapFeed?
  ) async throws {
    guard ingest.offset < blob.size else { return }
    var request = request
    if ingest.offset > 0 { request.headers.add(name: "range", value: ByteRange.from(ingest.offset).description) }
    let answer = try await transport.exchange(request)
    if let failure = await Transport.transient(answer) { throw failure }
    switch answer.status {
    case 206 where Self.begins(answer, at: ingest.offset): break
    case 200, 206:
      // It does not do ranges: everything comes again. The tap skips what it has by position.
      guard answer.status == 200 else { throw TransientFailure(reason: "it sent another range than the one asked for") }
      if ingest.offset > 0 { try ingest.restart() }
      if let length = answer.headers.first(name: "content-length").flatMap({ Int64($0) }), length != blob.size {
        throw RegistryClientError.sizeMismatch(host: host.name, what: what, expected: blob.size, actual: length)
      }
    case 416 where ingest.offset > 0:
      await answer.drain()
      try ingest.restart()
      throw TransientFailure(reason: "it does not have the rest of what it sent before")
    default: throw await transport.failure(answer, host: host, what: what)
    }
    try await take(answer, into: ingest, blob, host: host, what: what, notices, feed)
    guard ingest.offset == blob.size else { throw TransientFailure(reason: "the registry hung up") }
  }

  private func take(
    _ answer: HTTPAnswer, into ingest: Ingest, _ blob: Descriptor, host: Host, what: String, _ notices: DownloadNotices,
    _ feed: TapFeed?
  ) async throws {
    var reported = ingest.offset
    for try await buffer in answer.body {
      let offset = ingest.offset
      guard offset + Int64(buffer.readableBytes) <= blob.size else {
        throw RegistryClientError.sizeMismatch(
          host: host.name, what: what, expected: blob.size, actual: offset + Int64(buffer.readableBytes))
      }
      try buffer.withUnsafeReadableBytes { try ingest.append($0) }
      if let feed { await feed.send(buffer, at: offset) }
      if ingest.offset - reported >= Self.progressStep {
        reported = ingest.offset
        notices.advanced(reported, of: blob.size)
      }
    }
  }

  private static func begins(_ answer: HTTPAnswer, at offset: Int64) -> Bool {
    guard
      case .bytes(let range, _)? = answer.headers.first(name: "content-range").flatMap({ ContentRange(parsing: $0) })
    else {
      return false
    }
    return range.lowerBound == offset
  }
}
