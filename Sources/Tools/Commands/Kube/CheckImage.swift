internal import ArgumentParser
internal import Engine
internal import ImageSpec
internal import KubeManifests
import Snapshots
internal import SystemPackage

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say whether an image runs under Kubernetes' restricted Pod Security Standard, and what to change.",
    discussion: "The status is 1 where it does not run as it is.")

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("json, or left out for text.", valueName: "format"))
  var format: String?

  @Argument(help: "An image of this store.")
  var image: String

  func validate() throws {
    guard format == nil || format == "json" else { throw ValidationError("--format is json, or left out") }
  }

  func run() throws {
    let engine = try global.engine()
    let found = try engine.image(image)
    let check = ImageCheck(found.config, files: try files(of: found, engine))
    if format == "json" {
      let value: Value = .object(["image": .string(image), "passes": .bool(check.passes), "findings": try Value(encoding: check.findings)])
      printOutput(try value.json() + "\n")
    } else {
      printOutput(text(check))
    }
    if !check.passes { throw ExitCode(1) }
  }

  /// nil where the layers cannot be unpacked on this host, as those of an image for another system.
  private func files(of image: Image, _ engine: Engine) throws -> ImageFiles? {
    guard image.config.os == "linux", let snapshot = try engine.unpack(image) else { return nil }
    let layers = snapshot.lowerDirectories.map { engine.snapshots.directory.pushing(FilePath($0)) }
    let user = (image.config.config?.user ?? "").prefix { $0 != ":" }
    return try ImageFiles(layers: layers, user: UInt32(user))
  }

  private func text(_ check: ImageCheck) -> String {
    var text = ""
    for finding in check.findings {
      let mark =
        switch finding.level {
        case .failure: "FAIL"
        case .advice: "note"
        case .pass: "ok  "
        }
      text += "\(mark)  \(finding.subject): \(finding.message)\n"
      if let fix = finding.fix { text += "      → \(fix)\n" }
    }
    guard check.passes else { return text + "\n\(image) does not run under the restricted Pod Security Standard as it is\n" }
    let context = ImageCheck.securityContext.split(separator: "\n").map { "  \($0)\n" }.joined()
    return text + "\n\(image) runs under the restricted Pod Security Standard, with this in its container:\n\(context)"
  }
}
