import Synchronization

/// A token bucket's measures: `rate` requests a second on average, `burst` at once.
public struct RateLimit: Hashable, Sendable {
  public var rate: Double
  public var burst: Double

  public init(rate: Double, burst: Double) {
    self.rate = rate
    self.burst = burst
  }
}

/// Buckets of those who ask, in bounded memory.
///
/// A bucket that has filled up again is as good as none and makes room for others. Where all are in use, whoever is new
/// shares one bucket with all the others that are new: a flood of made-up callers takes nothing from those who are known.
final class TokenBuckets<Key: Hashable & Sendable>: Sendable {
  private struct Bucket {
    var tokens: Double
    var time: ContinuousClock.Instant
  }

  private struct State: ~Copyable {
    var buckets: [Key: Bucket] = [:]
    var shared: Bucket?
    var nextSweep = ContinuousClock.now
  }

  private let state = Mutex(State())
  private let capacity: Int

  init(capacity: Int = 65_536) { self.capacity = capacity }

  /// Takes a token; where there is none, how long to wait for the next.
  func take(_ key: Key, _ limit: RateLimit, now: ContinuousClock.Instant = .now) -> Duration? {
    state.withLock { state in
      if let index = state.buckets.index(forKey: key) {
        return Self.take(&state.buckets.values[index], limit, now)
      }
      if state.buckets.count >= capacity, now >= state.nextSweep {
        // At most once a second: it looks at all of them.
        state.nextSweep = now + .seconds(1)
        state.buckets = state.buckets.filter { Self.refilled($0.value, limit, now) < limit.burst }
      }
      if state.buckets.count >= capacity {
        var shared = state.shared ?? Bucket(tokens: limit.burst, time: now)
        defer { state.shared = shared }
        return Self.take(&shared, limit, now)
      }
      var bucket = Bucket(tokens: limit.burst, time: now)
      defer { state.buckets[key] = bucket }
      return Self.take(&bucket, limit, now)
    }
  }

  var count: Int { state.withLock { $0.buckets.count } }

  private static func refilled(_ bucket: Bucket, _ limit: RateLimit, _ now: ContinuousClock.Instant) -> Double {
    min(limit.burst, bucket.tokens + max(0, (now - bucket.time) / .seconds(1)) * limit.rate)
  }

  private static func take(_ bucket: inout Bucket, _ limit: RateLimit, _ now: ContinuousClock.Instant) -> Duration? {
    let tokens = refilled(bucket, limit, now)
    bucket.time = max(now, bucket.time)
    guard tokens >= 1 else {
      bucket.tokens = tokens
      return .seconds((1 - tokens) / limit.rate)
    }
    bucket.tokens = tokens - 1
    return nil
  }
}

/// How often one address and one principal may ask. Changed while the server runs.
public final class RateLimits: Sendable {
  public struct Settings: Hashable, Sendable {
    public var byAddress: RateLimit?
    public var byPrincipal: RateLimit?

    public init(byAddress: RateLimit? = nil, byPrincipal: RateLimit? = nil) {
      self.byAddress = byAddress
      self.byPrincipal = byPrincipal
    }
  }

  private let isOn = Atomic(false)
  private let current = Mutex(Settings())
  private let addresses = TokenBuckets<NetworkAddress>()
  private let principals = TokenBuckets<String>()

  public init() {}

  public var settings: Settings {
    get { current.withLock { $0 } }
    set {
      current.withLock { $0 = newValue }
      isOn.store(newValue != Settings(), ordering: .relaxed)
    }
  }

  /// How long an address has to wait; nil where it may ask now.
  func wait(address: String) -> Duration? {
    guard isOn.load(ordering: .relaxed), let limit = settings.byAddress, let address = NetworkAddress(address) else {
      return nil
    }
    return addresses.take(address.subscriber, limit)
  }

  /// The same of a principal. Whoever shows no credentials is counted by address alone.
  public func wait(principal: Principal) -> Duration? {
    guard isOn.load(ordering: .relaxed), principal != .anonymous, let limit = settings.byPrincipal else { return nil }
    return principals.take(principal.description, limit)
  }
}

/// Too many requests; a whole number of seconds to wait. (RFC 9110, section 10.2.3, Retry-After)
public struct RateExceeded: Error, Hashable, Sendable, CustomStringConvertible {
  public let seconds: Int

  public init(_ wait: Duration) {
    seconds = max(1, Int((wait / .seconds(1)).rounded(.up)))
  }

  public var description: String { "too many requests; try again in \(seconds) s" }
}
