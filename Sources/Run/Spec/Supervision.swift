/// What `clipper-runtime supervise` does for one container: the content of `supervision.json`.
public struct Supervision: Hashable, Sendable, Codable {
  public var id: String
  /// Absolute path of the OCI bundle.
  public var bundle: String
  /// Absolute path of the directory of `lock`, `state.json` and `attach.sock`.
  public var directory: String
  /// Gets one line of JSON (`SupervisorReport`) when the container has started or could not, and is closed then.
  public var readyDescriptor: Int32?
  /// Stay open as long as the container lives, restarts included, and never reach it.
  public var heldDescriptors: [Int32]?
  /// One end of an AF_UNIX SOCK_SEQPACKET pair: a client that is attached from the first byte on.
  public var attachDescriptor: Int32?
  /// That client removes what the container leaves, if it is there to hear of the end.
  public var attachedCleansUp: Bool?
  public var stdin: StdinMode
  public var log: LogDestination
  public var restart: RestartPolicy
  public var stop: StopPolicy
  public var probes: [Probe]?
  public var hooks: LifecycleHooks?
  /// Runs when the container has ended for good, unless an attached client said that it cleans up.
  public var exitCommand: [String]?

  public init(
    id: String, bundle: String, directory: String, readyDescriptor: Int32? = nil, heldDescriptors: [Int32]? = nil,
    attachDescriptor: Int32? = nil, stdin: StdinMode = .none, log: LogDestination = .init(driver: .none),
    restart: RestartPolicy = .init(policy: .no), stop: StopPolicy = .init(), probes: [Probe]? = nil,
    hooks: LifecycleHooks? = nil, exitCommand: [String]? = nil
  ) {
    self.id = id
    self.bundle = bundle
    self.directory = directory
    self.readyDescriptor = readyDescriptor
    self.heldDescriptors = heldDescriptors
    self.attachDescriptor = attachDescriptor
    self.stdin = stdin
    self.log = log
    self.restart = restart
    self.stop = stop
    self.probes = probes
    self.hooks = hooks
    self.exitCommand = exitCommand
  }
}

/// Whether clients can write to the program. `once` closes its input with the first client's.
public enum StdinMode: String, Hashable, Sendable, Codable { case none, once, open }

public struct LogDestination: Hashable, Sendable, Codable {
  public enum Driver: String, Hashable, Sendable, Codable {
    /// Docker's: one JSON object per line.
    case jsonFile = "json-file"
    /// The kubelet's: `time stream P|F text`.
    case cri
    case none
  }

  public var driver: Driver
  /// Absolute; rotated files are `path.1` and so on.
  public var path: String?
  /// Bytes of one file; nil never rotates.
  public var maxSize: Int64?
  /// Files together with the current one; nil is 1.
  public var maxFiles: Int?

  public init(driver: Driver, path: String? = nil, maxSize: Int64? = nil, maxFiles: Int? = nil) {
    self.driver = driver
    self.path = path
    self.maxSize = maxSize
    self.maxFiles = maxFiles
  }
}

public struct RestartPolicy: Hashable, Sendable, Codable {
  public enum Policy: String, Hashable, Sendable, Codable {
    case no
    case always
    case onFailure = "on-failure"
    case unlessStopped = "unless-stopped"
  }

  public var policy: Policy
  /// For `onFailure`; nil or 0 is without limit.
  public var maximumRetries: Int?

  public init(policy: Policy, maximumRetries: Int? = nil) {
    self.policy = policy
    self.maximumRetries = maximumRetries
  }
}

public struct StopPolicy: Hashable, Sendable, Codable {
  /// A signal's number.
  public var signal: Int32
  /// Seconds until SIGKILL; -1 waits for ever.
  public var timeout: Int

  public init(signal: Int32 = 15, timeout: Int = 10) {
    self.signal = signal
    self.timeout = timeout
  }
}

/// A question that the supervisor asks again and again. Durations are nanoseconds.
public struct Probe: Hashable, Sendable, Codable {
  public enum Kind: String, Hashable, Sendable, Codable {
    /// Docker's health check: reported, never acted on.
    case health
    /// Until it succeeded, the others wait; failing ends the container.
    case startup
    /// Failing ends the container, and the restart policy decides.
    case liveness
    case readiness
  }

  public var kind: Kind
  public var action: ProbeAction
  public var initialDelay: Int64
  public var period: Int64
  /// Failures do not count in this time after the start, until the first success. (health)
  public var startPeriod: Int64
  /// Between probes inside the start period; 0 takes the period. (health)
  public var startInterval: Int64
  public var timeout: Int64
  public var successThreshold: Int
  public var failureThreshold: Int
  /// Failing ends the container; the default for startup and liveness.
  public var terminate: Bool

  public init(
    kind: Kind, action: ProbeAction, initialDelay: Int64 = 0, period: Int64 = 10_000_000_000, startPeriod: Int64 = 0,
    startInterval: Int64 = 0, timeout: Int64 = 1_000_000_000, successThreshold: Int = 1, failureThreshold: Int = 3,
    terminate: Bool? = nil
  ) {
    self.kind = kind
    self.action = action
    self.initialDelay = initialDelay
    self.period = period
    self.startPeriod = startPeriod
    self.startInterval = startInterval
    self.timeout = timeout
    self.successThreshold = successThreshold
    self.failureThreshold = failureThreshold
    self.terminate = terminate ?? (kind == .startup || kind == .liveness)
  }
}

public enum ProbeAction: Hashable, Sendable, Codable {
  /// A program inside the container; success is status 0.
  case exec([String])
  /// Success is a status of 200 to 399.
  case http(HTTPProbe)
  /// Success is a connection.
  case tcp(TCPProbe)

  private enum CodingKeys: String, CodingKey { case exec, http, tcp }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let arguments = try container.decodeIfPresent([String].self, forKey: .exec) {
      self = .exec(arguments)
    } else if let probe = try container.decodeIfPresent(HTTPProbe.self, forKey: .http) {
      self = .http(probe)
    } else if let probe = try container.decodeIfPresent(TCPProbe.self, forKey: .tcp) {
      self = .tcp(probe)
    } else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: container.codingPath, debugDescription: "an action is one of exec, http and tcp"))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .exec(let arguments): try container.encode(arguments, forKey: .exec)
    case .http(let probe): try container.encode(probe, forKey: .http)
    case .tcp(let probe): try container.encode(probe, forKey: .tcp)
    }
  }
}

public struct HTTPProbe: Hashable, Sendable, Codable {
  /// A numeric address inside the container's network; nil is 127.0.0.1.
  public var host: String?
  public var port: UInt16
  public var path: String
  /// `http`; `https` is refused by the runtime.
  public var scheme: String
  public var headers: [String: String]

  public init(
    host: String? = nil, port: UInt16, path: String = "/", scheme: String = "http", headers: [String: String] = [:]
  ) {
    self.host = host
    self.port = port
    self.path = path
    self.scheme = scheme
    self.headers = headers
  }
}

public struct TCPProbe: Hashable, Sendable, Codable {
  /// A numeric address inside the container's network; nil is 127.0.0.1.
  public var host: String?
  public var port: UInt16

  public init(host: String? = nil, port: UInt16) {
    self.host = host
    self.port = port
  }
}

/// Kubernetes' lifecycle handlers.
public struct LifecycleHooks: Hashable, Sendable, Codable {
  /// Right after the start; failing ends the container.
  public var postStart: ProbeAction?
  /// Before the stop signal, inside the stop timeout.
  public var preStop: ProbeAction?

  public init(postStart: ProbeAction? = nil, preStop: ProbeAction? = nil) {
    self.postStart = postStart
    self.preStop = preStop
  }
}
