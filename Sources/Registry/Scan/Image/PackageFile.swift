/// A file that tells of packages, by its path in the image.
enum PackageFile: Hashable {
  case operatingSystem
  case dpkg, apk
  /// One of rpm's three forms.
  case rpm
  case npmLock, yarnLock, pnpmLock, nodeModule
  case requirements, pipfileLock, pythonTables, pythonMetadata
  case gemfileLock, gemSpecification
  case goSum, goMod
  case cargoLock, composerLock, swiftResolved
  case javaArchive

  /// Whether it is kept in a file of its own while it is read, and not in memory.
  var isSpooled: Bool { self == .rpm || self == .javaArchive }

  private static let byPath: [String: PackageFile] = {
    var paths: [String: PackageFile] = [
      "etc/os-release": .operatingSystem, "usr/lib/os-release": .operatingSystem, "var/lib/dpkg/status": .dpkg,
      "lib/apk/db/installed": .apk, "usr/lib/apk/db/installed": .apk,
    ]
    for folder in ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"] {
      for name in ["Packages", "Packages.db", "rpmdb.sqlite"] { paths["\(folder)/\(name)"] = .rpm }
    }
    return paths
  }()

  private static let byName: [String: PackageFile] = [
    "package-lock.json": .npmLock, "npm-shrinkwrap.json": .npmLock, "yarn.lock": .yarnLock, "pnpm-lock.yaml": .pnpmLock,
    "requirements.txt": .requirements, "Pipfile.lock": .pipfileLock, "poetry.lock": .pythonTables,
    "uv.lock": .pythonTables,
    "pdm.lock": .pythonTables, "Gemfile.lock": .gemfileLock, "gems.locked": .gemfileLock, "go.sum": .goSum,
    "go.mod": .goMod,
    "Cargo.lock": .cargoLock, "composer.lock": .composerLock, "Package.resolved": .swiftResolved,
  ]

  /// nil for all others.
  init?(_ path: String) {
    if let known = Self.byPath[path] {
      self = known
      return
    }
    let parts = path.split(separator: "/")
    guard let name = parts.last else { return nil }
    let parent = parts.dropLast().last ?? ""
    if let known = Self.byName[String(name)] {
      // A module's own lock file is not what was installed with it.
      guard !parts.dropLast().contains("node_modules") else { return nil }
      self = known
    } else if parent == "status.d", path.hasPrefix("var/lib/dpkg/"), !name.hasSuffix(".md5sums") {
      self = .dpkg
    } else if name == "METADATA" && parent.hasSuffix(".dist-info")
      || name == "PKG-INFO" && parent.hasSuffix(".egg-info")
    {
      self = .pythonMetadata
    } else if name == "package.json", Self.isModule(parts.dropLast()) {
      self = .nodeModule
    } else if parent == "specifications" || parts.dropLast(2).last == "specifications", name.hasSuffix(".gemspec") {
      self = .gemSpecification
    } else if name == "installed.json", parent == "composer" {
      self = .composerLock
    } else if JavaArchive.isName(name) {
      self = .javaArchive
    } else {
      return nil
    }
  }

  /// `node_modules/name` or `node_modules/@scope/name`
  private static func isModule(_ folder: ArraySlice<Substring>) -> Bool {
    let above = folder.dropLast()
    return above.last == "node_modules" || above.last?.first == "@" && above.dropLast().last == "node_modules"
  }

  /// What a text says. A file that is broken says nothing: whoever wrote it did not install by it.
  func packages(_ bytes: [UInt8], path: String) -> [Package] {
    switch self {
    case .operatingSystem, .rpm, .javaArchive: []
    case .dpkg: SystemDatabases.dpkg(bytes)
    case .apk: SystemDatabases.apk(bytes)
    case .npmLock: (try? NodePackages.npm(bytes)) ?? []
    case .yarnLock: NodePackages.yarn(bytes)
    case .pnpmLock: NodePackages.pnpm(bytes)
    case .nodeModule: (try? NodePackages.module(bytes)) ?? []
    case .requirements: PythonPackages.requirements(bytes)
    case .pipfileLock: (try? PythonPackages.pipfile(bytes)) ?? []
    case .pythonTables: PythonPackages.packageTables(bytes)
    case .pythonMetadata: PythonPackages.metadata(bytes)
    case .gemfileLock: LockFiles.gems(bytes)
    case .gemSpecification: LockFiles.gem(specification: path.split(separator: "/").last.map(String.init) ?? "")
    case .goSum: LockFiles.goSum(bytes)
    case .goMod: LockFiles.goMod(bytes)
    case .cargoLock: LockFiles.cargo(bytes)
    case .composerLock: (try? LockFiles.composer(bytes)) ?? []
    case .swiftResolved: (try? LockFiles.swift(bytes)) ?? []
    }
  }

  /// What a database or an archive says, and how many bytes were decompressed for it.
  func packages(spooled bytes: UnsafeRawBufferPointer) -> (packages: [Package], decompressed: Int) {
    self == .rpm ? (RPMDatabases.packages(bytes), 0) : JavaArchive.packages(bytes)
  }
}
