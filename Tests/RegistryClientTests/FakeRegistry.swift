import Content
import DistributionSpec
import ImageSpec
import Synchronization

/// A registry in memory: the protocol as it should be, with a place to answer otherwise.
final class FakeRegistry: Sendable {
  struct State {
    /// By repository and digest.
    var blobs: [String: [UInt8]] = [:]
    /// By repository and reference.
    var manifests: [String: (type: String, bytes: [UInt8])] = [:]
    var uploads: [String: [UInt8]] = [:]
    var nextUpload = 0
  }

  let state = Mutex(State())
  private let box = Mutex<FakeServer?>(nil)
  private let ranges: Bool

  /// - Parameter answer: answers a request in the registry's place; nil lets it answer itself. The number counts the
  ///   requests with the same method and path, from 1.
  init(
    ranges: Bool = true,
    answer: @escaping @Sendable (FakeRequest, Int, FakeRegistry) -> FakeAnswer? = { _, _, _ in nil },
    cut: @escaping @Sendable (FakeRequest, FakeRegistry) -> Int? = { _, _ in nil }
  ) throws {
    self.ranges = ranges
    let counts = Counts()
    let server = try FakeServer(
      cut: { [weak self] request in self.flatMap { cut(request, $0) } },
      { [weak self] request in
        guard let self else { return FakeAnswer(500) }
        let number = counts.next(request.method + " " + request.path)
        return answer(request, number, self) ?? self.answer(request)
      })
    box.withLock { $0 = server }
  }

  private final class Counts: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    func next(_ key: String) -> Int {
      counts.withLock { counts in
        counts[key, default: 0] += 1
        return counts[key] ?? 0
      }
    }
  }

  deinit { box.withLock { $0?.stop() } }

  var server: FakeServer {
    box.withLock { server in
      guard let server else { preconditionFailure("made in init") }
      return server
    }
  }
  var host: String { server.host }

  func name(_ text: String) throws -> Reference { try Reference(parsing: "\(host)/\(text)") }

  // MARK: Content

  @discardableResult
  func add(blob bytes: [UInt8], to repository: String) -> Digest {
    let digest = ContentStore.digest(of: bytes)
    state.withLock { $0.blobs["\(repository)@\(digest)"] = bytes }
    return digest
  }

  func add(manifest bytes: [UInt8], type: MediaType, to repository: String, tag: String?) -> Descriptor {
    let digest = ContentStore.digest(of: bytes)
    state.withLock { state in
      state.manifests["\(repository)@\(digest)"] = (type.rawValue, bytes)
      if let tag { state.manifests["\(repository)@\(tag)"] = (type.rawValue, bytes) }
    }
    return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
  }

  func blob(_ digest: Digest, in repository: String) -> [UInt8]? {
    state.withLock { $0.blobs["\(repository)@\(digest)"] }
  }
  func manifest(_ reference: String, in repository: String) -> [UInt8]? {
    state.withLock { $0.manifests["\(repository)@\(reference)"]?.bytes }
  }

  // MARK: Protocol

  func answer(_ request: FakeRequest) -> FakeAnswer {
    guard let route = try? Route(parsing: request.path) else { return FakeAnswer(404) }
    let query = Query(parsing: request.query)
    switch (request.method, route) {
    case ("GET", .base): return FakeAnswer(200)
    case ("GET", .manifest(let name, let reference)), ("HEAD", .manifest(let name, let reference)):
      guard let found = state.withLock({ $0.manifests["\(name)@\(reference)"] }) else {
        return FakeAnswer(404, text: #"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)
      }
      return FakeAnswer(
        200,
        [("Content-Type", found.type), ("Docker-Content-Digest", ContentStore.digest(of: found.bytes).description)],
        found.bytes)
    case ("PUT", .manifest(let name, let reference)):
      let digest = add(
        manifest: request.body, type: MediaType(request.headers["content-type"] ?? ""), to: name, tag: reference.tag
      ).digest
      return FakeAnswer(201, [("Docker-Content-Digest", digest.description)])
    case ("GET", .blob(let name, let digest)), ("HEAD", .blob(let name, let digest)):
      guard let bytes = blob(digest, in: name) else { return FakeAnswer(404) }
      return served(bytes, request)
    default: return upload(request, route, query)
    }
  }

  func served(_ bytes: [UInt8], _ request: FakeRequest) -> FakeAnswer {
    guard ranges, let header = request.headers["range"],
      let range = ByteRange.parse(header)?.first?.resolved(size: Int64(bytes.count))
    else { return FakeAnswer(200, [], bytes) }
    return FakeAnswer(
      206, [("Content-Range", ContentRange.bytes(range, size: Int64(bytes.count)).description)],
      Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
  }

  private func upload(_ request: FakeRequest, _ route: Route, _ query: Query) -> FakeAnswer {
    switch (request.method, route) {
    case ("POST", .uploads(let name)):
      if let mount = query["mount"], let from = query["from"], let digest = try? Digest(parsing: mount),
        let bytes = blob(digest, in: from)
      {
        add(blob: bytes, to: name)
        return FakeAnswer(201)
      }
      let id = state.withLock { state in
        state.nextUpload += 1
        state.uploads["\(state.nextUpload)"] = []
        return "\(state.nextUpload)"
      }
      return progress(name, id, 202)
    case ("GET", .upload(let name, let id)):
      return state.withLock({ $0.uploads[id] }) == nil ? FakeAnswer(404) : progress(name, id, 204)
    case ("PATCH", .upload(let name, let id)):
      let received = state.withLock { $0.uploads[id]?.count ?? 0 }
      if let range = request.headers["content-range"].flatMap({ UploadRange(parsing: $0) }),
        range.first != Int64(received)
      {
        return FakeAnswer(416)
      }
      receive(request.body, id)
      return progress(name, id, 202)
    case ("PUT", .upload(let name, let id)):
      receive(request.body, id)
      let bytes = state.withLock { $0.uploads.removeValue(forKey: id) ?? [] }
      guard query["digest"] == ContentStore.digest(of: bytes).description else { return FakeAnswer(400) }
      add(blob: bytes, to: name)
      return FakeAnswer(201)
    default: return FakeAnswer(405)
    }
  }

  func receive(_ bytes: [UInt8], _ id: String) { state.withLock { $0.uploads[id]? += bytes } }

  private func progress(_ name: String, _ id: String, _ status: Int) -> FakeAnswer {
    let count = state.withLock { $0.uploads[id]?.count ?? 0 }
    return FakeAnswer(
      status,
      [
        ("Location", Route.upload(name: name, id: id).path + "?state=x"),
        ("Range", UploadRange(received: Int64(count)).description),
      ])
  }
}
