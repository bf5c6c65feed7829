public import ArgumentParser
internal import Engine
internal import Glibc
internal import ImageSpec
public import Scanning

struct SbomCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sbom", abstract: "Write what an image consists of: a bill of materials in SPDX or CycloneDX.",
    discussion: """
      Packages are found by what the image's layers have: dpkg's, apk's and rpm's databases, lock files, Java archives and \
      Go programs. The same image gives the same document: its time is SOURCE_DATE_EPOCH, or else the image's.
      """)

  @OptionGroup var global: GlobalOptions
  @Option(
    help: "spdx-json (2.3), spdx-tag-value, cyclonedx-json (1.6) or cyclonedx-json-1.5.")
  var format: BillFormat = .spdxJSON
  @Option(name: .shortAndLong, help: "Write to this file instead of standard output.") var output: String?
  @Option(help: "Of an image for several platforms: os/arch[/variant].") var platform: String?
  @Argument(help: "Name or ID.") var image: String

  func run() throws {
    let engine = try global.engine()
    let found = try engine.image(image, platform: platform.map { try Platform(parsing: $0) })
    let created = try getenv("SOURCE_DATE_EPOCH").map { try Self.seconds(String(cString: $0)) }
    let scanned = try ImageScanner(engine.content).scan(found.descriptor.digest, mediaType: found.descriptor.mediaType)
    let document = try BillOfMaterials(scanned, name: image, created: created).document(format)
    let target = try OutputFile(output)
    do {
      try document.withUnsafeBytes { try target.write($0) }
      try target.commit()
    } catch {
      target.discard()
      throw error
    }
  }

  /// (reproducible-builds.org, SOURCE_DATE_EPOCH)
  private static func seconds(_ text: String) throws -> Int64 {
    guard let seconds = Int64(text), (0...253_402_300_799).contains(seconds) else {
      throw Failure("SOURCE_DATE_EPOCH is \"\(text.prefix(40))\": it is a number of seconds since 1970")
    }
    return seconds
  }
}

extension BillFormat: ExpressibleByArgument {}
