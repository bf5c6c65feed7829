import Synchronization

/// Whether a registry takes changes.
public struct RegistryMode: Hashable, Sendable, Codable {
  public var isReadOnly: Bool
  /// Told to clients, such as "moving to another disk until noon".
  public var reason: String?

  public init(isReadOnly: Bool, reason: String? = nil) {
    self.isReadOnly = isReadOnly
    self.reason = reason
  }
}

/// A push or delete that came while the registry takes none.
public struct ReadOnlyRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  public let reason: String?

  public var description: String {
    "the registry is read-only at the moment\(reason.map { ": \($0)" } ?? ""); images can be pulled"
  }
}

extension SettingKind {
  static let mode = SettingKind("mode")
}

extension Registry {
  /// The mode that a command has set, of all realms.
  public var mode: RegistryMode {
    get throws { try at(.main).setting(.mode, as: RegistryMode.self) ?? RegistryMode(isReadOnly: false) }
  }

  /// Servers on this database follow with the next request that would change something.
  public func setMode(_ mode: RegistryMode) throws { try at(.main).setSetting(.mode, "", mode) }
}

/// The mode as it was at a certain number of changes.
final class KnownMode: Sendable {
  private let known = Mutex<(number: Int64, mode: RegistryMode)?>(nil)

  func mode(_ registry: Registry) throws -> RegistryMode {
    let number = try registry.changeNumber()
    if let known = known.withLock({ $0 }), known.number == number { return known.mode }
    let mode = try registry.mode
    known.withLock { $0 = (number, mode) }
    return mode
  }
}

extension RegistryServer {
  /// Throws `ReadOnlyRefusal` where the registry takes no changes. To be called before each request that makes one.
  public func checkWritable() async throws {
    if let reason = state.readOnly { throw ReadOnlyRefusal(reason: reason.isEmpty ? nil : reason) }
    let mode = try await blocking { try self.state.knownMode.mode(self.registry) }
    if mode.isReadOnly { throw ReadOnlyRefusal(reason: mode.reason) }
  }

  /// Makes this server read-only, whatever mode the database says; nil takes that back. The text is told to clients.
  public func keepReadOnly(_ reason: String?) { state.keeps(readOnly: reason) }
}
