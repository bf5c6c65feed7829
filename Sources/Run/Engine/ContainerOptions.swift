public import ImageSpec
public import RuntimeSpec

/// What a container is made from: the flags of `create` and `run`, parsed.
public struct ContainerOptions: Sendable, Codable {
  /// The image as the user named it.
  public var image: String
  /// nil takes a random name of two words.
  public var name: String?
  /// nil keeps the image's; an empty list clears it.
  public var entrypoint: [String]?
  public var command: [String] = []
  /// `NAME=value`; later entries win over earlier ones and over the image's.
  public var environment: [String] = []
  public var workingDirectory: String?
  /// `user[:group]`, names or numbers.
  public var user: String?
  public var additionalGroups: [String] = []
  public var hostname: String?
  public var domainName: String?
  public var labels: [String: String] = [:]
  public var annotations: [String: String] = [:]

  public var terminal = false
  /// Of the terminal that starts it: the container's has this size before its program looks.
  public var terminalSize: ConsoleSize?
  public var openStdin = false
  public var detach = false
  public var autoRemove = false
  /// Runs Clipper's own init as process 1, which forwards signals and reaps.
  public var useInit = false

  public var mounts: [MountOption] = []
  public var readOnlyRoot = false
  /// Bytes of /dev/shm; nil is 64 MiB.
  public var shmSize: Int64?

  public var network: NetworkMode = .bridge(name: "bridge")
  public var networkAliases: [String] = []
  public var ports: [PortMapping] = []
  public var publishAll = false
  /// `80/tcp`, beside the image's.
  public var exposedPorts: [String] = []
  /// `name:address`.
  public var extraHosts: [String] = []
  public var dns: [String] = []
  public var dnsSearch: [String] = []
  public var dnsOptions: [String] = []
  /// ID of a pod: the container joins its network, IPC and UTS namespaces and has no network of its own.
  public var pod: String?

  public var restart = RestartPolicy(policy: .no)
  public var stopSignal: String?
  /// Seconds.
  public var stopTimeout: Int?
  /// From `--health-*`, over the image's; nil keeps the image's.
  public var healthcheck: Healthcheck?
  public var disableHealthcheck = false
  /// Probes and hooks of Kubernetes, run by the supervisor.
  public var probes: [Probe] = []
  public var hooks: LifecycleHooks?

  public var resources = ResourceOptions()
  public var ulimits: [UlimitOption] = []
  public var privileged = false
  public var addedCapabilities: [String] = []
  public var droppedCapabilities: [String] = []
  public var noNewPrivileges = false
  public var seccomp: SeccompOption = .default
  /// The paths of /proc and /sys that are masked or read-only by default are neither. (`--security-opt systempaths=unconfined`)
  public var unconfinedSystemPaths = false
  public var devices: [DeviceOption] = []
  public var sysctls: [String: String] = [:]
  /// Namespaces of the host that the container stays in.
  public var hostNamespaces: Set<HostNamespace> = []

  public var log = LogOptions()
  public var platform: Platform?

  public init(image: String) { self.image = image }
}

/// `--pid host`, `--ipc host`, `--uts host`.
public enum HostNamespace: String, Sendable, Codable, CaseIterable { case pid, ipc, uts }

public struct MountOption: Sendable, Codable, Hashable {
  public enum Kind: String, Sendable, Codable { case bind, volume, tmpfs }

  public var kind: Kind
  /// bind: an absolute host path; volume: its name, nil for an anonymous one.
  public var source: String?
  public var target: String
  public var readOnly = false
  /// bind: `rprivate`, `rslave`, `rshared` and the others of mount(8).
  public var propagation: String?
  /// bind: makes a missing source directory (`-v`), where `--mount` reports an error.
  public var createSource = false
  /// A new volume starts with what the image has at the target.
  public var copyUp = true
  /// tmpfs: bytes.
  public var size: Int64?
  /// tmpfs: permission bits.
  public var mode: UInt32?
  /// Further options of mount(8), such as `noexec`.
  public var options: [String] = []

  public init(kind: Kind, source: String? = nil, target: String) {
    self.kind = kind
    self.source = source
    self.target = target
  }
}

public enum NetworkMode: Sendable, Codable, Hashable {
  case none
  case host
  case bridge(name: String)
  /// Another container's network namespace.
  case container(id: String)
}

public struct PortMapping: Sendable, Codable, Hashable {
  public enum TransportProtocol: String, Sendable, Codable { case tcp, udp }

  /// nil listens on all addresses.
  public var hostAddress: String?
  /// 0 takes a free port.
  public var hostPort: UInt16
  public var containerPort: UInt16
  public var transport: TransportProtocol = .tcp

  public init(hostAddress: String? = nil, hostPort: UInt16, containerPort: UInt16, transport: TransportProtocol = .tcp) {
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.containerPort = containerPort
    self.transport = transport
  }
}

public struct ResourceOptions: Sendable, Codable, Hashable {
  /// Bytes.
  public var memory: Int64?
  /// Bytes of memory and swap together; -1 is unlimited.
  public var memorySwap: Int64?
  public var memoryReservation: Int64?
  /// Processors, for example 1.5.
  public var cpus: Double?
  public var cpuShares: UInt64?
  public var cpusetCPUs: String?
  /// -1 is unlimited.
  public var pidsLimit: Int64?
  /// Relative weight 10 to 1000.
  public var ioWeight: UInt16?
  public var oomScoreAdjustment: Int?

  public init() {}
}

public struct UlimitOption: Sendable, Codable, Hashable {
  /// As in setrlimit(2) without the prefix, lower case: `nofile`.
  public var name: String
  public var soft: Int64
  public var hard: Int64

  public init(name: String, soft: Int64, hard: Int64) {
    self.name = name
    self.soft = soft
    self.hard = hard
  }
}

public enum SeccompOption: Sendable, Codable, Hashable {
  case `default`
  case unconfined
  /// A profile in Docker's JSON form, read already.
  case profile(json: String)
}

public struct DeviceOption: Sendable, Codable, Hashable {
  public var hostPath: String
  public var containerPath: String
  /// Of `rwm`.
  public var permissions: String

  public init(hostPath: String, containerPath: String, permissions: String = "rwm") {
    self.hostPath = hostPath
    self.containerPath = containerPath
    self.permissions = permissions
  }
}

public struct LogOptions: Sendable, Codable, Hashable {
  public enum Driver: String, Sendable, Codable { case jsonFile = "json-file", none }

  public var driver: Driver = .jsonFile
  /// Bytes of one file; nil never rotates.
  public var maxSize: Int64?
  public var maxFiles = 1

  public init() {}
}
