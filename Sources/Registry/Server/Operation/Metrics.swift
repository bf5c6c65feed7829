import Synchronization

/// A number that only grows, or one that goes up and down: one atomic operation a change, no lock.
public final class Counter: Sendable {
  private let count = Atomic<Int64>(0)

  public init() {}

  public func add(_ amount: Int64 = 1) { count.wrappingAdd(amount, ordering: .relaxed) }
  public var value: Int64 { count.load(ordering: .relaxed) }
}

/// How long things took, in cumulative buckets.
final class Histogram: Sendable {
  /// Upper bounds in milliseconds. A manifest from memory takes less than the first, a big layer hours.
  static let bounds: [Int64] = [1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 60_000, 600_000]
  let buckets = (0...bounds.count).map { _ in Counter() }
  let microseconds = Counter()

  func record(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let taken = seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    microseconds.add(taken)
    buckets[Self.bounds.firstIndex { taken <= $0 * 1000 } ?? Self.bounds.count].add()
  }
}

/// A family of metrics that is counted seldom, by labels that are made as they come.
public struct MetricFamily: Hashable, Sendable {
  public enum Kind: String, Sendable { case counter, gauge }

  /// As it is shown: `clipper_registry_…`, a counter's with `_total`.
  public let name: String
  public let help: String
  public let kind: Kind
  /// Names of the labels.
  public let labels: [String]

  public init(_ name: String, _ help: String, kind: Kind = .counter, labels: [String] = []) {
    self.name = name
    self.help = help
    self.kind = kind
    self.labels = labels
  }
}

extension MetricFamily {
  static let rateLimited = MetricFamily(
    "clipper_registry_rate_limited_total", "Requests refused since their address or principal asks too often.",
    labels: ["by"])
  static let signInsRefused = MetricFamily(
    "clipper_registry_sign_ins_refused_total", "Credentials that were wrong, malformed or too many at once.")
}

/// What a registry counts while it serves, for `/metrics`.
///
/// What each request touches is atomics at fixed places. What happens seldom (a collection, a refused sign-in) is counted by
/// `count`, under a lock, with as many labels as `seriesLimit` allows: no client can make the memory grow by its words.
public final class ServerMetrics: Sendable {
  private static let methods = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "other"]
  private static let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"]

  private let requests: [Counter]
  private let durations: [Histogram]
  public let bytesReceived = Counter()
  public let bytesSent = Counter()
  public let connections = Counter()
  public let connectionsAccepted = Counter()
  public let connectionsRefused = Counter()
  public let requestsUnderWay = Counter()
  public let uploadsUnderWay = Counter()
  public let accessLogLinesLost = Counter()
  private let events = RegistryEvent.Kind.allCases.map { _ in Counter() }
  private let seldom = Mutex<[MetricFamily: [[String]: Int64]]>([:])
  static let seriesLimit = 200

  public init() {
    requests = (0..<RouteLabel.allCases.count * Self.methods.count * Self.classes.count).map { _ in Counter() }
    durations = RouteLabel.allCases.map { _ in Histogram() }
  }

  func countRequest(_ route: RouteLabel, method: String, status: Int, took: Duration) {
    let method = Self.methods.firstIndex(of: method) ?? Self.methods.count - 1
    let status = min(max(status / 100, 1), Self.classes.count) - 1
    requests[(route.rawValue * Self.methods.count + method) * Self.classes.count + status].add()
    durations[route.rawValue].record(took)
  }

  func count(_ event: RegistryEvent.Kind) {
    if let index = RegistryEvent.Kind.allCases.firstIndex(of: event) { events[index].add() }
  }

  /// Counts something seldom. `labels` are values in the family's order; what is too many counts as `other`.
  public func count(_ family: MetricFamily, _ labels: [String] = [], by amount: Int64 = 1) {
    change(family, labels) { $0 + amount }
  }

  /// Says what a gauge stands at.
  public func set(_ family: MetricFamily, _ labels: [String] = [], to value: Int64) {
    change(family, labels) { _ in value }
  }

  private func change(_ family: MetricFamily, _ labels: [String], _ edit: (Int64) -> Int64) {
    precondition(labels.count == family.labels.count, "\(family.name) has \(family.labels.count) labels")
    seldom.withLock { seldom in
      var key = labels.map { String($0.prefix(200)) }
      if seldom[family]?[key] == nil, (seldom[family]?.count ?? 0) >= Self.seriesLimit {
        key = labels.map { _ in "other" }
      }
      seldom[family, default: [:]][key] = edit(seldom[family]?[key] ?? 0)
    }
  }

  /// All of it, in the text format. (prometheus.io, Exposition formats, 0.0.4)
  func write(to text: inout MetricsText) {
    text.family("clipper_registry_http_requests_total", "counter", "Requests answered, by endpoint, method and class of status.")
    for route in RouteLabel.allCases {
      for (methodIndex, method) in Self.methods.enumerated() {
        for (classIndex, name) in Self.classes.enumerated() {
          let index = (route.rawValue * Self.methods.count + methodIndex) * Self.classes.count + classIndex
          let value = requests[index].value
          guard value > 0 else { continue }
          text.sample(
            "clipper_registry_http_requests_total",
            [("route", route.name), ("method", method), ("status", name)], "\(value)")
        }
      }
    }
    writeDurations(to: &text)
    for (name, kind, help, value) in simple {
      text.family("clipper_registry_" + name, kind, help)
      text.sample("clipper_registry_" + name, [], "\(value)")
    }
    text.family("clipper_registry_events_total", "counter", "What happened to repositories.")
    for (kind, counter) in zip(RegistryEvent.Kind.allCases, events) {
      text.sample("clipper_registry_events_total", [("kind", kind.rawValue)], "\(counter.value)")
    }
    let seldom = seldom.withLock { $0 }
    for (family, series) in seldom.sorted(by: { $0.key.name < $1.key.name }) {
      text.family(family.name, family.kind.rawValue, family.help)
      for (labels, value) in series.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
        text.sample(family.name, Array(zip(family.labels, labels)), "\(value)")
      }
    }
  }

  private var simple: [(String, String, String, Int64)] {
    [
      ("http_bytes_received_total", "counter", "Bytes of requests, heads included.", bytesReceived.value),
      ("http_bytes_sent_total", "counter", "Bytes of responses, heads included.", bytesSent.value),
      ("http_requests_in_flight", "gauge", "Requests being answered.", requestsUnderWay.value),
      ("connections", "gauge", "Connections that are open.", connections.value),
      ("connections_accepted_total", "counter", "Connections taken.", connectionsAccepted.value),
      ("connections_refused_total", "counter", "Connections closed at once: their address had too many.", connectionsRefused.value),
      ("uploads_in_progress", "gauge", "Requests that are sending a blob.", uploadsUnderWay.value),
      ("access_log_lines_lost_total", "counter", "Lines that the access log could not take.", accessLogLinesLost.value),
    ]
  }

  private func writeDurations(to text: inout MetricsText) {
    let name = "clipper_registry_http_request_duration_seconds"
    text.family(name, "histogram", "From a request's head to the end of its response.")
    for route in RouteLabel.allCases {
      let histogram = durations[route.rawValue]
      let counts = histogram.buckets.map(\.value)
      guard counts.contains(where: { $0 > 0 }) else { continue }
      var total: Int64 = 0
      for (bound, count) in zip(Histogram.bounds.map { "\(Double($0) / 1000)" } + ["+Inf"], counts) {
        total += count
        text.sample(name + "_bucket", [("route", route.name), ("le", bound)], "\(total)")
      }
      text.sample(name + "_sum", [("route", route.name)], "\(Double(histogram.microseconds.value) / 1_000_000)")
      text.sample(name + "_count", [("route", route.name)], "\(total)")
    }
  }
}

/// Which endpoint a request is for, as its metrics call it.
enum RouteLabel: Int, CaseIterable, Sendable {
  case base, catalog, tags, manifests, blobs, uploads, upload, referrers, aws, health, metrics, other

  var name: String { "\(self)" }

  /// By the last words of a path; whether the path is one that the endpoint takes does not matter here.
  init(path: String, method: String) {
    guard path.utf8.starts(with: "/v2".utf8), path == "/v2" || path.utf8.dropFirst(3).first == UInt8(ascii: "/") else {
      switch path {
      case "/" where method == "POST": self = .aws
      case "/healthz", "/readyz": self = .health
      case "/metrics": self = .metrics
      default: self = .other
      }
      return
    }
    let slash = UInt8(ascii: "/")
    var rest = path.utf8.dropFirst(3)
    while rest.last == slash { rest.removeLast() }
    guard let last = rest.lastIndex(of: slash) else {
      self = .base
      return
    }
    let word = rest[rest.index(after: last)...]
    if word.elementsEqual("uploads".utf8) {
      self = .uploads
      return
    }
    if last == rest.startIndex {
      self = word.elementsEqual("_catalog".utf8) ? .catalog : .other
      return
    }
    let front = rest[..<last]
    let before = front.lastIndex(of: slash).map { front[front.index(after: $0)...] } ?? front
    switch String(Substring(before)) {
    case "manifests": self = .manifests
    case "blobs": self = .blobs
    case "tags": self = .tags
    case "uploads": self = .upload
    case "referrers": self = .referrers
    default: self = .other
    }
  }
}
