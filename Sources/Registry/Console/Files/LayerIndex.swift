internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Layers
internal import NIOPosix
internal import Synchronization
internal import SystemPackage

/// Trees of layers: each is made once, by reading the layer's archive from its beginning to its end, and kept in a
/// directory of bounded size.
///
/// ```
/// <directory>/<algorithm>-<hex>    a LayerTree; the one that was not used for longest goes first
/// ```
final class LayerIndex: Sendable {
  enum State: Sendable {
    case ready(LayerTree)
    /// Bytes of the layer that were read so far.
    case reading(Int64)
    /// More layers wait to be read than anybody would wait for.
    case busy
    case failed(String)
  }

  /// A layer to be read: its file, and its size in bytes.
  struct Source: Sendable {
    let digest: Digest
    let size: Int64
    let open: @Sendable () throws -> OwnedDescriptor
  }

  private enum Job {
    case reading(Int64)
    case failed(String, at: ContinuousClock.Instant)
  }

  private let directory: FilePath
  private let capacity: Int64
  private let limits: LayerTreeLimits
  private let jobs = Mutex<[Digest: Job]>([:])
  /// One layer at a time: reading one takes a processor, and pushes and pulls come first.
  private let reader = NIOThreadPool(numberOfThreads: 1)

  private static let queueLimit = 64
  /// For how long a layer that cannot be read is not tried again.
  private static let failureLifetime = Duration.seconds(60)

  /// `capacity` is what all trees may take, in bytes.
  init(_ directory: FilePath, capacity: Int64 = 512 << 20, limits: LayerTreeLimits = LayerTreeLimits()) {
    self.directory = directory
    self.capacity = capacity
    self.limits = limits
    reader.start()
  }

  deinit { reader.shutdownGracefully { _ in } }

  /// The tree of a layer, or how far it is. Blocks for a look at the directory, not for the reading.
  func state(_ source: Source) -> State {
    if let tree = cached(source.digest) { return .ready(tree) }
    let begins: Bool
    switch jobs.withLock({ begin(source.digest, &$0) }) {
    case .wait(let state): return state
    case .begin: begins = true
    }
    if begins {
      reader.submit { state in
        guard case .active = state else { return }
        self.run(source)
      }
    }
    return .reading(0)
  }

  /// Only what is there: nothing is begun.
  func cached(_ digest: Digest) -> LayerTree? {
    let path = path(digest)
    guard let tree = LayerTree(path) else { return nil }
    // When it was used last, for `makeRoom`.
    utimensat(AT_FDCWD, path.string, nil, 0)
    return tree
  }

  private enum Beginning {
    case begin
    case wait(State)
  }

  private func begin(_ digest: Digest, _ jobs: inout [Digest: Job]) -> Beginning {
    switch jobs[digest] {
    case .reading(let count): return .wait(.reading(count))
    case .failed(let why, let time) where time + Self.failureLifetime > .now: return .wait(.failed(why))
    case .failed, nil: break
    }
    if jobs.count >= Self.queueLimit {
      jobs = jobs.filter {
        if case .failed(_, let time) = $0.value { time + Self.failureLifetime > .now } else { true }
      }
      if jobs.count >= Self.queueLimit { return .wait(.busy) }
    }
    jobs[digest] = .reading(0)
    return .begin
  }

  private func run(_ source: Source) {
    // Another request's reading may have ended between this one's look and its turn.
    if cached(source.digest) == nil {
      do {
        try read(source)
      } catch {
        let why = (error as? LayerError)?.description ?? "the layer cannot be read"
        jobs.withLock { $0[source.digest] = .failed(why, at: .now) }
        return
      }
    }
    _ = jobs.withLock { $0.removeValue(forKey: source.digest) }
  }

  private func read(_ source: Source) throws {
    try makeDirectories(directory, mode: 0o700)
    let builder = LayerTreeBuilder(limits)
    let tar = TarReader(builder)
    // A few kilobytes can stand for terabytes of zeros: what is read of a layer is bounded by what it has.
    let limit = min(limits.plain, max(1 << 30, source.size.multipliedReportingOverflow(by: 200).partialValue))
    var plain: Int64 = 0
    var isComplete = true
    do {
      try decompress(source) { bytes in
        plain += Int64(bytes.count)
        guard plain <= limit else { throw LayerTreeBuilder.Full() }
        try tar.write(bytes)
      }
      try tar.finish()
    } catch is LayerTreeBuilder.Full {
      isComplete = false
    }
    try builder.write(to: path(source.digest), plainSize: plain, isComplete: isComplete)
    makeRoom()
  }

  private func decompress(_ source: Source, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
    let file = try source.open()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 64)
    defer { buffer.deallocate() }
    var decompressor: Decompressor?
    var done: Int64 = 0
    while true {
      // The first piece shows by what it is compressed: it must not be too short for that.
      var count = 0
      repeat {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
        let number = file.number
        let got = try Errno.retrying { Glibc.read(number, rest.baseAddress, rest.count) }
        if got == 0 { break }
        count += got
      } while count < Compression.prefixLength
      guard count > 0 else { break }
      let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      let codec: Decompressor
      if let decompressor { codec = decompressor } else { codec = try Decompressor(Compression.detect(piece)) }
      decompressor = codec
      try codec.write(piece, output)
      done += Int64(count)
      jobs.withLock { $0[source.digest] = .reading(done) }
    }
    try decompressor?.finish(output)
  }

  private func path(_ digest: Digest) -> FilePath {
    directory.appending("\(digest.algorithm.rawValue)-\(digest.hex)")
  }

  /// Removes what was not used for longest until the rest fits. One that is being read stays readable.
  private func makeRoom() {
    var files: [(name: String, size: Int64, used: Int)] = []
    guard let listing = opendir(directory.string) else { return }
    while let entry = readdir(listing) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      var facts = stat()
      guard name.first != ".", stat(directory.appending(name).string, &facts) == 0 else { continue }
      files.append((name, Int64(facts.st_size), facts.st_mtim.tv_sec))
    }
    closedir(listing)
    var total = files.reduce(0) { $0 + $1.size }
    for file in files.sorted(by: { $0.used < $1.used }) where total > capacity {
      unlink(directory.appending(file.name).string)
      total -= file.size
    }
  }
}
