internal import RegistryServer
internal import Synchronization

/// The figures of all repositories, gathered anew when they are asked for, but for a tenth of the time at most: sorting
/// by what a registry counts nowhere must not cost more the more often the page is looked at.
final class RepositoryList: Sendable {
  private struct Gathered {
    var figures: [RepositoryFigures]
    var at: ContinuousClock.Instant
    var cost: Duration
  }

  /// Repositories that are listed, in order of their names. A registry with more is not looked at by leafing.
  static let limit = 50_000

  private let gathered = Mutex<[Realm: Gathered]>([:])

  func figures(_ registry: Registry) throws -> [RepositoryFigures] {
    try gathered.withLock { gathered in
      let start = ContinuousClock.now
      if let last = gathered[registry.realm], start - last.at < last.cost * 10 { return last.figures }
      let figures = try registry.figures(limit: Self.limit)
      let end = ContinuousClock.now
      gathered[registry.realm] = Gathered(figures: figures, at: end, cost: end - start)
      return figures
    }
  }

  func figures(of name: String, _ registry: Registry) throws -> RepositoryFigures? {
    let figures = try figures(registry)
    var low = 0, high = figures.count
    while low < high {
      let middle = (low + high) / 2
      if figures[middle].name.utf8.lexicographicallyPrecedes(name.utf8) { low = middle + 1 } else { high = middle }
    }
    return low < figures.count && figures[low].name == name ? figures[low] : nil
  }
}
