public import ArgumentParser
internal import RegistryServer

public struct RegistryModeCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "mode", abstract: "Show whether the registry takes changes, or make it read-only or read-write.",
    discussion: "Servers follow with the next request. Pulls go on; pushes, deletes and their like get 405 with the reason.")

  enum Mode: String, CaseIterable, ExpressibleByArgument {
    case readOnly = "read-only"
    case readWrite = "read-write"
  }

  @OptionGroup var global: GlobalOptions

  @Option(help: ArgumentHelp("What clients are told.", valueName: "text"))
  var reason: String?

  @Argument(help: "read-only or read-write.")
  var mode: Mode?

  public init() {}

  public mutating func validate() throws {
    guard reason == nil || mode == .readOnly else { throw ValidationError("--reason goes with read-only") }
    if let reason, reason.utf8.count > 500 { throw ValidationError("--reason has more than 500 bytes") }
  }

  public mutating func run() throws {
    let registry = try global.registry()
    if let mode { try registry.setMode(RegistryMode(isReadOnly: mode == .readOnly, reason: reason)) }
    let now = try registry.mode
    printOutput((now.isReadOnly ? "read-only\(now.reason.map { ": \($0)" } ?? "")" : "read-write") + "\n")
  }
}
