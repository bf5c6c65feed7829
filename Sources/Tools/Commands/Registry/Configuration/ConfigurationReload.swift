internal import ConfigurationFiles
internal import Logging
internal import RegistryServer
internal import Synchronization

/// What SIGHUP does: certificates are loaded anew, the access log begins a new file, and settings that can change while the
/// server runs are taken in. The log says which did and which wait for a restart; where the file is wrong, all stays.
final class ConfigurationReload: Sendable {
  private let current: Mutex<EffectiveConfiguration>
  private let server: RegistryServer
  private let delivery: WebhookDelivery
  private let accessLog: AccessLog?
  private let identity: TLSIdentity?
  private let read: @Sendable () throws -> ServeConfiguration

  init(
    _ configuration: ServeConfiguration, _ server: RegistryServer, _ delivery: WebhookDelivery,
    _ accessLog: AccessLog?, _ identity: TLSIdentity?, read: @escaping @Sendable () throws -> ServeConfiguration
  ) {
    current = Mutex(configuration.effective)
    self.server = server
    self.delivery = delivery
    self.accessLog = accessLog
    self.identity = identity
    self.read = read
  }

  func run() {
    identity?.reload()
    do { try accessLog?.reopen() } catch {
      server.logger.error("the access log goes on in the old file", metadata: ["error": "\(error)"])
    }
    let configuration: ServeConfiguration
    do {
      configuration = try read()
      try configuration.apply(to: server, delivery)
    } catch {
      server.logger.error("the settings stay as they are", metadata: ["error": "\(error)"])
      return
    }
    let (live, restart) = current.withLock { current in
      let changes = configuration.effective.changes(from: current)
      // What needs a restart is told again the next time, since it still does.
      current = EffectiveConfiguration(
        settings: configuration.effective.settings.filter(\.isLive) + current.settings.filter { !$0.isLive })
      return changes
    }
    if !live.isEmpty { server.logger.notice("settings changed", metadata: ["settings": "\(live.joined(separator: " "))"]) }
    if !restart.isEmpty {
      server.logger.warning(
        "settings that change with a restart only", metadata: ["settings": "\(restart.joined(separator: " "))"])
    }
  }
}
