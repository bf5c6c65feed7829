/// A command line: flags, each with its value, and what else stands there. Flags end at the first operand where a
/// program's own arguments follow. (as runc's)
struct Arguments {
  struct Flag {
    let names: [String]
    let takesValue: Bool

    static func flag(_ names: String...) -> Flag { Flag(names: names, takesValue: false) }
    static func option(_ names: String...) -> Flag { Flag(names: names, takesValue: true) }
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
        throw RuntimeError.usage("\(command): the flag \(word) is not known")
      }
      if flag.takesValue {
        guard let value = parts.count == 2 ? String(parts[1]) : rest.popFirst() else {
          throw RuntimeError.usage("\(command): the flag \(word) needs a value")
        }
        values[name, default: []].append(value)
      } else {
        guard parts.count == 1 || parts[1] == "true" || parts[1] == "false" else {
          throw RuntimeError.usage("\(command): the flag --\(parts[0]) takes no value")
        }
        values[name] = [parts.count == 2 ? String(parts[1]) : "true"]
      }
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
}
