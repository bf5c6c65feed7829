import Content
import FoundationEssentials
import Glibc
import ImageSpec
import Kernel
import RegistryClient
import Synchronization
import SystemPackage
import TestDirectories

/// A store in a folder of its own, and clients for it that wait for nothing.
final class Machine: Sendable {
  let root: FilePath
  let store: ContentStore
  /// What the clients would have waited.
  let waits = Waits()

  final class Waits: Sendable {
    private let list = Mutex<[Duration]>([])
    var all: [Duration] { list.withLock { $0 } }
    func add(_ duration: Duration) { list.withLock { $0.append(duration) } }
  }

  init() throws {
    root = try makeTestDirectory("clipper-registry-client")
    store = try ContentStore.open(root.appending("store"))
  }

  deinit { try? removeTree(root) }

  /// A client that nothing outside of the test changes.
  func client(
    credentials: [String: Credential] = [:], idle: Int = 120, change: (inout RegistryConfiguration) -> Void = { _ in }
  ) -> RegistryClient {
    var configuration = RegistryConfiguration(credentials: CredentialStore(path: nil).adding(credentials))
    let waits = waits
    configuration.retry.sleep = { waits.add($0) }
    configuration.retry.jitter = { 1 }
    configuration.timeouts.idle = idle
    change(&configuration)
    return RegistryClient(store: store, configuration: configuration)
  }

  /// Runs with a client, and closes its connections.
  func with<Result>(
    _ client: RegistryClient, _ body: (RegistryClient) async throws -> Result
  ) async throws -> Result {
    do {
      let result = try await body(client)
      try await client.shutdown()
      return result
    } catch {
      try await client.shutdown()
      throw error
    }
  }

  /// The files that a failed pull must not leave.
  func contains(_ digests: [Digest]) -> Bool { digests.contains { store.contains($0) } }
}

/// An image with layers of any bytes: nothing unpacks them here.
struct TestImage: Sendable {
  let config: [UInt8]
  let layers: [[UInt8]]
  let manifest: [UInt8]
  let type: MediaType

  init(
    layers: [[UInt8]], layerType: MediaType = .layerGzip, platform: Platform = .host, type: MediaType = .manifest, seed: String = ""
  ) throws {
    var config = ContainerConfig()
    config.cmd = ["/bin/true", seed]
    let image = ImageConfig(platform: platform, config: config, diffIDs: layers.map { ContentStore.digest(of: $0) })
    self.config = try Self.encode(image)
    self.layers = layers
    self.type = type
    manifest = try Self.encode(
      Manifest(
        mediaType: type, config: Self.descriptor(self.config, type == .manifest ? .config : .dockerConfig),
        layers: layers.map { Self.descriptor($0, layerType) }))
  }

  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  static func descriptor(_ bytes: [UInt8], _ type: MediaType) -> Descriptor {
    Descriptor(mediaType: type, digest: ContentStore.digest(of: bytes), size: Int64(bytes.count))
  }

  var descriptor: Descriptor { Self.descriptor(manifest, type) }
  var layerDigests: [Digest] { layers.map { ContentStore.digest(of: $0) } }

  @discardableResult
  func put(in registry: FakeRegistry, _ repository: String, tag: String? = "1") -> Descriptor {
    registry.add(blob: config, to: repository)
    for layer in layers { registry.add(blob: layer, to: repository) }
    return registry.add(manifest: manifest, type: type, to: repository, tag: tag)
  }

  func put(in store: ContentStore, name: String) throws {
    _ = try store.write(config, mediaType: .config)
    for layer in layers { _ = try store.write(layer, mediaType: .layer) }
    try store.setName(Reference(parsing: name), store.write(manifest, mediaType: type))
  }
}

/// Bytes that do not repeat.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
  return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
    for index in 0..<count {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      buffer[index] = UInt8(truncatingIfNeeded: state)
    }
    initialized = count
  }
}

/// A tap that remembers what it was told.
final class RecordingTap: LayerTap {
  struct State {
    var bytes: [UInt8] = []
    var isFinished = false
    var isCancelled = false
  }
  private let state = Mutex(State())
  private let failure: (any Error)?

  init(failing failure: (any Error)? = nil) { self.failure = failure }

  var now: State { state.withLock { $0 } }

  /// Blocks until so many bytes have come; gives up after ten seconds.
  func wait(for count: Int) {
    for _ in 0..<10_000 where now.bytes.count < count { usleep(1000) }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    if let failure { throw failure }
    state.withLock { $0.bytes += bytes }
  }
  func finish() throws { state.withLock { $0.isFinished = true } }
  func cancel() { state.withLock { $0.isCancelled = true } }
}
