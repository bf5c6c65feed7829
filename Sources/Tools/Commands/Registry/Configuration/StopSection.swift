internal import ConfigurationFiles

/// How the server ends.
struct StopSection: Sendable {
  /// How long requests under way may still take.
  let grace: TimeSpan
  /// How long new connections are still taken, while `/readyz` already says no.
  let drainDelay: TimeSpan

  init(_ section: ConfigurationReader.Section) {
    grace = section.value("grace", default: .seconds(20), in: .seconds(0)...(.seconds(24 * 3600)))
    drainDelay = section.value("drain-delay", default: .seconds(0), in: .seconds(0)...(.seconds(3600)))
  }
}
