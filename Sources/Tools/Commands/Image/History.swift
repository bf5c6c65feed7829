internal import ArgumentParser
internal import Engine
internal import ImageSpec

struct HistoryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "history", abstract: "Show how an image was made.")

  @OptionGroup var global: GlobalOptions
  @Flag(help: "Do not shorten output.") var noTrunc = false
  @Flag(name: .shortAndLong, help: "Show IDs only.") var quiet = false
  @Flag(name: [.customShort("H"), .long], inversion: .prefixedNo, help: "Sizes and dates for people.") var human = true
  @Option(help: "table, json, or a template of Go's kind.") var format: String?
  @Option(help: "Of an image for several platforms: os/arch[/variant].") var platform: String?
  @Argument(help: "Name or ID.") var image: String

  func run() throws {
    let engine = try global.engine()
    let image = try engine.image(image, platform: platform.map { try Platform(parsing: $0) })
    let rows = try rows(image, engine)
    if quiet, format == nil { return rows.forEach { printOutput(($0["ID"]?.text ?? "") + "\n") } }
    let listing = Listing(
      [
        .init("IMAGE", "ID"), .init("CREATED", "CreatedSince"), .init("CREATED BY", "CreatedBy"), .init("SIZE", "Size"),
        .init("COMMENT", "Comment"),
      ], others: [.init("CREATED AT", "CreatedAt")])
    printOutput(try listing.render(rows, format: format))
  }

  private func rows(_ image: Image, _ engine: Engine) throws -> [[String: Value]] {
    var sizes = try engine.layerSizes(of: image)[...]
    let entries = (image.config.history ?? []).map { entry -> (History, Int64) in
      (entry, entry.emptyLayer == true ? 0 : sizes.popFirst() ?? 0)
    }
    return entries.reversed().enumerated().map { index, item in
      let (entry, size) = item
      let by = (entry.createdBy ?? "").replacingTabs
      let id = index == 0 ? (noTrunc ? image.id.description : image.id.short) : "<missing>"
      let created = human ? Timestamp.ago(entry.created) : entry.created ?? ""
      return [
        "ID": .string(id), "CreatedSince": .string(created), "CreatedAt": .string(entry.created ?? ""),
        "CreatedBy": .string(noTrunc || by.count <= 45 ? by : by.prefix(44) + "…"),
        "Size": .string(human ? Phrase.size(size) : String(size)), "Comment": .string(entry.comment ?? ""),
      ]
    }
  }
}

extension String {
  /// One line without tabs, which would break a table.
  fileprivate var replacingTabs: String { String(map { $0 == "\t" || $0.isNewline ? " " : $0 }) }
}
