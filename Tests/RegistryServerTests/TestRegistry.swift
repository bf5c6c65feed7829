import Content
import DistributionSpec
import FoundationEssentials
import Glibc
import HTTPTypes
import HummingbirdCore
import ImageSpec
import Kernel
import Logging
import NIOCore
import SystemPackage
import TestDirectories
import TestServices
import Testing

@testable import RegistryServer

/// A registry in a directory of its own, which goes with it.
final class TestRegistry: Sendable {
  let root: FilePath
  let store: ContentStore
  let registry: Registry
  let server: RegistryServer
  let files: RegistryFiles
  let key: AccessKey
  private let ownsRoot: Bool

  init(
    anonymous: AnonymousAccess = .push, createsOnPush: Bool = true, root: FilePath? = nil,
    acceptsSparseIndexes: Bool = false, realms: RealmTable = .onlyMain, endpoints: [RegistryServer.Endpoint] = []
  ) throws {
    ownsRoot = root == nil
    self.root = try root ?? Self.makeDirectory()
    store = try ContentStore.open(self.root, longLived: true, readers: 2)
    registry = try Registry(
      store, metadata: TestDatabase.metadata(self.root), createsOnPush: createsOnPush,
      acceptsSparseIndexes: acceptsSparseIndexes)
    files = RegistryFiles(root: self.root)
    if try files.passwords.users().isEmpty { try files.passwords.set("ada", password: "secret", cost: 4) }
    key = try files.keys.create(user: "bob")
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    server = RegistryServer(
      registry,
      authenticator: Authenticator(
        passwords: [files.passwords], keys: files.keys, secret: try files.secret(), logger: logger),
      policy: AccessPolicy(anonymous: anonymous), realms: realms, endpoints: endpoints, logger: logger)
  }

  static func makeDirectory() throws -> FilePath { try makeTestDirectory("registry-test") }

  deinit { if ownsRoot { try? TestDatabase.remove(root) } }

  struct Answer {
    let status: Int
    let headers: HTTPFields
    let body: [UInt8]

    subscript(name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
    var text: String { String(decoding: body, as: UTF8.self) }
    /// Codes of the errors in the body.
    var codes: [String] { (try? decoded(ErrorBody.self))?.errors.map(\.code) ?? [] }
    func decoded<Value: Decodable>(_ type: Value.Type) throws -> Value {
      try JSONDecoder().decode(type, from: Data(body))
    }
  }

  @discardableResult
  func send(
    _ method: HTTPRequest.Method, _ target: String, _ headers: [String: String] = [:], body: [UInt8] = [],
    as credentials: String? = nil, host: String = "registry.test:5000", isFromOwner: Bool = false
  ) async throws -> Answer {
    var fields = HTTPFields()
    for (name, value) in headers { fields[try #require(HTTPField.Name(name))] = value }
    if !body.isEmpty { fields[.contentLength] = String(body.count) }
    if let credentials { fields[.authorization] = "Basic " + Data(credentials.utf8).base64EncodedString() }
    let request = RegistryRequest(
      method: method, target: target, headers: fields, authority: host, remote: "192.0.2.1", isFromOwner: isFromOwner,
      body: RequestBody(buffer: ByteBuffer(bytes: body)))
    let response = await server.respond(to: request).response
    let bytes: [UInt8] =
      switch response.body {
      case .none: []
      case .arriving(let blob): try await Self.read(blob, server)
      case .bytes(let buffer): Array(buffer.readableBytesView)
      case .parts(let file, let parts):
        try parts.parts.reduce(into: []) { bytes, part in
          bytes += Array(part.head.utf8)
          bytes += try file.read(at: part.range.lowerBound, count: part.range.count).readableBytesView
        } + Array(parts.end.utf8)
      case .file(let file, let range): Array(try file.read(at: range.lowerBound, count: range.count).readableBytesView)
      }
    return Answer(status: response.status.code, headers: response.headers, body: bytes)
  }

  private static func read(_ blob: ArrivingBlob, _ server: RegistryServer) async throws -> [UInt8] {
    try await blob.complete()
    return Array(try await blob.read(at: 0, count: blob.blob.size, server).readableBytesView)
  }

  // MARK: content

  static func digest(_ bytes: [UInt8]) -> Digest { ContentStore.digest(of: bytes) }

  /// Pushes a blob in one request.
  @discardableResult
  func push(blob bytes: [UInt8], to name: String, as credentials: String? = nil) async throws -> Digest {
    let digest = Self.digest(bytes)
    let answer = try await send(
      .post, "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: bytes, as: credentials)
    #expect(answer.status == 201, "\(answer.text)")
    return digest
  }

  static func manifest(config: [UInt8], layers: [[UInt8]], subject: Descriptor? = nil, artifactType: String? = nil)
    -> [UInt8]
  {
    let manifest = Manifest(
      artifactType: artifactType,
      config: Descriptor(mediaType: .config, digest: digest(config), size: Int64(config.count)),
      layers: layers.map { Descriptor(mediaType: .layer, digest: digest($0), size: Int64($0.count)) }, subject: subject)
    return json(manifest)
  }

  static func json(_ value: some Encodable) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { Array($0) } ?? []
  }

  /// Pushes an image of one layer, and returns its manifest.
  @discardableResult
  func push(
    image text: String, to name: String, tag: String? = nil, as credentials: String? = nil
  ) async throws -> (bytes: [UInt8], digest: Digest) {
    let config = Array("{\"architecture\":\"amd64\",\"os\":\"linux\",\"author\":\"\(text)\"}".utf8)
    let layer = Array("layer of \(text)".utf8)
    try await push(blob: config, to: name, as: credentials)
    try await push(blob: layer, to: name, as: credentials)
    let manifest = Self.manifest(config: config, layers: [layer])
    let digest = Self.digest(manifest)
    let answer = try await send(
      .put, "/v2/\(name)/manifests/\(tag ?? digest.description)", ["content-type": MediaType.manifest.rawValue],
      body: manifest, as: credentials)
    #expect(answer.status == 201, "\(answer.text)")
    return (manifest, digest)
  }

  static func descriptor(_ manifest: [UInt8]) -> Descriptor {
    Descriptor(mediaType: .manifest, digest: digest(manifest), size: Int64(manifest.count))
  }
}
