public import ArgumentParser
internal import Glibc
internal import RegistryServer

public struct RegistryUserCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Manage the users who sign in to the registry with a password.",
    subcommands: [RegistryUserAddCommand.self, RegistryUserRemoveCommand.self, RegistryUserListCommand.self])

  public init() {}
}

public struct RegistryUserAddCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "add", abstract: "Add a user, or change a user's password.",
    discussion:
      "The password is asked for, or read from standard input. A running registry takes it from the next request on.")

  @OptionGroup var global: GlobalOptions

  @Flag(help: "Read the password from standard input.")
  var passwordStdin = false

  @Argument(help: "The user's name.")
  var name: String

  public init() {}

  public mutating func run() throws {
    let password = try passwordStdin ? Self.readPassword() : Self.askPassword(name)
    let isNew = try global.registryFiles().passwords.set(name, password: password)
    printOutput(isNew ? "added user \(name)\n" : "changed the password of user \(name)\n")
  }

  /// Standard input to its end, without the end of its last line.
  static func readPassword() throws -> String {
    var lines: [String] = []
    while let line = readLine() { lines.append(line) }
    guard lines.count <= 1 else { throw Failure("the password on standard input has several lines", status: 125) }
    return lines.first ?? ""
  }

  static func askPassword(_ name: String) throws -> String {
    guard isatty(STDIN_FILENO) == 1 else {
      throw Failure("there is no terminal to ask for the password: give it with --password-stdin", status: 125)
    }
    let first = String(cString: getpass("Password for \(name): "))
    guard String(cString: getpass("Once more: ")) == first else { throw Failure("the two passwords differ") }
    return first
  }
}

public struct RegistryUserRemoveCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "remove", abstract: "Remove users. Their passwords are void from the next request on.", aliases: ["rm"]
  )

  @OptionGroup var global: GlobalOptions

  @Argument(help: "Names of users.")
  var names: [String]

  public init() {}

  public mutating func run() throws {
    let passwords = try global.registryFiles().passwords
    var unknown: [String] = []
    for name in names {
      if try passwords.remove(name) { printOutput(name + "\n") } else { unknown.append(name) }
    }
    guard unknown.isEmpty else { throw Failure("no such user: \(unknown.joined(separator: ", "))") }
  }
}

public struct RegistryUserListCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the users, one name a line.", aliases: ["ls"])

  @OptionGroup var global: GlobalOptions

  public init() {}

  public mutating func run() throws {
    for name in try global.registryFiles().passwords.users() { printOutput(name + "\n") }
  }
}
