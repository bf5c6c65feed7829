internal import FoundationEssentials
internal import Glibc
internal import GRDB
public import ImageSpec
internal import Kernel
internal import SystemPackage

/// An image's name and what it names.
public struct NamedImage: Sendable, Hashable {
  public let name: Reference
  public let descriptor: Descriptor
  /// Unix seconds.
  public let updated: Int64
}

extension ContentStore {
  /// Names a manifest or an index, all of which must be here: of an index, at least one manifest with its content.
  public func setName(_ name: Reference, _ descriptor: Descriptor) throws {
    if let missing = try retainReachable(from: descriptor) {
      throw ContentError.incomplete(name: name.familiar, missing: missing)
    }
    let json = String(decoding: try Self.encoder().encode(descriptor), as: UTF8.self)
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO names (name, descriptor, updated) VALUES (?, ?, ?)",
        arguments: [name.description, json, Int64(time(nil))])
    }
    try projectNames()
  }

  /// False where there was no such name.
  public func removeName(_ name: Reference) throws -> Bool {
    let removed = try database.write { database in
      try database.execute(sql: "DELETE FROM names WHERE name = ?", arguments: [name.description])
      return database.changesCount > 0
    }
    if removed { try projectNames() }
    return removed
  }

  public func resolve(_ name: Reference) throws -> Descriptor? {
    let json = try database.read { database in
      try String.fetchOne(database, sql: "SELECT descriptor FROM names WHERE name = ?", arguments: [name.description])
    }
    return try json.map { try JSONDecoder().decode(Descriptor.self, from: Data($0.utf8)) }
  }

  /// All names, in their own order.
  public func names() throws -> [NamedImage] {
    try database.read(Self.fetchNames)
  }

  private static func fetchNames(_ database: Database) throws -> [NamedImage] {
    try Row.fetchAll(database, sql: "SELECT name, descriptor, updated FROM names ORDER BY name").map { row in
      let descriptor: String = row[1]
      return NamedImage(
        name: try Reference(parsing: row[0]),
        descriptor: try JSONDecoder().decode(Descriptor.self, from: Data(descriptor.utf8)), updated: row[2])
    }
  }

  /// Writes the layout's index.json anew from the names, under a lock, so that the last writer writes the last state.
  func projectNames() throws {
    let lock = try lock()
    defer { lock.unlock() }
    let manifests = try names().map { named in
      var descriptor = named.descriptor
      descriptor.annotations = (descriptor.annotations ?? [:]).merging(
        [Self.referenceAnnotation: named.name.familiar, Self.imageNameAnnotation: named.name.description]) { $1 }
      return descriptor
    }
    let path = root.appending("content").appending("index.json")
    do {
      try writeFileAtomically(path, Array(try Self.encoder().encode(Index(manifests: manifests))))
    } catch let error as Errno {
      throw ContentError.system(operation: "write", path: path, error)
    }
  }

  /// image-spec, annotations.md: the name that tools such as skopeo look an image up by.
  static let referenceAnnotation = "org.opencontainers.image.ref.name"
  /// containerd's annotation: the full name.
  static let imageNameAnnotation = "io.containerd.image.name"

  static func encoder() -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }
}
