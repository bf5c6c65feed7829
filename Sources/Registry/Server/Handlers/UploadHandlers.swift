import DistributionSpec
import HTTPTypes
import HummingbirdCore
import ImageSpec
import NIOCore

extension RegistryServer {
  /// Begins an upload; or does all of it, by `digest=` with the bytes, or by `mount=` without any.
  func postUpload(_ admitted: Admitted, _ name: String, _ request: RegistryRequest) async throws -> RegistryResponse {
    if let mount = request.query["mount"] {
      let digest = try Self.digest(mount)
      let source = request.query["from"].flatMap { $0.isEmpty ? nil : $0 }
      if request.query["store"] == "local" {
        // What the engine has is there already, and he who asks may read all of it: the bytes need not travel.
        guard request.isFromOwner else { throw EndpointError.denied("mounting from the store") }
        guard try await blocking({ try admitted.registry.linkStored(digest, in: name) }) else {
          throw RegistryError.blobUnknown(digest, repository: name)
        }
        return created(name, digest)
      }
      let mounted = try await blocking { try self.mount(admitted, digest, from: source, to: name) }
      if mounted { return created(name, digest) }
      // Not there, or not for this caller: both look the same, and the client sends the bytes. (distribution-spec,
      // Mounting a blob from another repository)
    } else if let text = request.query["digest"] {
      let digest = try Self.digest(text)
      let writer = try await blocking {
        try self.uploads.openAnonymous(in: name, of: admitted.registry, hashing: digest.algorithm)
      }
      do {
        try await receive(request, into: writer)
      } catch {
        try? await blocking { try writer.discard() }
        throw error
      }
      _ = try await blocking { try writer.finish(expecting: digest) }
      return created(name, digest)
    }
    let algorithm = try Self.algorithm(request.query["digest-algorithm"])
    let id = try await blocking { try self.uploads.begin(in: name, of: admitted.registry, hashing: algorithm) }
    return progress(.accepted, name, id, received: 0)
  }

  private func mount(_ admitted: Admitted, _ digest: Digest, from source: String?, to name: String) throws -> Bool {
    guard try admitted.registry.accountSetting(.blobMounting) == "ENABLED" else { return false }
    let sources = try source.map { [$0] } ?? admitted.registry.repositories(havingBlob: digest)
    for source in sources {
      guard
        try decide(admitted.caller, "ecr:GetDownloadUrlForLayer", on: source, of: admitted.registry).isAllowed
      else { continue }
      if try admitted.registry.mountBlob(digest, from: source, to: name) { return true }
    }
    return false
  }

  /// A chunk; or, without Content-Range, a stream of any length.
  func patchUpload(
    _ admitted: Admitted, _ name: String, _ id: String, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    let writer = try await blocking { try self.uploads.open(id, in: name, of: admitted.registry) }
    do {
      try Self.checkRange(request, writer)
      try await receive(request, into: writer)
    } catch {
      // What has come stays: the client asks how much that is, and goes on.
      try? await blocking { try writer.release() }
      return try outOfOrder(error, name, id)
    }
    let received = writer.offset
    try await blocking { try writer.release() }
    return progress(.accepted, name, id, received: received)
  }

  /// The last chunk, if any, and the digest of all.
  func putUpload(
    _ admitted: Admitted, _ name: String, _ id: String, _ request: RegistryRequest
  ) async throws -> RegistryResponse {
    guard let text = request.query["digest"] else { throw EndpointError.digestMissing }
    let digest = try Self.digest(text)
    let writer = try await blocking { try self.uploads.open(id, in: name, of: admitted.registry) }
    do {
      try Self.checkRange(request, writer)
      try await receive(request, into: writer)
    } catch {
      try? await blocking { try writer.release() }
      return try outOfOrder(error, name, id)
    }
    _ = try await blocking { try writer.finish(expecting: digest) }
    return created(name, digest)
  }

  /// 416 with all that the client needs to go on; other errors are thrown on.
  private func outOfOrder(_ error: any Error, _ name: String, _ id: String) throws -> RegistryResponse {
    guard case RegistryError.uploadOutOfOrder(_, let received) = error else { throw error }
    var response = RegistryResponse.failure(error)
    for field in progress(.accepted, name, id, received: received).headers {
      response.headers[field.name] = field.value
    }
    return response
  }

  func getUpload(_ admitted: Admitted, _ name: String, _ id: String) async throws -> RegistryResponse {
    let received = try await blocking {
      let writer = try self.uploads.open(id, in: name, of: admitted.registry)
      let received = writer.offset
      try writer.release()
      return received
    }
    return progress(.noContent, name, id, received: received)
  }

  func deleteUpload(_ admitted: Admitted, _ name: String, _ id: String) async throws -> RegistryResponse {
    try await blocking { try self.uploads.open(id, in: name, of: admitted.registry).discard() }
    return RegistryResponse(.noContent)
  }

  /// What the digest at the end will be of, said at the start: the bytes are then hashed once, while they come.
  /// (distribution-spec 1.2, Pushing a blob in chunks)
  private static func algorithm(_ text: String?) throws -> Digest.Algorithm {
    guard let text else { return .sha256 }
    guard let algorithm = Digest.Algorithm(rawValue: text) else { throw EndpointError.digestAlgorithmUnknown(text) }
    return algorithm
  }

  private static func digest(_ text: String) throws -> Digest {
    do { return try Digest(parsing: text) } catch { throw RouteError.invalidDigest(text) }
  }

  /// A chunk must begin where the upload stands. (distribution-spec, Pushing a blob in chunks)
  private static func checkRange(_ request: RegistryRequest, _ writer: UploadWriter) throws {
    guard let header = request.headers[.contentRange] else { return }
    guard let range = UploadRange(parsing: header) else { throw EndpointError.rangeMalformed(header) }
    if let length = request.contentLength, length != range.count {
      // Some clients announce 0-0 with the empty PUT that ends an upload.
      guard length > 0 else { return }
      throw RegistryError.sizeMismatch(expected: range.count, actual: length)
    }
    guard range.first == writer.offset else {
      throw RegistryError.uploadOutOfOrder(writer.id ?? "", received: writer.offset)
    }
  }

  /// Streams the body into the upload. While one batch is hashed and written on a thread of its own, the next is taken
  /// in (with TLS, decrypted), and no more than that: a fast client waits for the disk, not for memory.
  private func receive(_ request: RegistryRequest, into writer: UploadWriter) async throws {
    metrics.uploadsUnderWay.add()
    defer { metrics.uploadsUnderWay.add(-1) }
    // What cannot fit is refused before it fills the disk for everybody.
    if let length = request.contentLength, length > Self.batchSize {
      let room = try await blocking { try self.registry.storage.room() }
      guard length < room ?? .max else { throw StorageFull() }
    }
    try await withThrowingTaskGroup(of: Void.self) { writing in
      var batch: [ByteBuffer] = []
      var batchBytes = 0
      var total: Int64 = 0
      var couldWrite = true
      do {
        for try await buffer in request.body {
          batch.append(buffer)
          batchBytes += buffer.readableBytes
          total += Int64(buffer.readableBytes)
          guard batchBytes >= Int(Self.batchSize) else { continue }
          let full = batch
          batch = []
          batchBytes = 0
          // One at a time, in order.
          do { try await writing.next() } catch {
            couldWrite = false
            throw error
          }
          writing.addTask { try await self.blocking { try writer.append(full) } }
        }
      } catch {
        // Where the connection broke, all that came is kept; after a failed write, nothing that came later.
        guard couldWrite else { throw error }
        try await writing.waitForAll()
        let rest = batch
        try await blocking { try writer.append(rest) }
        throw RequestBroken.when(error)
      }
      try await writing.waitForAll()
      let rest = batch
      if !rest.isEmpty { try await blocking { try writer.append(rest) } }
      if let length = request.contentLength, length != total { throw RequestBroken() }
    }
  }

  private static let batchSize: Int64 = 512 << 10

  private func created(_ name: String, _ digest: Digest) -> RegistryResponse {
    RegistryResponse(
      .created, [.location: Route.blob(name: name, digest: digest).path, .dockerContentDigest: digest.description])
  }

  private func progress(_ status: HTTPResponse.Status, _ name: String, _ id: String, received: Int64)
    -> RegistryResponse
  {
    RegistryResponse(
      status,
      [
        .location: Route.upload(name: name, id: id).path, .range: UploadRange(received: received).description,
        .dockerUploadUUID: id,
      ])
  }
}
