import Content
import Synchronization

/// When a server collects garbage. Changed while it runs.
public struct GarbageSettings: Hashable, Sendable {
  /// Between two collections; nil for none by the server itself.
  public var interval: Duration? = .seconds(24 * 3600)
  /// How long a blob that no manifest names is kept: a push may still be under way.
  public var unusedFor: Duration = .seconds(24 * 3600)
  /// How long an upload is kept that nobody goes on with.
  public var uploadsFor: Duration = .seconds(24 * 3600)

  public init() {}
}

extension MetricFamily {
  static let collections = MetricFamily(
    "clipper_registry_gc_runs_total", "Garbage collections of this server.", labels: ["result"])
  static let collectedBlobs = MetricFamily("clipper_registry_gc_blobs_total", "Blobs that they removed.")
  static let collectedBytes = MetricFamily("clipper_registry_gc_bytes_total", "Bytes of these.")
  static let collectionTime = MetricFamily(
    "clipper_registry_gc_last_milliseconds", "How long the last one took.", kind: .gauge)
}

extension RegistryServer {
  /// Collects garbage as often as the settings say, until its task is cancelled.
  func collectRegularly() async {
    // The first comes an interval after the start, as the server may be started again and again.
    var last = ContinuousClock.now
    while !Task.isCancelled {
      do { try await Task.sleep(for: .seconds(30)) } catch { return }
      guard let interval = state.garbage.interval, ContinuousClock.now - last >= interval else { continue }
      // A registry that is read-only keeps what it has; it is collected once that ends.
      guard (try? await checkWritable()) != nil else { continue }
      last = .now
      await collectNow()
    }
  }

  /// One collection, with its metrics and its line in the log.
  func collectNow() async {
    let start = ContinuousClock.now
    let age = state.garbage.unusedFor.milliseconds
    do {
      let report = try await blocking { try self.registry.collectGarbage(unusedFor: age) }
      metrics.count(.collections, ["ok"])
      metrics.count(.collectedBlobs, by: Int64(report.content.blobs.count))
      metrics.count(.collectedBytes, by: report.content.bytes)
      logger.notice(
        "collected garbage",
        metadata: ["links": "\(report.links.count)", "blobs": "\(report.content.blobs.count)", "bytes": "\(report.content.bytes)"])
    } catch {
      metrics.count(.collections, ["failed"])
      logger.error("garbage was not collected", metadata: ["error": "\(error)"])
    }
    metrics.set(.collectionTime, to: (ContinuousClock.now - start).milliseconds)
  }

  public var garbageSettings: GarbageSettings {
    get { state.garbage }
    set { state.collects(newValue) }
  }
}

extension Duration {
  var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}
