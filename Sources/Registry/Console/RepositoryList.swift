internal import RegistryServer
internal import Synchronization

/// The figures of repositories, gathered anew when they are asked for, but for a tenth of the time at most: counting what
/// a registry counts nowhere must not cost more the more often a page is looked at.
final class RepositoryList: Sendable {
  private struct Key: Hashable {
    let realm: Realm
    let name: String
  }

  private struct Gathered {
    /// nil for one that is not there.
    let figures: RepositoryFigures?
    let at: ContinuousClock.Instant
    /// Of all that were gathered together.
    let cost: Duration
  }

  /// Repositories up to which a registry is sorted by figures and counted. One with more is leafed through by name, and
  /// each page costs what is on it.
  static let sortable = 500
  private static let capacity = 8192

  private let gathered = Mutex<[Key: Gathered]>([:])

  /// Of those that are there, in the order of `names`.
  func figures(of names: [String], _ registry: Registry) throws -> [RepositoryFigures] {
    try gathered.withLock { gathered in
      let start = ContinuousClock.now
      let keys = names.map { Key(realm: registry.realm, name: $0) }
      let missing = keys.filter { key in gathered[key].map { start - $0.at >= $0.cost * 10 } ?? true }
      if !missing.isEmpty {
        let found = try registry.figures(of: missing.map(\.name))
        let byName = Dictionary(found.map { ($0.name, $0) }) { $1 }
        let end = ContinuousClock.now
        if gathered.count + missing.count > Self.capacity { gathered = gathered.filter { keys.contains($0.key) } }
        for key in missing { gathered[key] = Gathered(figures: byName[key.name], at: end, cost: end - start) }
      }
      return keys.compactMap { gathered[$0]?.figures }
    }
  }

  func figures(of name: String, _ registry: Registry) throws -> RepositoryFigures? {
    try figures(of: [name], registry).first
  }
}
