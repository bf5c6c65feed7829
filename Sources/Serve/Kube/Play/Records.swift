public import Content
internal import GRDB
internal import Glibc
internal import Kernel
internal import SystemPackage

/// An object as it was played.
public struct KubeRecord: Sendable, Hashable {
  public var key: ObjectKey
  /// Its manifest, as compact JSON.
  public var canonical: String
  /// Changes with the content.
  public var revision: String
  /// A service's own address.
  public var address: String?
  public var nodePorts: [UInt16]

  public init(key: ObjectKey, canonical: String, revision: String, address: String? = nil, nodePorts: [UInt16] = []) {
    self.key = key
    self.canonical = canonical
    self.revision = revision
    self.address = address
    self.nodePorts = nodePorts
  }

  /// The object, parsed again. An older version may have accepted what this one does not.
  public func object() throws -> KubeObject {
    let manifest = Manifest(parsing: Array(canonical.utf8), file: "\(key)")
    guard let object = manifest.objects.first, manifest.errors.isEmpty else {
      throw KubeError.record(path: "\(key)", why: manifest.errors.map(\.description).joined(separator: "; "))
    }
    return object
  }
}

/// What has been played on this host, in the store's database.
public struct KubeRecords: Sendable {
  private let content: ContentStore

  public init(_ content: ContentStore) throws {
    self.content = content
    try content.migrate(
      "kube",
      [
        { database in
          try database.execute(
            sql: """
              CREATE TABLE kube_objects(
                namespace TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
                canonical TEXT NOT NULL, revision TEXT NOT NULL, address TEXT, node_ports TEXT NOT NULL,
                PRIMARY KEY (namespace, kind, name)) WITHOUT ROWID
              """)
        }
      ])
  }

  /// All of them, in the order in which they are set up.
  public func all() throws -> [KubeRecord] {
    let records = try content.database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM kube_objects ORDER BY namespace, name").map { row -> KubeRecord in
        let kind: String = row["kind"]
        guard let kind = ObjectKind(rawValue: kind) else { throw KubeError.record(path: kind, why: "its kind is not known") }
        let ports: String = row["node_ports"]
        return KubeRecord(
          key: ObjectKey(kind: kind, namespace: row["namespace"], name: row["name"]), canonical: row["canonical"],
          revision: row["revision"], address: row["address"], nodePorts: ports.split(separator: ",").compactMap { UInt16($0) })
      }
    }
    return records.sorted { $0.key.kind < $1.key.kind }
  }

  /// Writes and removes records as one change.
  public func change(put: [KubeRecord] = [], remove: [ObjectKey] = []) throws {
    guard !put.isEmpty || !remove.isEmpty else { return }
    try content.database.write { database in
      for key in remove {
        try database.execute(
          sql: "DELETE FROM kube_objects WHERE namespace = ? AND kind = ? AND name = ?",
          arguments: [key.namespace, key.kind.rawValue, key.name])
      }
      for record in put {
        try database.execute(
          sql: """
            INSERT OR REPLACE INTO kube_objects(namespace, kind, name, canonical, revision, address, node_ports)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            record.key.namespace, record.key.kind.rawValue, record.key.name, record.canonical, record.revision,
            record.address, record.nodePorts.map(String.init).joined(separator: ","),
          ])
      }
    }
  }
}

/// One `kube play` or `kube down` at a time: the others wait.
final class PlayLock {
  private let number: CInt

  init(_ root: FilePath) throws {
    let path = root.appending("kube.lock")
    number = try openat2(workingDirectory, path.string, flags: O_RDWR | O_CREAT, mode: 0o600).release()
    while flock(number, LOCK_EX) != 0 {
      let error = Errno.current
      guard error == .interrupted else {
        close(number)
        throw KubeError.record(path: path.string, why: "it cannot be locked: \(error)")
      }
    }
  }

  deinit { close(number) }
}
