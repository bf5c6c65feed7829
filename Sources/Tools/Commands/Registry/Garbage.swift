public import ArgumentParser
internal import ConfigurationFiles
internal import RegistryServer

public struct RegistryGarbageCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "gc", abstract: "Remove content that no image of the registry names.",
    discussion: """
      Pushes and pulls go on meanwhile; a server collects by itself too (gc.interval). Blobs that were pushed lately stay, \
      as their manifest may still come: --unused-for says how long.
      """)

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Change nothing, and list what would be removed.")
  var dryRun = false

  @Option(help: ArgumentHelp("How long a blob is kept that no manifest names.", valueName: "time"))
  var unusedFor: String = "24h"

  @Option(help: ArgumentHelp("table or json.", valueName: "format"))
  var format: RegistryListFormat = .table

  public init() {}

  public mutating func run() throws {
    guard let age = TimeSpan(configuration: unusedFor) else {
      throw Failure("--unused-for \"\(unusedFor)\" is not \(TimeSpan.expected)", status: 125)
    }
    let registry = try global.registry()
    let report = try registry.collectGarbage(unusedFor: age.milliseconds, dryRun: dryRun)
    switch format {
    case .json: printOutput(try Self.value(report).json() + "\n")
    case .table: printOutput(text(report))
    }
  }

  private func text(_ report: GarbageReport) -> String {
    var text = ""
    let blobs = report.content.blobs
    if dryRun {
      for link in report.links {
        text += "\(link.digest)  \(bytes(link.size))  unused in \(link.repository)\(link.realm.isMain ? "" : " of \(link.realm)")\n"
      }
      for blob in blobs { text += "\(blob.digest)  \(bytes(blob.size))\n" }
    }
    let verb = dryRun ? "would remove" : "removed"
    text +=
      "\(verb) \(blobs.count) blobs (\(bytes(report.content.bytes)) with \(report.content.uploads) abandoned uploads), and "
      + "\(report.links.count) blobs from repositories that do not use them\n"
    return text
  }

  private func bytes(_ count: Int64) -> String { Phrase.size(count) }

  private static func value(_ report: GarbageReport) -> Value {
    .object([
      "blobs": .array(
        report.content.blobs.map { .object(["digest": .string($0.digest.description), "size": .integer($0.size)]) }),
      "unused": .array(
        report.links.map {
          .object([
            "repository": .string($0.repository), "realm": .string($0.realm.description),
            "digest": .string($0.digest.description), "size": .integer($0.size),
          ])
        }),
      "bytes": .integer(report.content.bytes), "ingests": .integer(Int64(report.content.uploads)),
    ])
  }
}

enum RegistryListFormat: String, CaseIterable, ExpressibleByArgument { case table, json }
