internal import ConfigurationFiles

/// How often lifecycle policies are run. It changes while the server runs.
struct LifecycleSection: Sendable {
  /// nil runs none.
  let interval: Duration?

  init(_ section: ConfigurationReader.Section) {
    let interval = section.value(
      "interval", default: .seconds(24 * 3600), in: TimeSpan.seconds(0)...TimeSpan.seconds(366 * 24 * 3600),
      isLive: true)
    self.interval = interval.milliseconds == 0 ? nil : interval.duration
  }
}
