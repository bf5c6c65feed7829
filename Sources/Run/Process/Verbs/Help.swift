/// `--help` among a command's flags.
struct HelpRequest: Error {
  let command: String
  let flags: [Arguments.Flag]

  var text: String {
    guard let row = Help.commands.first(where: { $0.name == command }) else { return Help.program(flags) }
    let operands = row.operands.isEmpty ? "" : " \(row.operands)"
    let options = flags.isEmpty ? "" : " [FLAG...]"
    return "usage: clipper-runtime \(command)\(options)\(operands)\n\n\(row.summary)\n\(Help.list(flags))"
  }
}

/// What the program says about itself.
enum Help {
  struct Command {
    let name: String
    let operands: String
    let summary: String

    init(_ name: String, _ operands: String, _ summary: String) {
      self.name = name
      self.operands = operands
      self.summary = summary
    }
  }

  static let commands = [
    Command("create", "ID", "Makes a container of a bundle. Its program waits for start."),
    Command("start", "ID", "Runs the program of a created container."),
    Command("run", "ID", "Makes a container of a bundle and runs its program."),
    Command("exec", "ID [COMMAND [ARGUMENT...]]", "Runs a further process in a running container."),
    Command("state", "ID", "Says in JSON how a container is."),
    Command("list", "", "Lists the containers below --root."),
    Command("kill", "ID [SIGNAL]", "Sends a signal, TERM by default, to a container's first process."),
    Command("delete", "ID", "Removes a stopped or created container."),
    Command("pause", "ID", "Stops every process of a container until resume."),
    Command("resume", "ID", "Lets a paused container go on."),
    Command("update", "ID", "Changes the limits of a container that lives."),
    Command("events", "ID", "Reports in JSON what a container uses, and that memory ran out, until it ends."),
    Command("ps", "ID [OPTION OF PS...]", "Shows a container's processes as the host's ps does."),
    Command("checkpoint", "ID", "Saves a container's processes as files, by criu."),
    Command("restore", "ID", "Makes a container from such files."),
    Command("spec", "", "Writes a config.json to begin with."),
    Command("features", "", "Says in JSON what this runtime can do."),
    Command("supervise", "", "Runs a container and stays with it: log, terminals, probes, restarts. For clipper."),
    Command("hold", "", "Keeps namespaces for the containers of a pod. For clipper."),
  ]

  static func program(_ flags: [Arguments.Flag]) -> String {
    let width = commands.map(\.name.count).max() ?? 0
    let rows = commands.map { "  \(padded($0.name, width))  \($0.summary)\n" }.joined()
    return """
      usage: clipper-runtime [FLAG...] COMMAND [ARGUMENT...]

      Runs containers as the runtime specification of the Open Container Initiative says.
      clipper-runtime COMMAND --help lists a command's flags.

      \(rows)\(list(flags))
      """
  }

  static func list(_ flags: [Arguments.Flag]) -> String {
    let rows = flags.map { flag in
      let names = flag.names.map { $0.count == 1 ? "-\($0)" : "--\($0)" }.joined(separator: ", ")
      return (names + (flag.value.map { " \($0)" } ?? ""), flag.help)
    }
    let width = rows.map(\.0.count).max() ?? 0
    let lines = rows.map { $0.1.isEmpty ? "  \($0.0)\n" : "  \(padded($0.0, width))  \($0.1)\n" }
    return lines.isEmpty ? "" : "\n" + lines.joined()
  }

  private static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: width - text.count)
  }
}
