public import BuildGraph
public import Content
public import DockerfileSyntax
public import ImageSpec
public import RegistryClient
public import Snapshots
public import SystemPackage

/// What a build works with.
public struct BuildEnvironment: Sendable {
  public var content: ContentStore
  public var snapshots: SnapshotStore
  /// `clipper-runtime`, and its own directory.
  public var runtime: FilePath
  public var runtimeRoot: FilePath
  /// An image that a stage begins with or copies from: the local one, or fetched.
  public var image:
    @Sendable (_ name: String, _ platform: Platform, _ pull: Bool, _ progress: @escaping TransferProgress) async throws
      -> BaseImage
  /// For ADD of URLs.
  public var registry: @Sendable () -> RegistryClient
  /// A place in the machine's container network for RUN. What it throws is why there is none: RUN then has the host's.
  public var network: @Sendable () throws -> StepNetwork

  public init(
    content: ContentStore, snapshots: SnapshotStore, runtime: FilePath, runtimeRoot: FilePath,
    image: @escaping @Sendable (String, Platform, Bool, @escaping TransferProgress) async throws -> BaseImage,
    registry: @escaping @Sendable () -> RegistryClient, network: @escaping @Sendable () throws -> StepNetwork
  ) {
    self.content = content
    self.snapshots = snapshots
    self.runtime = runtime
    self.runtimeRoot = runtimeRoot
    self.image = image
    self.registry = registry
    self.network = network
  }
}

/// An image as the store has it, for one platform.
public struct BaseImage: Sendable {
  public var manifest: Manifest
  public var config: ImageConfig
  /// What its name stands for: `docker.io/library/debian:12@sha256:…`
  public var name: String

  public init(manifest: Manifest, config: ImageConfig, name: String) {
    self.manifest = manifest
    self.config = config
    self.name = name
  }
}

/// A network namespace that is connected, for as long as the object lives.
public final class StepNetwork: Sendable {
  public let namespace: CInt
  /// The host as containers reach it.
  public let gateway: String?
  private let held: [any Sendable]

  /// - Parameter held: what gives the namespace up when it goes.
  public init(namespace: CInt, gateway: String?, holding held: [any Sendable] = []) {
    self.namespace = namespace
    self.gateway = gateway
    self.held = held
  }
}

/// How to build, beside what.
public struct BuildOptions: Sendable {
  public var request: BuildRequest
  /// Steps are not looked up, but are kept for later builds.
  public var noCache = false
  /// Images are fetched even where they are here.
  public var pull = false
  /// Of RUN without a `--network` of its own.
  public var network: RunInstruction.Network = .default
  /// Lines of /etc/hosts during RUN: (name, address or `host-gateway`).
  public var extraHosts: [(name: String, address: String)] = []
  /// Bytes of /dev/shm; nil is 64 MiB.
  public var shmSize: Int64?
  /// Bytes that a RUN may use; nil is no limit.
  public var memory: Int64?
  /// (`RLIMIT_NOFILE`, soft, hard)
  public var limits: [(name: String, soft: UInt64, hard: UInt64)] = []
  /// SOURCE_DATE_EPOCH, seconds.
  public var epoch: Int64?

  public init(request: BuildRequest) { self.request = request }
}
