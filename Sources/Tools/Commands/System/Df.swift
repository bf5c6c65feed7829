internal import ArgumentParser
import Content
internal import Engine
internal import Kernel
internal import Snapshots
internal import SystemPackage

struct DfCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "df", abstract: "Show how much room the store takes.")

  @OptionGroup var global: GlobalOptions
  @Option(help: "table, json, or a template of Go's kind.") var format: String?

  func run() throws {
    let engine = try global.engine()
    let listing = Listing([
      .init("TYPE", "Type"), .init("TOTAL", "TotalCount"), .init("ACTIVE", "Active"), .init("SIZE", "Size"),
      .init("RECLAIMABLE", "Reclaimable"),
    ])
    let rows = [try images(engine), try containers(engine), try volumes(engine), try buildCache(engine)]
    printOutput(try listing.render(rows.map(row), format: format))
  }

  private struct Usage {
    let type: String
    var total = 0
    var active = 0
    /// Bytes.
    var size: Int64 = 0
    var reclaimable: Int64 = 0
  }

  private func row(_ usage: Usage) -> [String: Value] {
    let share = usage.size > 0 ? " (\(usage.reclaimable * 100 / usage.size)%)" : ""
    return [
      "Type": .string(usage.type), "TotalCount": .string(String(usage.total)), "Active": .string(String(usage.active)),
      "Size": .string(Phrase.size(usage.size)), "Reclaimable": .string(Phrase.size(usage.reclaimable) + share),
    ]
  }

  /// Blobs and unpacked layers, each counted once.
  private func images(_ engine: Engine) throws -> Usage {
    let summaries = try engine.images()
    var usage = Usage(type: "Images", total: summaries.count, active: summaries.count { $0.containers > 0 })
    let blobs = engine.content.root.appending("content").appending("blobs")
    let layers = try engine.snapshots.all().filter { $0.keys.contains { $0.hasPrefix("chain:") } }
    usage.size = diskUsage(of: blobs) + layers.reduce(0) { $0 + engine.snapshots.diskUsage(of: $1.snapshot.id) }
    let used = summaries.filter { $0.containers > 0 }.reduce(Int64(0)) { $0 + $1.size }
    usage.reclaimable = max(0, usage.size - used)
    return usage
  }

  private func containers(_ engine: Engine) throws -> Usage {
    var usage = Usage(type: "Containers")
    for container in try engine.containers() {
      let size = diskUsage(of: engine.locations.root.appending("containers").appending(container.id))
      usage.total += 1
      usage.size += size
      if container.isRunning { usage.active += 1 } else { usage.reclaimable += size }
    }
    return usage
  }

  private func volumes(_ engine: Engine) throws -> Usage {
    var usage = Usage(type: "Local Volumes")
    for volume in try engine.volumes() {
      let size = diskUsage(of: engine.locations.root.appending("volumes").appending(volume.name))
      usage.total += 1
      usage.size += size
      if try engine.users(ofVolume: volume.name).isEmpty { usage.reclaimable += size } else { usage.active += 1 }
    }
    return usage
  }

  private func buildCache(_ engine: Engine) throws -> Usage {
    var usage = Usage(type: "Build Cache")
    for (snapshot, keys) in try engine.snapshots.all()
    where !keys.contains(where: { $0.hasPrefix("chain:") }) && keys.contains(where: { $0.hasPrefix("build:") }) {
      let size = engine.snapshots.diskUsage(of: snapshot.id)
      usage.total += 1
      usage.size += size
      usage.reclaimable += size
    }
    return usage
  }
}
