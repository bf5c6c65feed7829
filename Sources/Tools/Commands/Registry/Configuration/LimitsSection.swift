internal import ConfigurationFiles
internal import RegistryServer

/// How often clients may ask. All of it changes while the server runs.
struct LimitsSection: Sendable {
  let rates: RateLimits.Settings

  init(_ section: ConfigurationReader.Section) {
    rates = .init(byAddress: Self.limit("address", section), byPrincipal: Self.limit("principal", section))
  }

  /// `<who>-rate` in requests a second, and `<who>-burst`, ten seconds' worth where it is left out.
  private static func limit(_ who: String, _ section: ConfigurationReader.Section) -> RateLimit? {
    let rate: Double? = section.optional("\(who)-rate", isLive: true)
    let burst: Double? = section.optional("\(who)-burst", isLive: true)
    guard let rate else {
      if burst != nil { section.refuse("\(who)-burst", "it goes with \(who)-rate") }
      return nil
    }
    guard rate > 0 else {
      section.refuse("\(who)-rate", "it must be more than 0; leave it out for no limit")
      return nil
    }
    if let burst, burst < 1 { section.refuse("\(who)-burst", "it must be at least 1") }
    return RateLimit(rate: rate, burst: burst ?? max(1, rate * 10))
  }
}
