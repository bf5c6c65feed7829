import ImageSpec

@testable import Scanning

extension FuzzTarget {
  private static let paths = [
    "etc/os-release", "var/lib/dpkg/status", "lib/apk/db/installed", "package-lock.json", "yarn.lock", "pnpm-lock.yaml",
    "node_modules/x/package.json", "requirements.txt", "Pipfile.lock", "poetry.lock", "x.dist-info/METADATA", "Gemfile.lock",
    "go.sum", "go.mod", "Cargo.lock", "composer.lock", "Package.resolved",
  ]

  static let scans = [
    // The first byte chooses the kind of file.
    FuzzTarget("packages") { bytes in
      guard let first = bytes.first else { return }
      let path = paths[Int(first) % paths.count]
      guard let file = PackageFile(path) else { return require(false, "\(path) is no file of interest") }
      for package in file.packages(Array(bytes.dropFirst()), path: path) {
        require(!package.name.isEmpty && package.name.utf8.count <= 512, "the name \(package.name)")
        require(!package.version.isEmpty && package.version.utf8.count <= 256, "the version \(package.version)")
        let url = PackageURL.of(package, system: nil)
        require(url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "the URL \(url)")
        _ = LicenseExpression(package.licenses)
      }
      _ = OperatingSystem(parsing: Array(bytes.dropFirst()))
    },
    FuzzTarget("rpm") { bytes in
      bytes.withUnsafeBytes { all in
        require(RPMDatabases.packages(all).count <= RPMDatabases.packageLimit, "too many packages")
        _ = RPMHeader.package(all)
      }
    },
    FuzzTarget("zip") { bytes in
      bytes.withUnsafeBytes { all in
        _ = JavaArchive.packages(all)
        guard let archive = try? ZipArchive(all) else { return }
        try? archive.entries(limit: 1000) { entry in
          if let content = try? archive.content(entry, limit: 1 << 16) {
            require(content.count <= 1 << 16, "\(content.count) bytes beyond the limit")
          }
        }
      }
    },
    // In pieces of the first byte's size.
    FuzzTarget("go-programs") { bytes in
      let size = max(1, Int(bytes.first ?? 1))
      var (whole, pieces) = (GoBuildInfo(), GoBuildInfo())
      bytes.withUnsafeBytes { all in
        whole.write(all)
        for start in stride(from: 0, to: all.count, by: size) {
          pieces.write(UnsafeRawBufferPointer(rebasing: all[start..<min(start + size, all.count)]))
        }
      }
      whole.finish()
      pieces.finish()
      require(whole.packages == pieces.packages, "pieces of \(size) bytes differ from the whole")
    },
    FuzzTarget("advisories") { bytes in
      guard let advisory = try? AdvisoryParser.advisory(bytes) else { return }
      require(!advisory.id.isEmpty, "a record without a name")
      for package in advisory.affected {
        for version in ["0", "1.0.0", "2:1.0-1"] { _ = package.match(version) }
        require(!package.ranges.isEmpty || !package.versions.isEmpty, "a package that nothing is said of")
      }
      if let cvss = advisory.cvss { require((0...10).contains(cvss.score), "the score \(cvss.score)") }
    },
    // Parted by vertical tabs: what a package says of itself, in an image that says when it was made.
    FuzzTarget("bills") { bytes in
      let lines = bytes.dropFirst().split(separator: 0x0B, omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
      let kind = PackageKind.allCases[Int(bytes.first ?? 0) % PackageKind.allCases.count]
      guard lines.count >= 8, var package = Package(kind, lines[0], lines[1]) else { return }
      (package.licenses, package.supplier, package.path) = ([lines[2], lines[3]], lines[4], lines[5])
      var config = ImageConfig(platform: .host)
      (config.created, config.architecture) = (lines[6], lines[7])
      guard let digest = try? Digest(parsing: "sha256:" + String(repeating: "a", count: 64)) else { return }
      let image = ScannedImage(
        digest: digest, config: config, system: OperatingSystem(parsing: Array(lines[7].utf8)), packages: [package])
      let bill = BillOfMaterials(image, name: "registry.example/app:1")
      for format in BillFormat.allCases {
        guard let document = try? bill.document(format) else { return require(false, "no \(format) of \(package)") }
        if format == .spdxTagValue {
          let tags = tags(document)
          require(tags.filter { $0 == "PackageName" }.count == (image.system == nil ? 2 : 3), "packages that are none")
        } else {
          require((try? JSON(parsing: document)) != nil, "no JSON: \(package)")
        }
      }
    },
    // Lines: the first byte chooses the scheme; two versions.
    FuzzTarget("versions") { bytes in
      guard let first = bytes.first else { return }
      let scheme = VersionScheme.allCases[Int(first) % VersionScheme.allCases.count]
      let lines = bytes.dropFirst().split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false)
      guard lines.count == 2 else { return }
      let (left, right) = (String(decoding: lines[0], as: UTF8.self), String(decoding: lines[1], as: UTF8.self))
      let order = scheme.compare(left, right)
      require(order.signum() == -scheme.compare(right, left).signum(), "\(scheme): \(left) and \(right)")
      require(scheme.compare(left, left) == 0, "\(scheme): \(left) is not itself")
    },
  ]

  /// Of an SPDX document, those within marked texts left out. (SPDX 2.3, 4.4)
  private static func tags(_ document: [UInt8]) -> [String] {
    let (begin, end) = (Array(" <text>".utf8), Array("</text>".utf8))
    var tags: [String] = []
    var rest = document[...]
    while !rest.isEmpty {
      let line = rest.prefix { $0 != UInt8(ascii: "\n") }
      let halves = line.split(separator: UInt8(ascii: ":"), maxSplits: 1)
      if halves.count == 2 { tags.append(String(decoding: halves[0], as: UTF8.self)) }
      if halves.count == 2, halves[1].starts(with: begin) {
        rest = (rest.firstRange(of: end).map { rest[$0.upperBound...] } ?? []).drop { $0 != UInt8(ascii: "\n") }
      } else {
        rest = rest[line.endIndex...]
      }
      rest = rest.dropFirst()
    }
    return tags
  }
}
