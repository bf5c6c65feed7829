/// A command line: flags, each with its value, and what else stands there. Flags end at the first operand where a
/// program's own arguments follow. (as runc's)
struct Arguments {
  struct Flag {
    let names: [String]
    /// What its value is; nil: it takes none.
    let value: String?
    /// For `--help`.
    let help: String

    static func flag(_ names: String..., help: String = "") -> Flag { Flag(names: names, value: nil, help: help) }
    static func option(_ names: String..., value: String = "VALUE", help: String = "") -> Flag {
      Flag(names: names, value: value, help: help)
    }
  }

  /// By the flag's first name.
  private var values: [String: [String]] = [:]
  private(set) var operands: [String] = []

  /// - Parameter operandsEndFlags: everything from the first operand on is an operand.
  init(_ words: ArraySlice<String>, _ flags: [Flag], command: String, operandsEndFlags: Bool = false) throws {
    var rest = words
    while let word = rest.popFirst() {
      if word == "--" {
        operands += rest
        return
      }
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        if operandsEndFlags {
          operands += rest
          return
        }
        continue
      }
      let bare = word.drop { $0 == "-" }
      let parts = bare.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let flag = flags.first(where: { $0.names.contains(String(parts[0])) }), let name = flag.names.first else {
        if parts[0] == "help" || parts[0] == "h" { throw HelpRequest(command: command, flags: flags) }
        throw RuntimeError.usage("\(command): the flag \(word) is not known")
      }
      if flag.value != nil {
        guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
          throw RuntimeError.usage("\(command): the flag \(word) needs a value")
        }
        values[name, default: []].append(value)
      } else {
        guard let isSet = parts.count == 1 ? true : Self.bool(parts[1]) else {
          throw RuntimeError.usage("\(command): the flag --\(parts[0]) is \"\(parts[1])\": use true or false, or no value")
        }
        values[name] = [isSet ? "true" : "false"]
      }
    }
  }

  /// The words of Go's strconv.ParseBool, which callers of runc write.
  private static func bool(_ text: Substring) -> Bool? {
    switch text {
    case "1", "t", "T", "true", "TRUE", "True": true
    case "0", "f", "F", "false", "FALSE", "False": false
    default: nil
    }
  }

  subscript(_ name: String) -> String? { values[name]?.last }
  func all(_ name: String) -> [String] { values[name] ?? [] }
  func has(_ name: String) -> Bool { values[name]?.last == "true" }

  func number(_ name: String) throws -> Int32? {
    guard let text = self[name] else { return nil }
    guard let number = Int32(text), number >= 0 else {
      throw RuntimeError.usage("--\(name) is \"\(text)\", which is no number")
    }
    return number
  }

  /// Exactly one operand: the container's ID.
  func id(_ command: String) throws -> String {
    guard let id = operands.first else { throw RuntimeError.usage("\(command): the container's ID is missing") }
    guard operands.count == 1 else {
      throw RuntimeError.usage("\(command): \"\(operands[1])\" is one argument too many")
    }
    return id
  }

  /// A command that takes none.
  func noOperands(_ command: String) throws {
    if let first = operands.first {
      throw RuntimeError.usage("\(command): \"\(first)\" is one argument too many")
    }
  }
}
