import Synchronization

/// Whether a registry takes changes: of what it has, and of what that is called.
///
/// While it takes none, nothing is pushed, deleted, mounted, replicated, filled from an upstream, archived, scanned, signed
/// or collected, and no setting is changed by the API. Pulls are noted with their times as ever, keys with those of their
/// use, and webhooks are told what they are owed.
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
    if let refusal = try await blocking({ try self.readOnlyRefusal() }) { throw refusal }
  }

  /// What changes are refused with now; nil where they are taken. May wait for the database.
  func readOnlyRefusal() throws -> ReadOnlyRefusal? {
    if let reason = state.readOnly { return ReadOnlyRefusal(reason: reason.isEmpty ? nil : reason) }
    let mode = try state.knownMode.mode(registry)
    return mode.isReadOnly ? ReadOnlyRefusal(reason: mode.reason) : nil
  }

  /// Makes this server read-only, whatever mode the database says; nil takes that back. The text is told to clients.
  public func keepReadOnly(_ reason: String?) { state.keeps(readOnly: reason) }
}
