import AsyncHTTPClient
import FoundationEssentials
import Logging
import Metadata
import NIOCore
import NIOHTTP1
import Synchronization

/// Tells webhooks of events: at least once, as a job each, until the address has taken it or nobody believes in it any more.
///
/// What a push or delete owes is written in its own transaction; what a pull owes, shortly after it.
public final class WebhookDelivery: Sendable {
  /// One event for one webhook.
  private struct Parcel: Codable {
    let id: String
    let webhook: String
    let event: RegistryEvent
  }

  static let jobKind = "webhook"

  private let registry: Registry
  private let realms: RealmTable
  private let metrics: ServerMetrics
  private let client: HTTPClient
  /// Those of the configuration, for every realm. Changed while the server runs.
  private let configured = Mutex<[Webhook]>([])
  private let known = Mutex<[Realm: (number: Int64, webhooks: [Webhook])]>([:])

  public init(_ registry: Registry, realms: RealmTable = .onlyMain, metrics: ServerMetrics = ServerMetrics()) {
    self.registry = registry
    self.realms = realms
    self.metrics = metrics
    var configuration = HTTPClient.Configuration(
      // An address that sends elsewhere could send into this network: what is called is what the operator has named.
      redirectConfiguration: .disallow,
      timeout: .init(connect: .seconds(5), read: .seconds(10)))
    configuration.connectionPool.idleTimeout = .seconds(10)
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  public func stop() async { try? await client.shutdown() }

  /// Takes the webhooks of the configuration.
  public func configure(_ webhooks: [Webhook]) { configured.withLock { $0 = webhooks } }

  /// Begins to owe and to deliver.
  public func begin() {
    registry.events.recordWithin([.push, .delete]) { event, session in
      try self.owe(event, try self.registry.at(event.realm).webhooks(session), in: session)
    }
    let rest: Set<RegistryEvent.Kind> = [.pull, .scan, .createRepository, .deleteRepository]
    registry.events.subscribe(rest) { event in
      // Of a pull there may be thousands a second, and none is wanted as a rule.
      guard let wanting = try? self.webhooks(event.realm).filter({ $0.wants(event) }), !wanting.isEmpty else { return }
      Task.detached {
        do { try self.registry.metadata.write { try self.owe(event, wanting, in: $0) } } catch {
          self.metrics.count(.webhooks, ["lost"])
        }
      }
    }
    registry.jobs.register(Self.jobKind, inReadOnlyMode: true) { payload in
      try await self.deliver(JSONDecoder().decode(Parcel.self, from: Data(payload.utf8)))
    }
  }

  private func owe(_ event: RegistryEvent, _ own: [Webhook], in session: any SQLSession) throws {
    for webhook in own + configured.withLock({ $0 }) where webhook.wants(event) {
      try registry.jobs.enqueue(
        Self.jobKind, Parcel(id: RequestIdentity.uuid(), webhook: webhook.name, event: event), in: session)
    }
  }

  /// Those of a realm's settings and of the configuration.
  private func webhooks(_ realm: Realm) throws -> [Webhook] {
    let number = try registry.changeNumber()
    let own: [Webhook]
    if let found = known.withLock({ $0[realm] }), found.number == number {
      own = found.webhooks
    } else {
      own = try registry.at(realm).webhooks()
      known.withLock { $0[realm] = (number, own) }
    }
    return own
  }

  private func deliver(_ parcel: Parcel) async throws {
    let all = try registry.at(parcel.event.realm).webhooks() + configured.withLock { $0 }
    // One that was removed meanwhile is owed nothing.
    guard let webhook = all.first(where: { $0.name == parcel.webhook }) else { return }
    do {
      try await send(parcel.event, id: parcel.id, to: webhook)
      metrics.count(.webhooks, ["delivered"])
    } catch {
      metrics.count(.webhooks, ["failed"])
      throw error
    }
  }

  /// Sends one event. Throws `WebhookError` where the address does not take it with a 2xx status.
  public func send(_ event: RegistryEvent, id: String, to webhook: Webhook) async throws {
    let message = try WebhookMessage(event, id: id, format: webhook.format, realms: realms)
    var request = HTTPClientRequest(url: webhook.url)
    request.method = .POST
    request.headers = ["content-type": message.contentType, "user-agent": "clipper-registry", "webhook-id": id]
    if let secret = webhook.secret { request.headers.add(name: "x-clipper-signature-256", value: message.signature(secret)) }
    request.body = .bytes(ByteBuffer(bytes: message.body))
    let response: HTTPClientResponse
    do { response = try await client.execute(request, timeout: .seconds(15)) } catch {
      throw WebhookError.unreachable("\(error)")
    }
    // What it says is not read: dropping the body ends the connection where there is more than a little.
    switch response.status.code {
    case 200..<300: return
    case 410: throw WebhookGone()
    default: throw WebhookError.refused(status: Int(response.status.code))
    }
  }
}

extension Registry {
  /// Events that no address took, and why: the latest first.
  public func undeliveredEvents() throws -> [(parcel: String, failure: String)] {
    try jobs.failed(WebhookDelivery.jobKind).map { ($0.payload, $0.failure) }
  }
}

/// (RFC 9110, section 15.5.11)
private struct WebhookGone: PermanentJobFailure, CustomStringConvertible {
  var description: String { WebhookError.gone.description }
}

extension MetricFamily {
  static let webhooks = MetricFamily(
    "clipper_registry_webhook_deliveries_total", "Attempts to tell a webhook of an event.", labels: ["result"])
}
