public import Content
internal import FoundationEssentials
internal import Glibc
public import ImageSpec
internal import Kernel
internal import Layers
internal import SystemPackage

/// What an image was found to have.
public struct ScannedImage: Sendable {
  /// Of the manifest.
  public let digest: Digest
  public let config: ImageConfig
  public let system: OperatingSystem?
  /// In the order of kind, name and version; each once, by the first file that tells of it.
  public let packages: [Package]
}

/// Finds the packages of images, by what their layers say and without running anything of them.
public struct ImageScanner: Sendable {
  private let store: ContentStore
  private let limits: ScanLimits

  public init(_ store: ContentStore, limits: ScanLimits = ScanLimits()) {
    self.store = store
    self.limits = limits
  }

  /// Whether `scan` takes a manifest of this type and content: an image with layers, and no index or artifact.
  ///
  /// Throws `ScanError.unsupportedImage`.
  public static func layers(of manifest: Manifest, mediaType: MediaType) throws(ScanError) -> [Descriptor] {
    guard mediaType.isManifest else { throw .unsupportedImage("its type is \(mediaType)") }
    guard manifest.config.mediaType == .config || manifest.config.mediaType == .dockerConfig else {
      throw .unsupportedImage(
        "it is an artifact of the type \(manifest.artifactType ?? manifest.config.mediaType.rawValue)")
    }
    for layer in manifest.layers {
      guard layer.mediaType.isLayer, !layer.mediaType.rawValue.contains(".encrypted"),
        !layer.mediaType.rawValue.contains("nondistributable"), !layer.mediaType.rawValue.contains(".foreign.")
      else { throw .unsupportedImage("it has a layer of the type \(layer.mediaType)") }
    }
    return manifest.layers
  }

  /// Throws `ScanError`, and `ContentError` where the store cannot be read.
  public func scan(_ digest: Digest, mediaType: MediaType) throws -> ScannedImage {
    let manifest: Manifest
    let config: ImageConfig
    guard mediaType.isManifest else { throw ScanError.unsupportedImage("its type is \(mediaType)") }
    do {
      manifest = try JSONDecoder().decode(Manifest.self, from: Data(store.read(digest)))
      _ = try Self.layers(of: manifest, mediaType: mediaType)
      config = try JSONDecoder().decode(ImageConfig.self, from: Data(store.read(manifest.config.digest)))
    } catch is DecodingError {
      throw ScanError.unsupportedImage("its manifest or configuration cannot be read")
    }
    let found = FoundFiles()
    var count = ScanCount(limits)
    for layer in try Self.layers(of: manifest, mediaType: mediaType) { count = try scan(layer, over: found, count) }
    let files = found.all()
    // /etc/os-release comes first, as for whoever asks the system.
    let system = files.lazy.compactMap(\.file.system).first
    return ScannedImage(digest: digest, config: config, system: system, packages: Self.packages(files))
  }

  private func scan(_ layer: Descriptor, over lower: FoundFiles, _ count: ScanCount) throws -> ScanCount {
    let scanner = LayerScanner(layer.digest, over: lower, count: count, spoolDirectory: store.root)
    // What the store has, not what the manifest says.
    let stored: Int64
    do { stored = try store.size(of: layer.digest) } catch ContentError.notFound {
      throw ScanError.layerMissing(layer.digest)
    }
    let most = ScanLimits.freeRatioBytes + stored * limits.ratio
    var size: Int64 = 0
    let reader = TarReader(scanner)
    var decompressor: Decompressor?
    var prefix: [UInt8] = []
    func plain(_ bytes: UnsafeRawBufferPointer) throws {
      size += Int64(bytes.count)
      guard size <= most else { throw ScanError.compressedTooWell(layer: layer.digest, ratio: limits.ratio) }
      try scanner.count.add(bytes: bytes.count)
      try reader.write(bytes)
    }
    func begin() throws {
      let new = try Decompressor(Compression.detect(prefix))
      decompressor = new
      try prefix.withUnsafeBytes { try new.write($0, plain) }
    }
    do {
      try read(layer.digest) { bytes in
        if let decompressor { return try decompressor.write(bytes, plain) }
        prefix += bytes
        if prefix.count >= Compression.prefixLength { try begin() }
      }
      if decompressor == nil { try begin() }
      try decompressor?.finish(plain)
      try reader.finish()
    } catch let error as LayerError {
      throw ScanError.layerBroken(layer.digest, reason: error.description)
    }
    scanner.finish()
    return scanner.count
  }

  private func read(_ digest: Digest, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let file = try store.open(digest)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    while true {
      let count = Glibc.read(file.number, buffer.baseAddress, buffer.count)
      if count < 0, Errno.current == .interrupted { continue }
      guard count >= 0 else {
        throw ContentError.system(operation: "read", path: store.path(of: digest), Errno.current)
      }
      guard count > 0 else { return }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }

  private static func packages(_ files: [(path: String, file: FoundFile)]) -> [Package] {
    // go.mod says what is used, go.sum what was ever looked at.
    let modules = Set(
      files.filter { $0.path.hasSuffix("go.mod") && !$0.file.packages.isEmpty }.map { $0.path.dropLast(3) })
    var seen = Set<Package.Identity>()
    var packages: [Package] = []
    for (path, file) in files where !(path.hasSuffix("go.sum") && modules.contains(path.dropLast(3))) {
      for package in file.packages where seen.insert(package.identity).inserted { packages.append(package) }
    }
    return packages.sorted {
      ($0.kind.rawValue, $0.name, $0.version, $0.architecture ?? "") < (
        $1.kind.rawValue, $1.name, $1.version, $1.architecture ?? ""
      )
    }
  }
}
