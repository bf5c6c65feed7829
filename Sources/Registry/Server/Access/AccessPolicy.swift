/// What a request wants to do to a repository.
public enum Action: String, Sendable, Hashable, CaseIterable {
  case pull, push, delete
  /// Listing the repositories of the whole registry.
  case catalog
}

/// What a registry lets those do who show no credentials.
public enum AnonymousAccess: String, Sendable, Hashable, CaseIterable {
  case none, pull, push
}

/// The one place that decides who may do what.
public struct AccessPolicy: Sendable {
  public var anonymous: AnonymousAccess

  public init(anonymous: AnonymousAccess = .none) { self.anonymous = anonymous }

  /// Everybody who has signed in may do everything; the rest what `anonymous` says. Nobody deletes unnamed.
  public func allows(_ principal: Principal, _ action: Action, repository: String?) -> Bool {
    guard case .anonymous = principal else { return true }
    return switch action {
    case .pull, .catalog: anonymous != .none
    case .push: anonymous == .push
    case .delete: false
    }
  }

  /// Whether `/v2/` answers without credentials. Not where only pulling is open: docker looks for a challenge nowhere
  /// else, and would never send its user's name with a push.
  public func opensBase(to principal: Principal) -> Bool { allows(principal, .push, repository: nil) }
}
