import DistributionSpec
import Synchronization

/// Repositories that are filled from another registry as they are pulled. (Amazon ECR, Pull through cache rules)
public struct CacheRule: Codable, Hashable, Sendable {
  /// Beginning of the repositories' names here, without a slash at its end; `ROOT` for those that no other rule covers.
  public var prefix: String
  /// `host[:port]`, as the rule names the upstream.
  public var upstream: String
  /// What AWS calls this upstream: `docker-hub`.
  public var kind: String?
  /// What comes before the rest of a name there.
  public var upstreamPrefix: String?
  /// ARN or name of the secret that signs in there.
  public var credential: String?
  /// Milliseconds since 1970.
  public var created: Int64
  public var updated: Int64

  public static let root = "ROOT"

  public init(
    prefix: String, upstream: String, kind: String?, upstreamPrefix: String?, credential: String?, at time: Int64
  ) {
    self.prefix = prefix
    self.upstream = upstream
    self.kind = kind
    self.upstreamPrefix = upstreamPrefix
    self.credential = credential
    created = time
    updated = time
  }

  /// The repository's name at the upstream; nil where the rule does not cover it.
  func upstreamName(_ name: String) -> String? {
    var rest = name[...]
    if prefix != Self.root {
      guard name.hasPrefix(prefix + "/") else { return nil }
      rest = rest.dropFirst(prefix.count + 1)
    }
    // Docker Hub's own images have a path that its users leave out.
    let path = kind == "docker-hub" && upstreamPrefix == nil && !rest.contains("/") ? "library/\(rest)" : String(rest)
    guard let upstreamPrefix, upstreamPrefix != Self.root else { return path }
    return "\(upstreamPrefix)/\(path)"
  }
}

extension SettingKind {
  static let cacheRule = SettingKind("pull-through-cache")
}

extension Registry {
  /// In order of prefixes, those after `last`.
  public func cacheRules(after last: String? = nil, limit: Int = .max) throws -> [CacheRule] {
    try settings(.cacheRule, after: last, limit: limit, as: CacheRule.self).map(\.value)
  }

  public func cacheRule(_ prefix: String) throws -> CacheRule? {
    try setting(.cacheRule, prefix, as: CacheRule.self)
  }

  public func setCacheRule(_ rule: CacheRule) throws { try setSetting(.cacheRule, rule.prefix, rule) }

  public func removeCacheRule(_ prefix: String) throws { try removeSetting(.cacheRule, prefix) }
}

/// The rules of all realms, in memory: every pull asks for them.
final class CacheRuleTable: Sendable {
  private struct State {
    var number: Int64 = -1
    var rules: [Realm: [CacheRule]] = [:]
  }

  private let state = Mutex(State())

  /// The rule with the longest prefix that covers a repository; nil where none does.
  func find(_ name: String, in registry: Registry) throws -> CacheRule? {
    let number = try registry.changeNumber()
    let known = state.withLock { state -> [CacheRule]? in
      if state.number != number { state = State(number: number) }
      return state.rules[registry.realm]
    }
    let rules: [CacheRule]
    if let known {
      rules = known
    } else {
      rules = try registry.cacheRules(limit: 1000).sorted { left, right in
        (left.prefix == CacheRule.root ? 0 : left.prefix.utf8.count, left.prefix)
          > (right.prefix == CacheRule.root ? 0 : right.prefix.utf8.count, right.prefix)
      }
      state.withLock { if $0.number == number { $0.rules[registry.realm] = rules } }
    }
    return rules.first { $0.upstreamName(name) != nil }
  }
}
