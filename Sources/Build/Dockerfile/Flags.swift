/// The `--name[=value]` words in front of an instruction's arguments.
struct Flags {
  private let instruction: String
  private let location: SourceRange
  private var values: [String: String?] = [:]
  private var order: [String] = []

  /// Takes the flags off the beginning of `text`.
  init(_ text: inout Substring.UTF8View, instruction: String, at location: SourceRange) throws(DockerfileError) {
    self.instruction = instruction
    self.location = location
    for word in Self.words(&text) {
      let body = word.dropFirst(2)
      let name = String(body.prefix { $0 != "=" })
      let value: String? = body.contains("=") ? String(body.drop { $0 != "=" }.dropFirst()) : nil
      order.append(name)
      values[name] = .some(value)
    }
  }

  /// - Throws: for a flag that is none of these, or is there twice.
  func check(known: [String], unsupported: [String] = []) throws(DockerfileError) {
    for name in order where !known.contains(name) {
      if unsupported.contains(name) {
        // Off is what happens anyway.
        if values[name] == "false" { continue }
        throw DockerfileError(.unsupported("\(instruction) --\(name)"), at: location)
      }
      throw DockerfileError(
        .unknownFlag(instruction: instruction, flag: name, nearest: nearestName(name, known)), at: location)
    }
    // Those that may be repeated are all unsupported, which is the better thing to say.
    for (index, name) in order.enumerated() where order[..<index].contains(name) {
      throw DockerfileError(.malformed("\(instruction): flag --\(name) is given twice"), at: location)
    }
  }

  func string(_ name: String) throws(DockerfileError) -> String? {
    guard let value = values[name] else { return nil }
    guard let value else {
      throw DockerfileError(.malformed("\(instruction): flag --\(name) needs a value: --\(name)=…"), at: location)
    }
    return value
  }

  func bool(_ name: String) throws(DockerfileError) -> Bool? {
    guard let value = values[name] else { return nil }
    switch value?.lowercased() {
    case nil, "true": return true
    case "false": return false
    case let other?:
      throw DockerfileError(.malformed("\(instruction): --\(name) is true or false, not \"\(other)\""), at: location)
    }
  }

  private static func words(_ text: inout Substring.UTF8View) -> [String] {
    let dash = UInt8(ascii: "-")
    var words: [String] = []
    while true {
      let start = text.drop(while: isSpace)
      guard start.starts(with: [dash, dash]) else {
        text = start
        return words
      }
      var word: [UInt8] = []
      var quote: UInt8?
      var rest = start
      while let byte = rest.first, quote != nil || !isSpace(byte) {
        rest = rest.dropFirst()
        if byte == UInt8(ascii: "\\") {
          if let escaped = rest.first {
            word.append(escaped)
            rest = rest.dropFirst()
          }
        } else if byte == quote {
          quote = nil
        } else if quote == nil, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
          quote = byte
        } else {
          word.append(byte)
        }
      }
      text = rest.drop(while: isSpace)
      // `--` alone ends the flags.
      if word == [dash, dash] { return words }
      words.append(String(decoding: word, as: UTF8.self))
    }
  }
}
