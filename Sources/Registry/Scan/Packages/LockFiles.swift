/// Lock files of Ruby, Go, Rust, PHP and Swift.
enum LockFiles {
  /// `Gemfile.lock`: the `specs:` of its sources. (Bundler)
  static func gems(_ bytes: [UInt8]) -> [Package] {
    var isSource = false
    return Lines(bytes).compactMap { line in
      if line.first != " " {
        isSource = line == "GEM" || line == "GIT" || line == "PLUGIN SOURCE"
        return nil
      }
      // What depends on it is indented further.
      guard isSource, line.hasPrefix("    "), !line.hasPrefix("     "), let bracket = line.firstIndex(of: "(") else { return nil }
      let version = line[line.index(after: bracket)...].prefix { $0 != ")" }
      // `1.2.3-x86_64-linux` names a platform behind the version.
      return Package(.gem, line[..<bracket].trimmed, version.prefix { $0 != "-" })
    }
  }

  /// A gem that is installed: `specifications/name-1.2.3.gemspec`. Its name tells all that can be told without Ruby.
  static func gem(specification file: String) -> [Package] {
    let stem = file.hasSuffix(".gemspec") ? file.dropLast(".gemspec".count) : file[...]
    // The version begins at the first hyphen before a digit.
    var search = stem.startIndex
    while let hyphen = stem[search...].firstIndex(of: "-") {
      let after = stem.index(after: hyphen)
      if after < stem.endIndex, stem[after].isNumber {
        return Package(.gem, stem[..<hyphen], stem[after...].prefix { $0 != "-" }).map { [$0] } ?? []
      }
      search = after
    }
    return []
  }

  /// `go.sum`: `module version hash`. A line for go.mod alone means that the module was not needed. (Go modules reference)
  static func goSum(_ bytes: [UInt8]) -> [Package] {
    Lines(bytes).compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count == 3, !fields[1].hasSuffix("/go.mod") else { return nil }
      return Package(.golang, fields[0], fields[1])
    }
  }

  /// `go.mod`: its `require` directives.
  static func goMod(_ bytes: [UInt8]) -> [Package] {
    var isInBlock = false
    return Lines(bytes).compactMap { line in
      var fields = withoutComment(line).split(separator: " ")
      if fields == [")"] { isInBlock = false }
      if fields.first == "require" {
        fields.removeFirst()
        if fields == ["("] {
          isInBlock = true
          return nil
        }
      } else if !isInBlock {
        return nil
      }
      return fields.count == 2 ? Package(.golang, fields[0], fields[1]) : nil
    }
  }

  private static func withoutComment(_ line: Substring) -> Substring {
    line.firstRange(of: "//").map { line[..<$0.lowerBound] }?.trimmed ?? line.trimmed
  }

  /// `Cargo.lock`: what has a source is from a registry or a repository, the rest is the workspace's own.
  static func cargo(_ bytes: [UInt8]) -> [Package] {
    PackageTables.read(bytes).compactMap { table in
      table["source"] == nil && table["checksum"] == nil ? nil : Package(.cargo, table["name"], table["version"])
    }
  }

  /// `composer.lock` and `vendor/composer/installed.json`.
  static func composer(_ bytes: [UInt8]) throws -> [Package] {
    let document = try JSON(parsing: bytes)
    let lists = [document["packages"], document["packages-dev"], document.array.map { .array($0) }]
    return lists.compactMap { $0?.array }.flatMap { $0 }.compactMap { entry in
      guard var package = Package(.composer, entry["name"]?.string, entry["version"]?.string) else { return nil }
      package.licenses = entry["license"]?.strings ?? []
      return package
    }
  }

  /// `Package.resolved`, version 1 to 3: the repository's address without its scheme is the name. (SwiftPM)
  static func swift(_ bytes: [UInt8]) throws -> [Package] {
    let document = try JSON(parsing: bytes)
    let pins = document["pins"]?.array ?? document["object"]?["pins"]?.array ?? []
    return pins.compactMap { pin in
      guard var name = (pin["location"] ?? pin["repositoryURL"])?.string?[...] else { return nil }
      if let scheme = name.firstRange(of: "://") { name = name[scheme.upperBound...] }
      if name.hasSuffix(".git") { name = name.dropLast(4) }
      if name.hasPrefix("git@") { name = name.dropFirst(4) }
      return Package(.swift, String(name.map { $0 == ":" ? "/" : $0 }), pin["state"]?["version"]?.string)
    }
  }
}
