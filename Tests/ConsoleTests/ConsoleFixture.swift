import Content
import FoundationEssentials
import Glibc
import HTTPTypes
import HummingbirdCore
import ImageSpec
import Kernel
import Layers
import Logging
import NIOCore
import RegistryServer
import SystemPackage
import TestDirectories
import Testing

@testable import Console

/// A registry with a console, in a directory of its own that goes with it.
final class ConsoleFixture: Sendable {
  let root: FilePath
  let registry: Registry
  let files: RegistryFiles
  let server: RegistryServer
  let console: Console

  init(anonymous: AnonymousAccess = .push, realms: RealmTable = .onlyMain) throws {
    root = try makeTestDirectory("console-test")
    registry = try Registry(try ContentStore.open(root, longLived: true, readers: 2))
    files = RegistryFiles(root: root)
    try files.passwords.set("ada", password: "secret", cost: 4)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    console = try Console(registry, cache: root.appending("layers"), logger: logger)
    server = RegistryServer(
      registry,
      authenticator: Authenticator(
        passwords: [files.passwords], keys: files.keys, secret: try files.secret(), logger: logger),
      policy: AccessPolicy(anonymous: anonymous), realms: realms, endpoints: [console.endpoint], logger: logger)
  }

  deinit { try? removeTree(root) }

  struct Answer {
    let status: Int
    let headers: HTTPFields
    let body: [UInt8]

    subscript(name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
    var text: String { String(decoding: body, as: UTF8.self) }
    /// `name=value` of the cookie that it sets.
    var cookie: String? { self["set-cookie"].map { String($0.prefix { $0 != ";" }) } }
  }

  func get(_ target: String, _ headers: [String: String] = [:]) async throws -> Answer {
    try await send(.get, target, headers)
  }

  func send(
    _ method: HTTPRequest.Method, _ target: String, _ headers: [String: String] = [:], body: String = "",
    isSecure: Bool = true
  ) async throws -> Answer {
    var fields = HTTPFields()
    for (name, value) in headers { fields[try #require(HTTPField.Name(name))] = value }
    let request = RegistryRequest(
      method: method, target: target, headers: fields, authority: "registry.test:5000", isSecure: isSecure,
      remote: "192.0.2.1", body: RequestBody(buffer: ByteBuffer(string: body)))
    let response = await server.respond(to: request).response
    var bytes: [UInt8] = []
    if case .bytes(let buffer) = response.body { bytes = Array(buffer.readableBytesView) }
    return Answer(status: response.status.code, headers: response.headers, body: bytes)
  }

  /// Sends the sign-in form as a browser does.
  func signIn(
    _ user: String = "ada", _ password: String = "secret", next: String = "/ui/",
    headers: [String: String] = ["origin": "https://registry.test:5000"]
  ) async throws -> Answer {
    try await send(.post, "/ui/sign-in", headers, body: "next=\(next)&user=\(user)&password=\(password)")
  }

  // MARK: content

  /// A layer's archive, uncompressed. Files have letters in them where `contents` does not say what.
  static func tar(_ entries: [TarEntry], contents: [String: String] = [:]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let writer = TarWriter { bytes.append(contentsOf: $0) }
    for entry in entries {
      try writer.begin(entry)
      if entry.size > 0 {
        let content =
          contents[entry.displayName].map { Array($0.utf8) } ?? [UInt8](repeating: 0x61, count: Int(entry.size))
        try content.withUnsafeBytes { try writer.content($0) }
      }
    }
    try writer.finish()
    return bytes
  }

  static func file(_ name: String, _ size: Int = 0) -> TarEntry { file(Array(name.utf8), size) }

  static func file(_ name: [UInt8], _ size: Int = 0) -> TarEntry {
    var entry = TarEntry(kind: .file, name: name, mode: 0o644)
    entry.size = Int64(size)
    entry.modified = 1_764_000_000
    return entry
  }

  static func entry(_ kind: TarEntry.Kind, _ name: String, link: String = "", mode: UInt32 = 0o755) -> TarEntry {
    var entry = TarEntry(kind: kind, name: Array(name.utf8), mode: mode)
    entry.linkName = Array(link.utf8)
    return entry
  }

  @discardableResult
  func push(blob bytes: [UInt8], to name: String, in registry: Registry? = nil, type: MediaType = .layer) async throws
    -> Descriptor
  {
    let digest = ContentStore.digest(of: bytes)
    let prefix = (registry?.realm).map { $0.isMain ? "" : "\($0.account)/\($0.region)/" } ?? ""
    var fields = HTTPFields()
    fields[.contentLength] = String(bytes.count)
    // ada, whose password is secret.
    fields[.authorization] = "Basic YWRhOnNlY3JldA=="
    let request = RegistryRequest(
      method: .post, target: "/v2/\(prefix)\(name)/blobs/uploads/?digest=\(digest)", headers: fields,
      authority: "registry.test:5000", body: RequestBody(buffer: ByteBuffer(bytes: bytes)))
    let response = await server.respond(to: request).response
    #expect(response.status == .created)
    return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
  }

  static func json(_ value: some Encodable) throws -> [UInt8] { Array(try JSONEncoder().encode(value)) }

  /// Pushes an image and returns its digest.
  @discardableResult
  func push(
    _ name: String, _ tags: [String] = [], layers: [[UInt8]], config: ImageConfig? = nil,
    annotations: [String: String]? = nil, in realm: Registry? = nil
  ) async throws -> Digest {
    let registry = realm ?? registry
    let config = config ?? ImageConfig(platform: Platform(os: "linux", architecture: "amd64"))
    let configuration = try await push(blob: try Self.json(config), to: name, in: registry, type: .config)
    var descriptors: [Descriptor] = []
    for layer in layers { descriptors.append(try await push(blob: layer, to: name, in: registry)) }
    let manifest = Manifest(config: configuration, layers: descriptors, annotations: annotations)
    return try registry.putManifest(try Self.json(manifest), contentType: .manifest, in: name, tags: tags).digest
  }
}
