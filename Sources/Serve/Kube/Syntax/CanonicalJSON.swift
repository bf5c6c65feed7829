/// A manifest's object as compact JSON with sorted keys. Plain text keeps its YAML type: what was a number stays one.
enum CanonicalJSON {
  static func text(of node: ManifestNode) -> String {
    var text = ""
    write(node, to: &text)
    return text
  }

  private static func write(_ node: ManifestNode, to text: inout String) {
    switch node.content {
    case .mapping(let members):
      text += "{"
      let given = members.filter { !$0.value.isNull }.sorted { $0.key < $1.key }
      for (index, member) in given.enumerated() {
        if index > 0 { text += "," }
        write(member.key, to: &text)
        text += ":"
        write(member.value, to: &text)
      }
      text += "}"
    case .sequence(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        write(element, to: &text)
      }
      text += "]"
    case .scalar(let string, plain: let plain):
      let scalar = Scalar(string)
      if plain, scalar.isNull {
        text += "null"
      } else if plain, let bool = scalar.bool {
        text += String(bool)
      } else if plain, let integer = scalar.integer {
        text += String(integer)
      } else if plain, scalar.isFloat, !string.contains("n"), !string.contains("N"), !string.hasPrefix("."), !string.hasPrefix("+") {
        text += string.replacing("_", with: "")
      } else {
        write(string, to: &text)
      }
    }
  }

  private static func write(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      // DEL and the breaks that YAML knows and JSON does not are escaped as well, so that both read the same.
      case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || [0x2028, 0x2029, 0xfeff].contains(scalar.value):
        let hex = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
