internal import ImageSpec
internal import Layers
internal import SystemPackage

/// What has been counted of an image so far.
struct ScanCount {
  let limits: ScanLimits
  private(set) var entries = 0
  private(set) var bytes: Int64 = 0
  private(set) var files = 0
  private(set) var packages = 0

  init(_ limits: ScanLimits) { self.limits = limits }

  mutating func addEntry() throws(ScanError) {
    entries += 1
    if entries > limits.entries { throw .tooManyEntries(limit: limits.entries) }
  }

  mutating func add(bytes count: Int) throws(ScanError) {
    bytes += Int64(count)
    if bytes > limits.bytes { throw .tooManyBytes(limit: limits.bytes) }
  }

  mutating func addFile(_ found: [Package]) throws(ScanError) {
    files += 1
    packages += found.count
    if files > limits.files { throw .tooManyFiles(limit: limits.files) }
    if packages > limits.packages { throw .tooManyPackages(limit: limits.packages) }
  }
}

/// Reads one layer's archive: takes from `lower` what the layer hides, and collects what it brings.
///
/// A whiteout hides what lower layers have, and never what its own layer brings, wherever it stands in the archive: the
/// layer's own files are put in their places at its end. (image-spec, layer.md, Whiteouts)
final class LayerScanner: TarConsumer {
  private let digest: Digest
  private let lower: FoundFiles
  private let spoolDirectory: FilePath
  var count: ScanCount
  private var brought: [String: FoundFile] = [:]

  private enum Current {
    case ignored
    case text(PackageFile, path: String, [UInt8])
    case spooled(PackageFile, path: String, Spool)
    case program(path: String, GoBuildInfo?)
  }

  private var current = Current.ignored

  init(_ digest: Digest, over lower: FoundFiles, count: ScanCount, spoolDirectory: FilePath) {
    self.digest = digest
    self.lower = lower
    self.count = count
    self.spoolDirectory = spoolDirectory
  }

  private static let whiteout = ".wh."
  private static let opaque = ".wh..wh..opq"
  /// Linux's PATH_MAX, and as many parts as fit a stack with room to spare.
  private static let pathLimit = 4096
  private static let depthLimit = 512

  /// Without empty parts and dots. nil for what leads out of the root or is longer than a path can be: no file has it.
  private static func path(_ name: [UInt8]) -> String? {
    guard name.count < pathLimit else { return nil }
    var parts: [Substring] = []
    for part in String(decoding: name, as: UTF8.self).split(separator: "/") where part != "." {
      guard part != ".." || !parts.isEmpty else { return nil }
      if part == ".." { parts.removeLast() } else { parts.append(part) }
    }
    return parts.isEmpty || parts.count > depthLimit ? nil : parts.joined(separator: "/")
  }

  func begin(_ entry: TarEntry) throws {
    try count.addEntry()
    current = .ignored
    guard let path = Self.path(entry.name) else { return }
    let slash = path.lastIndex(of: "/")
    let name = slash.map { path[path.index(after: $0)...] } ?? path[...]
    if name.hasPrefix(Self.whiteout) {
      let parent = slash.map { String(path[..<$0]) } ?? ""
      if name == Self.opaque {
        lower.removeChildren(parent)
      } else {
        let hidden = name.dropFirst(Self.whiteout.count)
        lower.remove(parent.isEmpty ? String(hidden) : "\(parent)/\(hidden)")
      }
      return
    }
    // The last of several entries of one name is what a reader gets.
    brought[path] = nil
    switch entry.kind {
    case .directory: lower.removeFile(path)
    case .file: try beginFile(entry, path)
    case .hardLink:
      if let target = Self.path(entry.linkName), let linked = brought[target] ?? lower.file(target),
        PackageFile(path) != nil
      {
        brought[path] = linked
      }
    default: lower.remove(path)
    }
  }

  private func beginFile(_ entry: TarEntry, _ path: String) throws {
    guard let file = PackageFile(path) else {
      lower.remove(path)
      if entry.mode & 0o111 != 0, entry.size >= 4096 { current = .program(path: path, nil) }
      return
    }
    let limit = file.isSpooled ? count.limits.spooledBytes : Int64(count.limits.textBytes)
    guard entry.size <= limit else { throw ScanError.fileTooLarge(path: path, limit: limit) }
    current = file.isSpooled ? .spooled(file, path: path, try Spool(in: spoolDirectory)) : .text(file, path: path, [])
  }

  func content(_ bytes: UnsafeRawBufferPointer) throws {
    switch current {
    case .ignored: break
    case .text(let file, let path, var collected):
      current = .ignored
      collected += bytes
      current = .text(file, path: path, collected)
    case .spooled(_, _, let spool): try spool.append(bytes)
    case .program(let path, nil):
      guard bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
        current = .ignored
        return
      }
      var info = GoBuildInfo()
      info.write(bytes)
      current = .program(path: path, info)
    case .program(let path, var info?):
      current = .ignored
      info.write(bytes)
      current = .program(path: path, info)
    }
  }

  func end() throws {
    defer { current = .ignored }
    switch current {
    case .ignored, .program(_, nil): break
    case .text(.operatingSystem, let path, let bytes):
      brought[path] = FoundFile(system: OperatingSystem(parsing: bytes))
    case .text(let file, let path, let bytes): try bring(file.packages(bytes, path: path), path)
    case .spooled(let file, let path, let spool):
      let found = try spool.withBytes { file.packages(spooled: $0) }
      // Archives inside archives cost as much as layers do.
      try count.add(bytes: found.decompressed)
      try bring(found.packages, path)
    case .program(let path, var info?):
      info.finish()
      if !info.packages.isEmpty { try bring(info.packages, path) }
    }
  }

  private func bring(_ packages: [Package], _ path: String) throws {
    try count.addFile(packages)
    // A layer that rewrites a table brings what was not in it before.
    let before = Dictionary(
      (lower.file(path)?.packages ?? []).map { ($0.identity, $0.layer) }, uniquingKeysWith: { first, _ in first })
    brought[path] = FoundFile(
      packages: packages.map { package in
        var package = package
        package.path = path
        package.layer = before[package.identity] ?? digest
        return package
      })
  }

  /// The end of the layer: what it brings stands where it belongs.
  func finish() {
    for (path, file) in brought {
      lower.remove(path)
      lower.put(file, at: path)
    }
  }
}
