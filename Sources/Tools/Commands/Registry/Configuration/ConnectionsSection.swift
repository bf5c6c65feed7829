internal import ConfigurationFiles
internal import RegistryServer

/// Times and limits of connections.
struct ConnectionsSection: Sendable {
  let limits: ConnectionLimits

  init(_ section: ConfigurationReader.Section) {
    var limits = ConnectionLimits()
    func time(_ key: String, _ seconds: Int64) -> TimeSpan {
      section.value(key, default: .seconds(seconds), in: .seconds(1)...(.seconds(24 * 3600)))
    }
    limits.idle = .milliseconds(time("idle-timeout", 120).milliseconds)
    limits.write = .milliseconds(time("write-timeout", 120).milliseconds)
    limits.head = .milliseconds(time("head-timeout", 30).milliseconds)
    limits.bodyPace = Int(
      section.value("body-pace", default: ByteCount(8 << 10), in: ByteCount(0)...ByteCount(1 << 30)).bytes)
    limits.headBytes = Int(
      section.value("head-size", default: ByteCount(64 << 10), in: ByteCount(8 << 10)...ByteCount(1 << 20)).bytes)
    limits.perAddress = section.value("per-address", default: limits.perAddress, in: 1...1_000_000)
    limits.connections = section.value("total", default: limits.connections, in: 1...1_000_000)
    self.limits = limits
  }
}
