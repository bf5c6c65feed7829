import Content
import Foundation
import ImageSpec
import Layers
import SystemPackage
import TestDirectories

@testable import Scanning

/// A store of its own with images that tests make of files.
final class TestImages {
  let directory: URL
  let store: ContentStore

  init() throws {
    let directory = try makeTestDirectory("scan")
    self.directory = URL(fileURLWithPath: directory.string)
    store = try ContentStore.open(directory)
  }

  deinit { try? FileManager.default.removeItem(at: directory) }

  enum Entry {
    case file(String, [UInt8], mode: UInt32 = 0o644)
    case directory(String)
    case link(String, to: String)
    case hardLink(String, to: String)

    static func text(_ name: String, _ text: String) -> Entry { .file(name, Array(text.utf8)) }
    static func whiteout(_ name: String) -> Entry { .file(name, []) }
  }

  static func archive(_ entries: [Entry]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    let writer = TarWriter { bytes += $0 }
    for item in entries {
      switch item {
      case .file(let name, let content, let mode):
        var entry = TarEntry(kind: .file, name: Array(name.utf8), mode: mode)
        entry.size = Int64(content.count)
        try writer.begin(entry)
        try writer.content(content)
      case .directory(let name): try writer.begin(TarEntry(kind: .directory, name: Array(name.utf8), mode: 0o755))
      case .link(let name, let target), .hardLink(let name, let target):
        let isHard = if case .hardLink = item { true } else { false }
        var entry = TarEntry(kind: isHard ? .hardLink : .symbolicLink, name: Array(name.utf8), mode: 0o777)
        entry.linkName = Array(target.utf8)
        try writer.begin(entry)
      }
    }
    try writer.finish()
    return bytes
  }

  /// Digest of the manifest.
  func image(_ layers: [[Entry]], created: String? = "2026-01-02T03:04:05.678Z") throws -> Digest {
    try image(blobs: layers.map { (try Self.archive($0), .layer) }, created: created)
  }

  func image(blobs: [([UInt8], MediaType)], created: String? = nil, config mediaType: MediaType = .config) throws -> Digest {
    let layers = try blobs.map { try store.write($0.0, mediaType: $0.1) }
    var config = ImageConfig(platform: Platform(os: "linux", architecture: "amd64"), diffIDs: layers.map(\.digest))
    config.created = created
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let configBlob = try store.write(Array(encoder.encode(config)), mediaType: mediaType)
    let manifest = Manifest(config: configBlob, layers: layers)
    return try store.write(Array(encoder.encode(manifest)), mediaType: .manifest).digest
  }

  func scan(_ digest: Digest, limits: ScanLimits = ScanLimits()) throws -> ScannedImage {
    try ImageScanner(store, limits: limits).scan(digest, mediaType: .manifest)
  }

  func names(_ layers: [[Entry]]) throws -> [String] {
    try scan(image(layers)).packages.map { "\($0.name) \($0.version)" }
  }
}

/// Runs a program of Python's; nil where there is no Python.
func python(_ script: String, _ arguments: [String] = []) throws -> [UInt8]? {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["python3", "-c", script] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = FileHandle.nullDevice
  try process.run()
  let bytes = output.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return process.terminationStatus == 0 ? Array(bytes) : nil
}
