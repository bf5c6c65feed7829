public import Content
internal import Kernel
public import RegistryClient
public import Snapshots
internal import Synchronization
internal import SystemPackage

/// Containers, images, networks and volumes of one root. Every method is safe to call from many threads and processes.
///
/// ```
/// <root>/containers/<id>/   the bundle: config.json, supervision.json, rootfs (an empty mount point)
///                           upper, work       what the container changed
///                           hosts, hostname, resolv.conf, log.json
///                           lock              held by who starts, cleans up or removes the container
/// <root>/volumes/<name>/_data
/// <run>/containers/<id>/    the supervisor's: lock, state.json, attach.sock
/// <run>/pods/<id>/pid       the process that keeps a pod's namespaces
/// <run>/runtime/<id>/       clipper-runtime's own
/// ```
public final class Engine: Sendable {
  public let content: ContentStore
  public let snapshots: SnapshotStore
  public let locations: Locations
  /// Told of what is no error, but what somebody should know.
  let warn: @Sendable (String) -> Void
  private let client = Mutex<RegistryClient?>(nil)

  /// Opens the root, and makes it where there is none.
  public static func open(
    _ locations: Locations = .standard, warn: @escaping @Sendable (String) -> Void = { _ in }
  ) throws -> Engine {
    try Engine(content: ContentStore.open(locations.root), locations: locations, warn: warn)
  }

  /// - Parameter content: the store at `locations.root`, opened by the caller, for instance with connections that read
  ///   side by side.
  public init(
    content: ContentStore, locations: Locations, warn: @escaping @Sendable (String) -> Void = { _ in }
  ) throws {
    self.warn = warn
    self.content = content
    self.locations = locations
    snapshots = try SnapshotStore(content)
    try content.migrate("engine", EngineSchema.steps)
  }

  /// Made when it is first asked for: commands that reach no registry start no event loops.
  public var registry: RegistryClient {
    client.withLock { client in
      if let client { return client }
      var configuration = RegistryConfiguration.default
      configuration.onWarning = { [warn] in warn($0.description) }
      let made = RegistryClient(store: content, configuration: configuration)
      client = made
      return made
    }
  }

  /// Closes connections to registries, where there are any.
  public func shutdown() async throws {
    guard let opened = client.withLock({ $0 }) else { return }
    try await opened.shutdown()
  }

  // MARK: Paths

  var containersDirectory: FilePath { locations.root.appending("containers") }
  func directory(of container: String) -> FilePath { containersDirectory.appending(container) }
  func runDirectory(of container: String) -> FilePath { locations.run.appending("containers").appending(container) }
  var runtimeRoot: FilePath { locations.run.appending("runtime") }
  var volumesDirectory: FilePath { locations.root.appending("volumes") }
  func podDirectory(_ pod: String) -> FilePath { locations.run.appending("pods").appending(pod) }
}
