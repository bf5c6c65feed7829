import Metadata

/// An address that is told of what happens in a registry.
public struct Webhook: Hashable, Sendable, Codable {
  public enum Format: String, Hashable, Sendable, Codable, CaseIterable {
    /// CloudEvents 1.0 in structured JSON, by the HTTP binding.
    case cloudEvents = "cloudevents"
    /// What Amazon EventBridge passes on for ECR: "ECR Image Action" and "ECR Image Scan".
    case eventBridge = "eventbridge"
  }

  public var name: String
  public var url: String
  /// What the signature is made with; nil sends none.
  public var secret: String?
  public var events: [RegistryEvent.Kind]
  /// Patterns of repositories with `*` for any characters; empty for all.
  public var repositories: [String]
  public var format: Format

  /// Throws `WebhookError` where it could not be used.
  public init(
    name: String, url: String, secret: String? = nil, events: [RegistryEvent.Kind] = [.push, .delete, .scan],
    repositories: [String] = [], format: Format = .cloudEvents
  ) throws {
    guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Self.isNameByte) else {
      throw WebhookError.malformedName(name)
    }
    guard url.utf8.count <= 2048, let rest = Self.afterScheme(url), case let host = rest.prefix(while: { !"/?#".contains($0) }),
      !host.isEmpty, !host.contains("@"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
    else { throw WebhookError.malformedURL(url) }
    guard !events.isEmpty else { throw WebhookError.noEvents }
    if format == .eventBridge, let foreign = events.first(where: { ![.push, .delete, .scan].contains($0) }) {
      throw WebhookError.notInFormat(foreign)
    }
    if let secret, secret.isEmpty { throw WebhookError.emptySecret }
    self.name = name
    self.url = url
    self.secret = secret
    self.events = events
    self.repositories = repositories
    self.format = format
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  private static func afterScheme(_ url: String) -> Substring? {
    for scheme in ["https://", "http://"] where url.hasPrefix(scheme) { return url.dropFirst(scheme.count) }
    return nil
  }

  func wants(_ event: RegistryEvent) -> Bool {
    guard events.contains(event.kind) else { return false }
    let name = Array(event.repository.utf8)
    return repositories.isEmpty || repositories.contains { TagMutability.matches(name, pattern: Array($0.utf8)) }
  }
}

public enum WebhookError: Error, Hashable, Sendable, CustomStringConvertible {
  case malformedName(String)
  case malformedURL(String)
  case noEvents
  case emptySecret
  case notInFormat(RegistryEvent.Kind)
  case refused(status: Int)
  case gone
  case unreachable(String)

  public var description: String {
    switch self {
    case .malformedName(let name):
      "\"\(name.prefix(80))\" cannot be a webhook's name: 1 to 64 letters, digits and . _ -"
    case .malformedURL(let url):
      "\"\(url.prefix(160))\" cannot be a webhook's address: https:// or http://, a host, and no user name"
    case .noEvents: "a webhook wants at least one kind of event"
    case .emptySecret: "the secret is empty"
    case .notInFormat(let kind): "EventBridge has no event for \"\(kind.rawValue)\": use the format cloudevents"
    case .refused(let status): "the address answered \(status)"
    case .gone: "the address answered 410: it wants nothing any more"
    case .unreachable(let why): "the address cannot be reached: \(why)"
    }
  }
}

extension SettingKind {
  static let webhook = SettingKind("webhook")
}

/// Webhooks of a realm, kept in its settings.
extension Registry {
  public func webhooks() throws -> [Webhook] { try settings(.webhook, as: Webhook.self).map(\.value) }

  /// Adds one, or replaces the one of its name.
  public func setWebhook(_ webhook: Webhook) throws { try setSetting(.webhook, webhook.name, webhook) }

  /// Returns false where there is none of that name.
  public func removeWebhook(_ name: String) throws -> Bool { try removeSetting(.webhook, name) }

  func webhooks(_ session: any SQLSession) throws -> [Webhook] {
    try settings(session, .webhook, as: Webhook.self).map(\.value)
  }
}
