public import ConfigurationFiles
public import RegistryServer

/// Webhooks beside those of `clipper registry webhook`, of every realm. They change while the server runs.
struct WebhooksSection: Sendable {
  let webhooks: [Webhook]

  init(_ section: ConfigurationReader.Section) {
    var webhooks: [Webhook] = []
    for entry in section.entries("endpoints") {
      let name = entry.value("name", default: "", isLive: true)
      let url = entry.value("url", default: "", isLive: true)
      let secret = entry.secret("secret", isLive: true)
      let events: [RegistryEvent.Kind] = entry.list("events", default: [.push, .delete, .scan], isLive: true)
      let repositories: [String] = entry.list("repositories", isLive: true)
      let format = entry.value("format", default: Webhook.Format.cloudEvents, isLive: true)
      entry.end()
      do {
        let webhook = try Webhook(
          name: name, url: url, secret: secret, events: events, repositories: repositories, format: format)
        if webhooks.contains(where: { $0.name == name }) { entry.refuse("name", "two webhooks are called \"\(name)\"") }
        webhooks.append(webhook)
      } catch {
        entry.refuse(error is WebhookError && name.isEmpty ? "name" : "url", "\(error)")
      }
    }
    self.webhooks = webhooks
  }
}

extension RegistryEvent.Kind: ConfigurationValue {}
extension Webhook.Format: ConfigurationValue {}
