import DistributionSpec
import GRDB
import Synchronization

/// The manifests that are asked for again and again, by tag and by digest, in memory.
///
/// A change by this process takes out what it touched. A change by another process is seen by SQLite's data version,
/// which each look-up compares: it costs a microsecond or two, and nothing stale is ever answered.
final class ManifestCache: Sendable {
  struct Key: Hashable {
    let repository: String
    let reference: ManifestReference
  }

  struct Entry: Sendable {
    let id: Int64
    let content: ManifestContent
  }

  private struct Slot {
    let entry: Entry
    var used: UInt64
  }

  private struct State: ~Copyable {
    var slots: [Key: Slot] = [:]
    var bytes = 0
    var clock: UInt64 = 0
    /// `registry_change` as far as this cache has followed.
    var number: Int64
    var dataVersion: Int64
  }

  private let watch: DatabaseQueue
  private let state: Mutex<State>
  private let capacity: Int

  /// `capacity` in bytes of manifests.
  init(database path: String, capacity: Int = 8 << 20) throws {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.label = "registry-watch"
    watch = try DatabaseQueue(path: path, configuration: configuration)
    self.capacity = capacity
    let (version, number) = try watch.unsafeRead { (try Self.dataVersion($0), try Self.number($0)) }
    state = Mutex(State(number: number, dataVersion: version))
  }

  private static func dataVersion(_ database: Database) throws -> Int64 {
    try Int64.fetchOne(try database.cachedStatement(sql: "PRAGMA data_version")) ?? 0
  }

  private static func number(_ database: Database) throws -> Int64 {
    try Int64.fetchOne(try database.cachedStatement(sql: "SELECT number FROM registry_change")) ?? 0
  }

  /// A manifest that is surely still what the key names; nil where it has to be looked up.
  func find(_ key: Key) throws -> Entry? {
    try follow()
    return state.withLock { state in
      guard let index = state.slots.index(forKey: key) else { return nil }
      state.clock += 1
      state.slots.values[index].used = state.clock
      return state.slots.values[index].entry
    }
  }

  /// The state that a look-up in the database begins in: `insert` keeps its result only where that still holds.
  var number: Int64 { state.withLock { $0.number } }

  func insert(_ key: Key, _ entry: Entry, asOf number: Int64) {
    state.withLock { state in
      guard state.number == number, entry.content.bytes.count <= capacity / 16 else { return }
      state.clock += 1
      if let old = state.slots.updateValue(Slot(entry: entry, used: state.clock), forKey: key) {
        state.bytes -= old.entry.content.bytes.count
      }
      state.bytes += entry.content.bytes.count
      if state.bytes > capacity || state.slots.count > 16384 { Self.evict(&state) }
    }
  }

  /// Takes out what a change of this process touched. `number` is what the change raised it to.
  func remove(_ keys: [Key], number: Int64) {
    state.withLock { state in
      if number == state.number + 1 {
        for key in keys { Self.drop(&state, key) }
        state.number = number
      } else if number > state.number {
        // Another process changed something in between.
        Self.clear(&state)
        state.number = number
      } else {
        for key in keys { Self.drop(&state, key) }
      }
    }
  }

  func removeAll(number: Int64) {
    state.withLock { state in
      Self.clear(&state)
      state.number = max(state.number, number)
    }
  }

  private func follow() throws {
    let known = state.withLock { ($0.dataVersion, $0.number) }
    guard
      let (version, number) = try watch.unsafeRead({ database -> (Int64, Int64)? in
        let version = try Self.dataVersion(database)
        return version == known.0 ? nil : (version, try Self.number(database))
      })
    else { return }
    state.withLock { state in
      if number > state.number {
        Self.clear(&state)
        state.number = number
      }
      state.dataVersion = version
    }
  }

  private static func drop(_ state: inout State, _ key: Key) {
    if let old = state.slots.removeValue(forKey: key) { state.bytes -= old.entry.content.bytes.count }
  }

  private static func clear(_ state: inout State) {
    state.slots = [:]
    state.bytes = 0
  }

  /// Drops the quarter that was not used for longest.
  private static func evict(_ state: inout State) {
    let ages = state.slots.values.map(\.used).sorted()
    let limit = ages[ages.count / 4]
    for (key, slot) in state.slots where slot.used <= limit { drop(&state, key) }
  }
}
