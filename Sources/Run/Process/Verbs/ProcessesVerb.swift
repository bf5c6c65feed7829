import Glibc
import Kernel
import SystemPackage

/// `ps`: the processes of a container, as the host's `ps` shows them.
struct ProcessesVerb {
  private let context: VerbContext
  private let id: String
  private let format: String
  private let options: [String]

  init(_ words: ArraySlice<String>, _ context: VerbContext) throws {
    self.context = context
    // What follows the ID are options of `ps`.
    let arguments = try Arguments(
      words, [.option("format", "f", value: "FORMAT", help: "table or json")], command: "ps", operandsEndFlags: true)
    guard let id = arguments.operands.first else { throw RuntimeError.usage("ps: the container's ID is missing") }
    self.id = id
    format = arguments["format"] ?? "table"
    options = Array(arguments.operands.dropFirst())
    guard ["table", "json"].contains(format) else {
      throw RuntimeError.usage("ps: --format is \"\(format)\": use table or json")
    }
  }

  func run() throws -> Int32 {
    let processes = try context.root.load(id).processes()
    if format == "json" {
      RuntimeProgram.output(String(decoding: try JSONText.encode(processes), as: UTF8.self) + "\n")
      return 0
    }
    let table = try table()
    RuntimeProgram.output(try Self.lines(of: table, about: Set(processes)).joined(separator: "\n") + "\n")
    return 0
  }

  private func table() throws -> String {
    guard let program = Self.find() else {
      throw RuntimeError.unsupported("ps --format table", reason: "this host has no ps in $PATH; use --format json")
    }
    let options = options.isEmpty ? ["-ef"] : options
    let run = try Spawn(program, options).capture(limit: 64 << 20, milliseconds: 60_000)
    guard run.status == .exited(0) else {
      let problem = String(decoding: run.errorOutput + run.output, as: UTF8.self)
      throw RuntimeError.usage("ps: \(program) \(options.joined(separator: " ")) failed: \(problem)")
    }
    return String(decoding: run.output, as: UTF8.self)
  }

  private static func find() -> FilePath? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    return path.split(separator: ":").map { FilePath(String($0)).appending("ps") }.first {
      access($0.string, X_OK) == 0
    }
  }

  /// The heading, and the lines whose column `PID` names one of them.
  static func lines(of table: String, about processes: Set<Int32>) throws -> [Substring] {
    let lines = table.split(separator: "\n")
    func fields(_ line: Substring) -> [Substring] { line.split(whereSeparator: \.isWhitespace) }
    guard let heading = lines.first, let column = fields(heading).firstIndex(of: "PID") else {
      throw RuntimeError.usage("ps: its output has no column PID: choose options that show one")
    }
    let chosen = try lines.dropFirst().filter { line in
      let fields = fields(line)
      guard column < fields.count, let pid = Int32(fields[column]) else {
        throw RuntimeError.usage("ps: its line \"\(line)\" has no number in the column PID")
      }
      return processes.contains(pid)
    }
    return [heading] + chosen
  }
}
