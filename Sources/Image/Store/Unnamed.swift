internal import GRDB
public import ImageSpec

extension ContentStore {
  /// Keeps an image that has no name, such as one that was built without a tag.
  public func keepUnnamed(_ descriptor: Descriptor) throws {
    if let missing = try retainReachable(from: descriptor) {
      throw ContentError.incomplete(name: descriptor.digest.description, missing: missing)
    }
    try hold([descriptor.digest], owner: Self.unnamedPrefix + descriptor.digest.description)
  }

  /// Images that `keepUnnamed` keeps.
  public func unnamed() throws -> [Digest] {
    try held(byOwnersWith: Self.unnamedPrefix).map(\.digest)
  }

  /// False where it was not kept.
  public func forgetUnnamed(_ digest: Digest) throws -> Bool {
    try database.write { database in
      try database.execute(sql: "DELETE FROM holds WHERE owner = ?", arguments: [Self.unnamedPrefix + digest.description])
      return database.changesCount > 0
    }
  }

  /// What is held in the name of owners that begin with `prefix`.
  public func held(byOwnersWith prefix: String) throws -> [(owner: String, digest: Digest)] {
    try database.read { database in
      try Row.fetchAll(
        // By the key's order: U+10FFFF comes after all that owners are called.
        database, sql: "SELECT owner, digest FROM holds WHERE owner >= ?1 AND owner < ?2 ORDER BY owner",
        arguments: [prefix, prefix + "\u{10FFFF}"]
      ).map { (owner: $0[0], digest: try Digest(parsing: $0[1] as String)) }
    }
  }

  private static let unnamedPrefix = "image/"
}
