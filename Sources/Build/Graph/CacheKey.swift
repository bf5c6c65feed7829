internal import struct Crypto.SHA256
internal import DockerfileSyntax
public import ImageSpec

/// What a state of the files is made of: equal keys, equal files.
public struct CacheKey: Hashable, Sendable, CustomStringConvertible {
  /// 64 hexadecimal digits.
  public let hex: String

  public var description: String { hex }

  /// Another version of this scheme finds nothing of the one before.
  private static let version = "clipper build 1"

  init(_ fields: [String]) {
    var hash = FieldHash()
    hash.add(Self.version)
    for field in fields { hash.add(field) }
    hex = hash.finish()
  }

  /// A key that was written down.
  public init?(hex: String) {
    guard hex.utf8.count == 64, hex.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
      return nil
    }
    self.hex = hex
  }

  /// A key that nothing else has: of files that changed while the step took them.
  public static func changed(_ key: CacheKey) -> CacheKey {
    CacheKey(["changed", key.hex, String(UInt64.random(in: 0...UInt64.max)), String(UInt64.random(in: 0...UInt64.max))])
  }

  public static let scratch = CacheKey(["scratch"])

  /// An image's files, by the chain ID of its layers; nil for an image without layers.
  public static func image(_ chainID: Digest?) -> CacheKey {
    chainID.map { CacheKey(["image", $0.description]) } ?? scratch
  }

  /// What a step makes of the files before it.
  ///
  /// - Parameters:
  ///   - sources: of COPY and ADD, what the files are (`ContentKey`).
  ///   - epoch: SOURCE_DATE_EPOCH, where files are dated by it.
  public static func step(_ operation: Operation, on parent: CacheKey, sources: String = "", epoch: Int64? = nil) -> CacheKey {
    var fields = [parent.hex, epoch.map(String.init) ?? ""]
    switch operation {
    case .run(let run):
      fields += ["run", run.user, run.workingDirectory, run.network.rawValue, run.hostname ?? "", run.script?.path ?? ""]
      fields += [run.script?.content ?? "", String(run.arguments.count)] + run.arguments + run.environment
    case .copy(let copy):
      fields += ["copy", copy.destination, copy.owner ?? "", copy.mode?.keyText ?? "", String(copy.unpacks), sources]
      fields += [String(copy.unpacksRemote)]
    case .makeDirectory(let directory): fields += ["directory", directory.path, directory.user]
    }
    return CacheKey(fields)
  }
}

/// Digest over what COPY takes: names, kinds, permissions, owners, content; not dates.
public struct ContentKey: Sendable {
  public enum Kind: Hashable, Sendable {
    case file(Digest)
    case directory
    case symlink(target: String)
    case device(kind: Character, number: UInt64)
    case fifo
  }

  private var hash = FieldHash()

  public init() {}

  /// - Parameters:
  ///   - path: where it ends up, relative to the destination.
  ///   - mode: permission bits.
  ///   - owner: nil for files of the context, which belong to root or to `--chown`.
  public mutating func add(path: String, _ kind: Kind, mode: UInt32, owner: (UInt32, UInt32)?) {
    hash.add(path)
    switch kind {
    case .file(let digest): hash.add("f\(digest)")
    case .directory: hash.add("d")
    case .symlink(let target): hash.add("l" + target)
    case .device(let kind, let number): hash.add("\(kind)\(number)")
    case .fifo: hash.add("p")
    }
    hash.add(owner.map { "\(mode) \($0.0) \($0.1)" } ?? String(mode))
  }

  /// A source that has a name of its own: the bounds between sources count.
  public mutating func begin(_ source: String) { hash.add("source " + source) }

  public func finish() -> String { hash.finish() }
}

/// SHA-256 over fields with their lengths: no two lists of fields look alike.
private struct FieldHash: Sendable {
  private var hash = SHA256()

  mutating func add(_ field: String) {
    var field = field
    field.withUTF8 { bytes in
      withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update(bufferPointer: $0) }
      hash.update(bufferPointer: UnsafeRawBufferPointer(bytes))
    }
  }

  func finish() -> String { Digest(hash: hash.finalize()).hex }
}
