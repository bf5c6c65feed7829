/// Commands that parse their own flags: what follows the image or the container is the program's, `--help` and all.
/// They start without the tree of all commands.
struct DirectCommand {
  private enum Kind: String { case run, create, exec }

  private let kind: Kind
  private let arguments: [String]

  /// `run …`, `container run …`, `help run`; nil for other commands.
  init?(_ arguments: [String]) {
    var rest = arguments[...]
    let asksForHelp = rest.first == "help"
    if asksForHelp { rest.removeFirst() }
    if rest.first == "container" { rest.removeFirst() }
    guard let kind = rest.popFirst().flatMap(Kind.init) else { return nil }
    self.kind = kind
    self.arguments = asksForHelp ? ["--help"] : Array(rest)
  }

  func run() throws {
    switch kind {
    case .run: try RunCommand.run(arguments)
    case .create: try CreateCommand.run(arguments)
    case .exec: try ExecCommand.run(arguments)
    }
  }
}
