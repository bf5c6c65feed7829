/// The tables of installed packages that dpkg and apk keep as text.
enum SystemDatabases {
  /// `var/lib/dpkg/status`, or a file of `status.d` as distroless images have it. (dpkg(1); deb-control(5))
  static func dpkg(_ bytes: [UInt8]) -> [Package] {
    paragraphs(bytes).compactMap { fields in
      // What was removed but for its settings is not installed. status.d has no such field.
      if let status = fields["status"], !status.split(separator: " ").contains("installed") { return nil }
      guard var package = Package(.deb, fields["package"], fields["version"]) else { return nil }
      package.architecture = fields["architecture"]
      package.supplier = fields["maintainer"]
      if let source = fields["source"] {
        // `name`, or `name (version)`.
        let parts = source.split(separator: " ", maxSplits: 1)
        let version = parts.count == 2 ? String(parts[1].trimmed.drop { $0 == "(" }.prefix { $0 != ")" }) : nil
        if let name = parts.first { package.source = .init(name: String(name), version: version) }
      }
      return package
    }
  }

  /// `lib/apk/db/installed`: a letter, a colon and the value; an empty line after each package. (apk-tools, APKINDEX format)
  static func apk(_ bytes: [UInt8]) -> [Package] {
    var packages: [Package] = []
    var fields: [Character: String] = [:]
    func add() {
      defer { fields = [:] }
      guard var package = Package(.apk, fields["P"], fields["V"]) else { return }
      package.architecture = fields["A"]
      package.supplier = fields["m"]
      if let license = fields["L"], !license.isEmpty { package.licenses = [license] }
      if let origin = fields["o"], !origin.isEmpty, origin != package.name {
        package.source = .init(name: origin, version: nil)
      }
      packages.append(package)
    }
    for line in Lines(bytes) {
      if line.isEmpty {
        add()
      } else if let first = line.first, "PVALmo".contains(first), line.dropFirst().first == ":" {
        fields[first] = String(line.dropFirst(2))
      }
    }
    add()
    return packages
  }
}
