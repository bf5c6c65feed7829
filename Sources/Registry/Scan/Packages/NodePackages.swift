/// Lock files of npm, Yarn and pnpm.
enum NodePackages {
  /// `package-lock.json` and `npm-shrinkwrap.json`, lockfileVersion 1 to 3. (npm, package-lock.json)
  static func npm(_ bytes: [UInt8]) throws -> [Package] {
    let document = try JSON(parsing: bytes)
    var packages: [Package] = []
    if let entries = document["packages"]?.object {
      for (path, entry) in entries where !path.isEmpty {
        // A link points at a package that has an entry of its own.
        if entry["link"] == .bool(true) { continue }
        let name = entry["name"]?.string ?? path.ranges(of: "node_modules/").last.map { String(path[$0.upperBound...]) }
        guard var package = Package(.npm, name, entry["version"]?.string) else { continue }
        if let license = entry["license"]?.string { package.licenses = [license] }
        packages.append(package)
      }
    } else {
      add(document["dependencies"], to: &packages)
    }
    return packages
  }

  private static func add(_ dependencies: JSON?, to packages: inout [Package]) {
    for (name, entry) in dependencies?.object ?? [:] {
      let version = entry["version"]?.string
      // `npm:other@1.0` is another package under this name; a URL is none of the registry's.
      if let alias = version, alias.hasPrefix("npm:"), let at = alias.lastIndex(of: "@") {
        Package(.npm, alias[..<at].dropFirst(4), alias[alias.index(after: at)...]).map { packages.append($0) }
      } else if let version, !version.contains("/") {
        Package(.npm, name, version).map { packages.append($0) }
      }
      add(entry["dependencies"], to: &packages)
    }
  }

  /// `package.json` of an installed module.
  static func module(_ bytes: [UInt8]) throws -> [Package] {
    let document = try JSON(parsing: bytes)
    guard var package = Package(.npm, document["name"]?.string, document["version"]?.string) else { return [] }
    if let license = document["license"]?.string ?? document["license"]?["type"]?.string {
      package.licenses = [license]
    }
    package.supplier = document["author"]?["name"]?.string ?? document["author"]?.string
    return [package]
  }

  /// `yarn.lock`: version 1's own format, and the YAML of later ones.
  static func yarn(_ bytes: [UInt8]) -> [Package] {
    var packages: [Package] = []
    var name: Substring?
    for line in Lines(bytes) where !line.isEmpty && line.first != "#" {
      if line.first != " " {
        // `"@babel/core@^7.0.0", "@babel/core@npm:^7.1.0":`
        let first = line.prefix { $0 != "," }.drop { $0 == "\"" }
        let at = first.dropFirst().firstIndex(of: "@")
        let rest = at.map { first[first.index(after: $0)...] } ?? ""
        name = at.map { first[..<$0] }
        if rest.hasPrefix("npm:"), let alias = rest.dropFirst(5).lastIndex(of: "@") {
          name = rest[..<alias].dropFirst(4)
        } else if rest.hasPrefix("workspace:") || first.hasPrefix("__metadata") {
          name = nil
        }
      } else if let current = name, line.hasPrefix("  version"), !line.hasPrefix("   ") {
        let version = line.dropFirst("  version".count).drop { $0 == ":" || $0 == " " }.unquotedPart
        Package(.npm, current, version).map { packages.append($0) }
        name = nil
      }
    }
    return packages
  }

  /// `pnpm-lock.yaml`: the keys of `packages`, `/name/1.0.0`, `/name@1.0.0` or `name@1.0.0`, peers in brackets or after `_`.
  static func pnpm(_ bytes: [UInt8]) -> [Package] {
    var packages: [Package] = []
    var isInside = false
    for line in Lines(bytes) where !line.isEmpty {
      if line.first != " " {
        isInside = line == "packages:"
        continue
      }
      guard isInside, line.hasPrefix("  "), !line.hasPrefix("   "), let colon = line.lastIndex(of: ":") else {
        continue
      }
      var key = line[..<colon].trimmed.unquoted[...].prefix { $0 != "(" }
      if key.first == "/" { key = key.dropFirst() }
      let at = key.dropFirst().lastIndex(of: "@")
      if let at, key[at...].dropFirst().first?.isNumber == true {
        Package(.npm, key[..<at], key[key.index(after: at)...].prefix { $0 != "_" }).map { packages.append($0) }
      } else if let slash = key.lastIndex(of: "/") {
        Package(.npm, key[..<slash], key[key.index(after: slash)...].prefix { $0 != "_" }).map { packages.append($0) }
      }
    }
    return packages
  }
}

extension Substring {
  fileprivate var unquotedPart: Substring { drop { $0 == "\"" }.prefix { $0 != "\"" } }
}
