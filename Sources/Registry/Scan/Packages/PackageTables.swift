/// The `[[package]]` tables of lock files in TOML: their scalar keys. Tools write them, a key a line. (TOML 1.0)
enum PackageTables {
  static func read(_ bytes: [UInt8]) -> [[String: String]] {
    var tables: [[String: String]] = []
    var isInPackage = false
    for line in Lines(bytes) {
      let text = line.trimmed
      if text.hasPrefix("[") {
        // A table below it, such as `[package.source]`, is another.
        isInPackage = text == "[[package]]"
        if isInPackage { tables.append([:]) }
      } else if isInPackage, let equals = text.firstIndex(of: "="), text.first != "#", !tables.isEmpty {
        let key = text[..<equals].trimmed.unquoted
        guard !key.contains(" ") else { continue }
        tables[tables.count - 1][key] = value(text[text.index(after: equals)...].trimmed)
      }
    }
    return tables
  }

  private static func value(_ text: Substring) -> String {
    guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
    return String(text.dropFirst().prefix { $0 != quote })
  }
}
