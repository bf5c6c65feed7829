internal import ConfigurationFiles
internal import RegistryServer

/// When the server removes what nobody needs. All of it changes while the server runs.
struct GarbageSection: Sendable {
  let settings: GarbageSettings

  init(_ section: ConfigurationReader.Section) {
    var settings = GarbageSettings()
    let interval = section.value(
      "interval", default: .seconds(24 * 3600), in: TimeSpan.seconds(0)...TimeSpan.seconds(366 * 24 * 3600), isLive: true)
    settings.interval = interval.milliseconds == 0 ? nil : interval.duration
    settings.unusedFor =
      section.value(
        "unused-for", default: .seconds(24 * 3600), in: TimeSpan.seconds(60)...TimeSpan.seconds(366 * 24 * 3600), isLive: true
      ).duration
    // What nobody writes to for a day, every collection of the store takes.
    settings.uploadsFor =
      section.value("uploads-for", default: .seconds(24 * 3600), in: TimeSpan.seconds(60)...TimeSpan.seconds(24 * 3600), isLive: true)
      .duration
    self.settings = settings
  }
}
