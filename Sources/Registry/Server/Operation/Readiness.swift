import HTTPTypes
import NIOCore
import Synchronization

/// Whether a server can do its work now: a list of checks, each of which throws where it fails.
///
/// Everybody may ask, so an answer is kept for a moment, and one look is under way at a time.
public actor Readiness {
  /// Blocks; throws where the server cannot work without what it looks at.
  public typealias Check = @Sendable () throws -> Void

  struct Answer: Sendable {
    /// In order; nil where all is well.
    var checks: [(name: String, failure: String?)]
    var isReady: Bool { checks.allSatisfy { $0.failure == nil } }
  }

  private nonisolated let checks = Mutex<[(name: String, check: Check)]>([])
  private var known: (answer: Answer, until: ContinuousClock.Instant)?
  private var underWay: Task<Answer, Never>?
  private static let lifetime = Duration.seconds(2)

  public init() {}

  /// Adds a check under a name, or replaces it.
  public nonisolated func add(_ name: String, _ check: @escaping Check) {
    checks.withLock { checks in
      checks.removeAll { $0.name == name }
      checks.append((name, check))
    }
  }

  /// `blocking` runs the checks away from the event loops.
  func look(_ blocking: @escaping @Sendable (@escaping @Sendable () throws -> Answer) async throws -> Answer) async
    -> Answer
  {
    if let known, known.until > .now { return known.answer }
    if let underWay { return await underWay.value }
    let checks = checks.withLock { $0 }
    let task = Task { () -> Answer in
      do {
        return try await blocking { Answer(checks: checks.map { ($0.name, Self.failure($0.check)) }) }
      } catch {
        return Answer(checks: [("server", "\(error)")])
      }
    }
    underWay = task
    let answer = await task.value
    underWay = nil
    known = (answer, .now + Self.lifetime)
    return answer
  }

  private static func failure(_ check: Check) -> String? {
    do {
      try check()
      return nil
    } catch {
      return "\(error)"
    }
  }
}

extension RegistryServer {
  /// `/healthz`, `/readyz` and `/metrics`; nil for other paths.
  func respondToOperator(_ request: RegistryRequest, ownAddress: Bool) async -> RegistryResponse? {
    guard ["/healthz", "/readyz", "/metrics"].contains(request.path) else { return nil }
    guard request.method == .get || request.method == .head else {
      return .failure(.unsupported, "\(request.method) is not supported here")
    }
    switch request.path {
    case "/healthz":
      // That it answers is all: a registry whose database is away is not helped by being killed.
      return Self.plain(.ok, "ok\n")
    case "/readyz": return await readiness()
    default: return await metricsPage(request, ownAddress ? .everybody : state.metricsAccess)
    }
  }

  private func readiness() async -> RegistryResponse {
    let answer = await readiness.look { work in try await self.blocking(work) }
    for (name, failure) in answer.checks {
      if let failure { logger.error("not ready", metadata: ["check": "\(name)", "error": "\(failure)"]) }
    }
    // Without the reasons: everybody may ask, and the log has them.
    var lines = answer.checks.map { "[\($0.failure == nil ? "+" : "-")]\($0.name)\n" }
    lines.append("[\(state.isDraining ? "-" : "+")]serving\n")
    let isReady = answer.isReady && !state.isDraining
    return Self.plain(isReady ? .ok : .serviceUnavailable, lines.joined() + (isReady ? "ready\n" : "not ready\n"))
  }

  private func metricsPage(_ request: RegistryRequest, _ access: MetricsAccess) async -> RegistryResponse {
    switch access {
    case .everybody: break
    case .none: return .failure(.unknownEndpoint, "metrics are not served at this address")
    case .signedIn:
      do {
        guard try await principal(of: request) != .anonymous else { throw EndpointError.denied("sign in first") }
      } catch {
        return refusal(error, request, .anonymous)
      }
    }
    let stock = await stockFigures()
    var text = MetricsText()
    metrics.write(to: &text)
    stock?.write(to: &text)
    for (name, counter) in [("hits", registry.cache.hits), ("misses", registry.cache.misses)] {
      text.family("clipper_registry_manifest_cache_\(name)_total", "counter", "Manifests asked for: \(name) of the memory.")
      text.sample("clipper_registry_manifest_cache_\(name)_total", [], "\(counter.value)")
    }
    text.family("clipper_registry_ready", "gauge", "1 where /readyz last said so and the server is not stopping.")
    text.sample("clipper_registry_ready", [], state.isDraining ? "0" : "1")
    ProcessFigures.write(to: &text)
    return RegistryResponse(
      .ok, [.cacheControl: "no-store", .contentType: MetricsText.contentType],
      body: .bytes(ByteBuffer(string: text.text)))
  }

  static func plain(_ status: HTTPResponse.Status, _ text: String) -> RegistryResponse {
    RegistryResponse(status, [.cacheControl: "no-store"], contentType: "text/plain; charset=utf-8", bytes: Array(text.utf8))
  }
}
