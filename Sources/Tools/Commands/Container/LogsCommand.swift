internal import ArgumentParser
internal import Engine
internal import Glibc

struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "logs", abstract: "Show what a container has written.")

  @OptionGroup var global: GlobalOptions
  @Flag(name: .shortAndLong, help: "Go on with what is written until the container ends.") var follow = false
  @Flag(name: .shortAndLong, help: "Show when each line was written.") var timestamps = false
  @Option(
    name: [.customShort("n", allowingJoined: true), .customLong("tail")], help: "The last so many lines, or all.")
  var tail = "all"
  @Option(help: "Since a time: RFC 3339, Unix seconds, or how long ago, such as 10m.") var since: String?
  @Option(help: "Until a time, as --since.") var until: String?
  @Argument(help: "Name or ID.") var container: String

  func run() throws {
    var query = LogQuery()
    query.follow = follow
    // As docker: a negative number is all.
    if tail != "all" {
      guard let count = Int(tail) else {
        throw Failure("invalid argument \"\(tail)\" for \"-n, --tail\": write a number or all")
      }
      if count >= 0 { query.tail = count }
    }
    query.since = try since.map { try Self.moment($0, "since") }
    query.until = try until.map { try Self.moment($0, "until") }
    try global.engine().logs(container, query) { line in
      let text = timestamps ? "\(line.time) \(line.text)" : line.text
      try AttachedSession.write(Array(text.utf8), to: line.stream == .stdout ? STDOUT_FILENO : STDERR_FILENO)
      return true
    }
  }

  static func moment(_ text: String, _ flag: String) throws -> Moment {
    let found = Quantity.moment(text, now: Moment.now().nanoseconds) { Moment(parsing: $0)?.nanoseconds }
    guard let found else {
      throw Failure(
        "invalid value for \"\(flag)\": \"\(text)\": write a time such as 2026-01-02T15:04:05Z, Unix seconds, or 10m")
    }
    return Moment(nanoseconds: found)
  }
}
