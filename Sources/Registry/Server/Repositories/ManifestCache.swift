import DistributionSpec
import Metadata
import Synchronization

/// The manifests that are asked for again and again, by tag and by digest, in memory.
///
/// A change by this process takes out what it touched. A change by another process is seen by the database's watch, which
/// each look-up asks: with SQLite that costs a microsecond or two, and nothing stale is ever answered. Where the database
/// has no watch, every look-up goes to it, and nothing is kept here.
final class ManifestCache: Sendable {
  struct Key: Hashable {
    let realm: Realm
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
    var version: Int64?
  }

  private let watch: (any MetadataWatch)?
  private let state: Mutex<State>
  private let capacity: Int

  /// `capacity` in bytes of manifests.
  init(_ metadata: any MetadataDatabase, capacity: Int = 8 << 20) throws {
    watch = try metadata.watch()
    self.capacity = capacity
    let start = try watch?.follow(since: nil, Self.number)
    state = Mutex(State(number: start?.result ?? 0, version: start?.version))
  }

  private static func number(_ session: any SQLSession) throws -> Int64 {
    try session.value(Int64.self, "SELECT number FROM registry_change") ?? 0
  }

  /// False where nothing is kept here.
  var isUsed: Bool { watch != nil }

  /// A manifest that is surely still what the key names; nil where it has to be looked up.
  func find(_ key: Key) throws -> Entry? {
    try follow()
    let found = look(key)
    if found == nil { misses.add() } else { hits.add() }
    return found
  }

  /// How often it had what was asked for, and had not.
  let hits = Counter(), misses = Counter()

  private func look(_ key: Key) -> Entry? {
    state.withLock { state in
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
      guard watch != nil, state.number == number, entry.content.bytes.count <= capacity / 16 else { return }
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
    let known = state.withLock { $0.version }
    guard let (version, number) = try watch?.follow(since: known, Self.number) else { return }
    state.withLock { state in
      if number > state.number {
        Self.clear(&state)
        state.number = number
      }
      state.version = version
    }
  }

  /// `registry_change` as it is now.
  func currentNumber(_ metadata: any MetadataDatabase) throws -> Int64 {
    guard watch != nil else { return try metadata.read(Self.number) }
    try follow()
    return number
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
