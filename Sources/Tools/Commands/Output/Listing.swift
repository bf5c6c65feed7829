internal import Glibc

/// What a listing command prints: a table with the chosen columns, a template once for each row, or JSON lines.
struct Listing {
  struct Column {
    /// Heading in the table, for example `CONTAINER ID`.
    let heading: String
    /// Field in templates, for example `ID`.
    let field: String

    init(_ heading: String, _ field: String) {
      self.heading = heading
      self.field = field
    }
  }

  /// Shown where no format was asked for.
  let columns: [Column]
  /// Every field of the rows, with the heading that `table {{.Field}}` shows.
  let headings: [String: String]

  init(_ columns: [Column], others: [Column] = []) {
    self.columns = columns
    headings = Dictionary((columns + others).map { ($0.field, $0.heading) }) { first, _ in first }
  }

  /// - Parameter format: `--format`: nil or `table` for the columns, `json`, `table TEMPLATE` or a template.
  func render(_ rows: [[String: Value]], format: String?) throws -> String {
    switch format {
    case nil, "table":
      return Self.table([columns.map(\.heading)] + rows.map { row in columns.map { row[$0.field]?.text ?? "" } })
    case "json":
      return try rows.map { try Value.object($0).json() + "\n" }.joined()
    case let format? where format.hasPrefix("table "):
      let template = try Template(String(format.dropFirst("table ".count)))
      let heading = try template.render(.object(headings.mapValues { .string($0) }))
      let lines = try [heading] + rows.map { try template.render(.object($0)) }
      return Self.table(lines.map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) })
    case let format?:
      let template = try Template(format)
      return try rows.map { try template.render(.object($0)) + "\n" }.joined()
    }
  }

  /// Columns three spaces apart, as wide as their widest cell.
  static func table(_ rows: [[String]]) -> String {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(0) }
        widths[index] = max(widths[index], cell.count)
      }
    }
    return rows.map { row in
      var line = ""
      for (index, cell) in row.enumerated() {
        line += cell
        if index < row.count - 1 { line += String(repeating: " ", count: widths[index] - cell.count + 3) }
      }
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }.joined()
  }
}

/// `--filter key=value`, repeated: the values of a key are alternatives, the keys must all hold.
struct Filters {
  let values: [String: [String]]

  init(_ arguments: [String], allowed: Set<String>) throws {
    var values: [String: [String]] = [:]
    for argument in arguments {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 2 else { throw Failure("invalid argument \"\(argument)\" for \"-f, --filter\": write key=value", status: 125) }
      guard allowed.contains(parts[0]) else {
        throw Failure("invalid filter '\(parts[0])': use \(allowed.sorted().joined(separator: ", "))")
      }
      values[parts[0], default: []].append(parts[1])
    }
    self.values = values
  }

  subscript(_ key: String) -> [String]? { values[key] }

  /// True where no value was given for the key, or `predicate` holds for one of them.
  func allows(_ key: String, _ predicate: (String) throws -> Bool) rethrows -> Bool {
    guard let wanted = values[key] else { return true }
    return try wanted.contains(where: predicate)
  }

  /// The `label` filter: `key` or `key=value`; every one given must hold.
  func allowsLabels(_ labels: [String: String]) -> Bool {
    (values["label"] ?? []).allSatisfy { wanted in
      let parts = wanted.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      guard let value = labels[parts[0]] else { return false }
      return parts.count == 1 || parts[1] == value
    }
  }
}

/// Sizes and times as Docker words them.
enum Phrase {
  /// Decimal units, at most four digits: `1.23GB`. (go-units, HumanSize)
  static func size(_ bytes: Int64) -> String {
    scaled(bytes, by: 1000, units: ["B", "kB", "MB", "GB", "TB", "PB"], digits: 3)
  }

  /// Binary units: `1.5MiB`. (go-units, BytesSize)
  static func binarySize(_ bytes: Int64) -> String {
    scaled(bytes, by: 1024, units: ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], digits: 4)
  }

  private static func scaled(_ bytes: Int64, by base: Double, units: [String], digits: Int) -> String {
    var value = Double(bytes)
    var unit = 0
    while value >= base, unit < units.count - 1 {
      value /= base
      unit += 1
    }
    return significant(value, digits) + units[unit]
  }

  /// C's `%.Ng`.
  private static func significant(_ value: Double, _ digits: Int) -> String {
    var whole = 1
    var power = 10.0
    while value >= power {
      whole += 1
      power *= 10
    }
    var decimals = max(0, digits - whole)
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = Int64((value * scale).rounded())
    var fraction = scaled % Int64(scale)
    if fraction == 0 { return String(scaled / Int64(scale)) }
    while fraction % 10 == 0 {
      fraction /= 10
      decimals -= 1
    }
    let text = String(fraction)
    return "\(scaled / Int64(scale)).\(String(repeating: "0", count: decimals - text.count))\(text)"
  }

  /// `Less than a second`, `5 seconds`, `About a minute`, … (go-units, HumanDuration)
  static func duration(seconds: Int64) -> String {
    let minutes = seconds / 60
    let hours = (seconds + 1800) / 3600
    return switch seconds {
    case ..<1: "Less than a second"
    case 1: "1 second"
    case ..<60: "\(seconds) seconds"
    default:
      switch true {
      case minutes == 1: "About a minute"
      case minutes < 60: "\(minutes) minutes"
      case hours == 1: "About an hour"
      case hours < 48: "\(hours) hours"
      case hours < 24 * 7 * 2: "\(hours / 24) days"
      case hours < 24 * 30 * 2: "\(hours / 24 / 7) weeks"
      case hours < 24 * 365 * 2: "\(hours / 24 / 30) months"
      default: "\(hours / 24 / 365) years"
      }
    }
  }

  /// `5 minutes ago`, of a time in Unix seconds.
  static func ago(_ time: Int64) -> String {
    duration(seconds: max(0, Int64(Glibc.time(nil)) - time)) + " ago"
  }
}

/// The descriptors that a command talks through.
enum Terminal {
  static var outputIsTerminal: Bool { isatty(STDOUT_FILENO) == 1 }
  static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }
  static var inputIsTerminal: Bool { isatty(STDIN_FILENO) == 1 }

  /// Columns of the terminal on standard error, 80 where it does not say.
  static var columns: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }
}

/// Writes to standard output as a whole; a reader that went away ends the program as it ends others.
func printOutput(_ text: String) {
  write(text, to: STDOUT_FILENO)
}

/// Writes a line to standard error.
func printError(_ text: String, end: String = "\n") {
  write(text + end, to: STDERR_FILENO)
}

private func write(_ text: String, to descriptor: CInt) {
  var text = text
  text.withUTF8 { buffer in
    var written = 0
    while written < buffer.count, let start = buffer.baseAddress {
      let count = Glibc.write(descriptor, start + written, buffer.count - written)
      // Nobody reads: there is nothing better to do with the rest.
      if count < 0, errno != EINTR { return }
      written += max(count, 0)
    }
  }
}
