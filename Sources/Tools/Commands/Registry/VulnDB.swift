public import ArgumentParser
internal import Content
internal import FoundationEssentials
internal import RegistryServer
internal import Scanning
internal import SystemPackage

public struct RegistryVulnDBCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "vulndb", abstract: "Manage what scans know of vulnerabilities.",
    subcommands: [VulnDBLoadCommand.self, VulnDBStatusCommand.self, VulnDBRemoveCommand.self])

  public init() {}
}

public struct VulnDBLoadCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Load advisories in OSV's format.",
    discussion: """
      A file is a zip archive as https://osv-vulnerabilities.storage.googleapis.com/ECOSYSTEM/all.zip has it, a tar \
      archive, a directory of JSON files, or one such file. Each is a source of its own by the file's name, or all of them \
      are one by --name; a source that was loaded before is replaced as a whole. A registry that runs goes on meanwhile, \
      and scans images again whose repositories are scanned continuously.
      """)

  @OptionGroup var global: GlobalOptions
  @OptionGroup var cluster: ClusterOptions
  @Option(help: ArgumentHelp("Name of the source that the files are.", valueName: "source")) var name: String?
  @Argument(help: "Zip and tar archives, directories, JSON files.") var files: [String]

  public init() {}

  public mutating func validate() throws {
    if let name, !(1...128).contains(name.utf8.count) { throw ValidationError("--name has 1 to 128 bytes") }
    for file in files where name == nil && Self.source(file) == "all" {
      throw ValidationError("\"\(file)\" does not tell what it has: add --name, such as --name Debian")
    }
  }

  public mutating func run() throws {
    let registry = try global.registry(cluster)
    let sources = name.map { [($0, files)] } ?? files.map { (Self.source($0), [$0]) }
    for (source, files) in sources {
      let loaded = try registry.advisories.load(files.map { FilePath($0) }, as: source)
      printOutput(
        "\(source): \(loaded.records) records loaded, \(loaded.withdrawn) withdrawn, \(loaded.ignored) of other packages\n")
    }
    try ImageScans.enqueueRenewal(registry)
  }

  /// `Debian` of `feeds/Debian.zip`
  static func source(_ file: String) -> String {
    var name = FilePath(file).lastComponent?.string ?? file
    for suffix in [".zip", ".json", ".gz", ".zst", ".xz", ".bz2", ".tgz", ".tar"] where name.hasSuffix(suffix) && name != suffix {
      name.removeLast(suffix.count)
    }
    return name
  }
}

public struct VulnDBStatusCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "status", abstract: "List the sources that are loaded.", aliases: ["list", "ls"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var cluster: ClusterOptions
  @Option(
    help: ArgumentHelp(
      "json, or a template: {{.Source}}, {{.Records}}, {{.Newest}}, {{.LoadedAt}}.", valueName: "format"))
  var format: String?

  public init() {}

  public mutating func run() throws {
    let listing = Listing([
      .init("SOURCE", "Source"), .init("RECORDS", "Records"), .init("NEWEST", "Newest"), .init("LOADED", "LoadedAt"),
    ])
    let rows = try global.registry(cluster).advisories.sources().map { source -> [String: Value] in
      [
        "Source": .string(source.name), "Records": .string(String(source.records)), "Newest": .string(source.newest),
        "LoadedAt": .string(Date(timeIntervalSince1970: Double(source.loaded / 1000)).formatted(.iso8601)),
      ]
    }
    printOutput(try listing.render(rows, format: format))
  }
}

public struct VulnDBRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove sources. Findings of scans that are done stay.", aliases: ["rm"])

  @OptionGroup var global: GlobalOptions
  @OptionGroup var cluster: ClusterOptions
  @Argument(help: "Names of sources.") var sources: [String]

  public init() {}

  public mutating func run() throws {
    let registry = try global.registry(cluster)
    try removeNamed(sources, "source") { try registry.advisories.remove($0) }
  }
}
