/// A command line as docker parses it: flags up to the first argument that is none; what follows is left alone.
///
/// `--name value`, `--name=value`, `-p 80:80`, `-p80:80`, `-itd`, `-dp 80:80`, `--rm=false`, and `--` as the end of
/// flags.
struct FlagSet {
  struct Flag {
    enum Kind {
      /// `--rm`, `--rm=false`.
      case toggle
      /// The word for the value in the help.
      case value(String)
      /// Known, and not to be had here; the help does not show it.
      case refused
    }

    let name: String
    let letter: Character?
    let kind: Kind
    let help: String
  }

  /// What was given, in its order.
  struct Parsed {
    fileprivate(set) var given: [(name: String, value: String)] = []
    fileprivate(set) var rest: [String] = []

    func all(_ name: String) -> [String] { given.filter { $0.name == name }.map(\.value) }
    func last(_ name: String) -> String? { given.last { $0.name == name }?.value }
    func has(_ name: String) -> Bool { given.contains { $0.name == name } }

    /// Of a toggle.
    func isOn(_ name: String, default standard: Bool = false) -> Bool { last(name).map { $0 == "true" } ?? standard }

    func number<Number: LosslessStringConvertible>(_ name: String, as type: Number.Type = Number.self) throws -> Number?
    {
      guard let text = last(name) else { return nil }
      guard let number = Number(text) else {
        throw Failure("invalid argument \"\(text)\" for \"--\(name)\" flag: it is not a number", status: 125)
      }
      return number
    }
  }

  /// `docker run`, in messages.
  let command: String
  let usage: String
  let abstract: String
  let flags: [Flag]

  /// - Throws: `Failure` with docker's words and status 125; `HelpRequest` for `--help`.
  func parse(_ arguments: [String]) throws -> Parsed {
    var parsed = Parsed()
    var rest = arguments[...]
    while let word = rest.first, word.hasPrefix("-"), word != "-" {
      rest.removeFirst()
      if word == "--" { break }
      if word.hasPrefix("--") { try long(word.dropFirst(2), &rest, &parsed) } else { try letters(word, &rest, &parsed) }
    }
    parsed.rest = Array(rest)
    return parsed
  }

  private func long(_ word: Substring, _ rest: inout ArraySlice<String>, _ parsed: inout Parsed) throws {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    if parts[0] == "help" { throw HelpRequest(text: help) }
    guard let flag = flags.first(where: { $0.name == parts[0] }) else { throw failure("unknown flag: --\(parts[0])") }
    switch flag.kind {
    case .refused: throw refusal(flag)
    case .toggle:
      let value = try toggle(parts.count == 2 ? parts[1] : "true", "--\(flag.name)")
      parsed.given.append((flag.name, value))
    case .value:
      guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
        throw failure("flag needs an argument: --\(flag.name)")
      }
      parsed.given.append((flag.name, value))
    }
  }

  private func letters(_ word: String, _ rest: inout ArraySlice<String>, _ parsed: inout Parsed) throws {
    var letters = word.dropFirst()
    while let letter = letters.popFirst() {
      guard let flag = flags.first(where: { $0.letter == letter }) else {
        throw failure("unknown shorthand flag: '\(letter)' in \(word)")
      }
      switch flag.kind {
      case .refused: throw refusal(flag)
      case .toggle:
        var value = "true"
        if letters.first == "=" {
          value = try toggle(String(letters.dropFirst()), "-\(letter)")
          letters = ""
        }
        parsed.given.append((flag.name, value))
      case .value:
        if letters.first == "=" { letters.removeFirst() }
        guard let value = letters.isEmpty ? rest.popFirst() : String(letters) else {
          throw failure("flag needs an argument: '\(letter)' in \(word)")
        }
        parsed.given.append((flag.name, value))
        letters = ""
      }
    }
  }

  private func toggle(_ text: String, _ flag: String) throws -> String {
    switch text.lowercased() {
    case "true", "t", "1": return "true"
    case "false", "f", "0": return "false"
    default: throw failure("invalid argument \"\(text)\" for \"\(flag)\" flag: write true or false")
    }
  }

  private func refusal(_ flag: Flag) -> Failure { Failure("--\(flag.name) is not supported", status: 125) }

  func failure(_ reason: String) -> Failure {
    Failure("\(reason)\n\nUsage:  \(usage)\n\nRun '\(command) --help' for more information", status: 125)
  }

  var help: String {
    let rows = flags.compactMap { flag -> [String]? in
      let name = (flag.letter.map { "-\($0), " } ?? "    ") + "--" + flag.name
      switch flag.kind {
      case .refused: return nil
      case .toggle: return ["  " + name, flag.help]
      case .value(let word): return ["  \(name) \(word)", flag.help]
      }
    }
    return "Usage:  \(usage)\n\n\(abstract)\n\nOptions:\n" + Listing.table(rows)
  }
}

/// `--help` was given: the text is the answer.
struct HelpRequest: Error {
  let text: String
}

extension FlagSet.Flag {
  static func toggle(_ name: String, _ letter: Character? = nil, _ help: String) -> Self {
    Self(name: name, letter: letter, kind: .toggle, help: help)
  }

  static func value(_ name: String, _ letter: Character? = nil, _ word: String, _ help: String) -> Self {
    Self(name: name, letter: letter, kind: .value(word), help: help)
  }

  static func refused(_ name: String, _ letter: Character? = nil) -> Self {
    Self(name: name, letter: letter, kind: .refused, help: "")
  }
}

/// The options before a command's name, for commands with docker's own way to parse.
enum GlobalFlags {
  static let all: [FlagSet.Flag] = [
    .value("root", nil, "dir", "Where content, containers and volumes are kept"),
    .value("run-root", nil, "dir", "Where sockets and locks are kept while containers run"),
    .value("log-level", nil, "level", "How much is logged: debug, info, warn or error"),
  ]
}
