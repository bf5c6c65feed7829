/// What Python's tools leave behind: installed distributions and files that pin versions.
enum PythonPackages {
  /// Lower case, runs of `.`, `-` and `_` as one hyphen. (PyPA, Names and normalization)
  static func normal(_ name: some StringProtocol) -> String {
    name.lowercased().split { "._-".contains($0) }.joined(separator: "-")
  }

  static func package(_ name: (some StringProtocol)?, _ version: (some StringProtocol)?) -> Package? {
    name.flatMap { Package(.pypi, normal($0), version) }
  }

  /// `*.dist-info/METADATA` and `*.egg-info/PKG-INFO`. (PyPA, Core metadata)
  static func metadata(_ bytes: [UInt8]) -> [Package] {
    guard let fields = paragraphs(bytes).first, var package = package(fields["name"], fields["version"]) else {
      return []
    }
    if let license = fields["license-expression"] ?? fields["license"], !license.isEmpty, license.utf8.count <= 200,
      !license.contains("\n"), license != "UNKNOWN"
    {
      package.licenses = [license]
    }
    package.supplier = fields["author"]
    return [package]
  }

  /// `name==version` and `name===version`, with extras, markers and hashes; what is not pinned is not known. (pip)
  static func requirements(_ bytes: [UInt8]) -> [Package] {
    Lines(bytes).compactMap { line in
      let text = line.prefix { $0 != "#" && $0 != ";" && $0 != "\\" }.trimmed
      guard let equals = text.firstRange(of: "=="), !text.hasPrefix("-") else { return nil }
      let name = text[..<equals.lowerBound].prefix { $0 != "[" }.trimmed
      let version = text[equals.upperBound...].drop { $0 == "=" }.trimmed.prefix { $0 != " " && $0 != "," }
      // `==1.*` is a range.
      return version.contains("*") || name.contains(where: { "<>!~ ".contains($0) }) ? nil : package(name, version)
    }
  }

  /// `Pipfile.lock`: JSON with `default` and `develop`.
  static func pipfile(_ bytes: [UInt8]) throws -> [Package] {
    let document = try JSON(parsing: bytes)
    return ["default", "develop"].flatMap { section in
      (document[section]?.object ?? [:]).compactMap { name, value in
        package(name, value["version"]?.string.map { $0.drop { $0 == "=" } })
      }
    }
  }

  /// `poetry.lock`, `uv.lock` and `pdm.lock`: TOML with `[[package]]` tables.
  static func packageTables(_ bytes: [UInt8]) -> [Package] {
    PackageTables.read(bytes).compactMap { table in
      // A workspace's own parts are no packages of the index.
      if table["source"]?.contains("virtual") == true || table["source"]?.contains("editable") == true { return nil }
      return package(table["name"], table["version"])
    }
  }
}
