internal import ArgumentParser
internal import Engine
internal import Glibc

struct TopCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "top", abstract: "Show the processes of a container.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: "Name or ID.") var container: String

  func run() throws {
    let processes = try global.engine().top(container)
    let rows = processes.map { process in
      let seconds = process.processorTime / 1000
      return [
        Self.user(process.userID), String(process.pid), String(process.parent), "0", Self.start(process.started),
        process.terminal, "\(Self.two(seconds / 3600)):\(Self.two(seconds / 60 % 60)):\(Self.two(seconds % 60))",
        process.command,
      ]
    }
    printOutput(Listing.table([["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]] + rows))
  }

  private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : String(number) }

  private static func user(_ id: UInt32) -> String {
    getpwuid(id).map { String(cString: $0.pointee.pw_name) } ?? String(id)
  }

  /// The time of day; of a day before today the date.
  private static func start(_ moment: Moment) -> String {
    var clock = time_t(moment.seconds), now = Glibc.time(nil)
    var parts = tm(), today = tm()
    localtime_r(&clock, &parts)
    localtime_r(&now, &today)
    guard parts.tm_yday == today.tm_yday, parts.tm_year == today.tm_year else {
      return Timestamp.text(seconds: moment.seconds).prefix(10).description
    }
    return "\(two(Int64(parts.tm_hour))):\(two(Int64(parts.tm_min)))"
  }
}

struct PortCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "port", abstract: "Show the published ports of a container.")

  @OptionGroup var global: GlobalOptions
  @Argument(help: "Name or ID.") var container: String
  @Argument(help: ArgumentHelp("Only this one: port[/protocol].", valueName: "port")) var port: String?

  func run() throws {
    let container = try global.engine().container(container)
    guard let port else {
      return printOutput(container.ownPublications.map { "\($0.targetText) -> \($0.hostText)\n" }.joined())
    }
    let wanted = port.contains("/") ? port.lowercased() : port + "/tcp"
    let found = container.ownPublications.filter { $0.targetText == wanted }
    guard !found.isEmpty else { throw Failure("no public port '\(wanted)' published for \(container.name)") }
    printOutput(found.map { $0.hostText + "\n" }.joined())
  }
}
