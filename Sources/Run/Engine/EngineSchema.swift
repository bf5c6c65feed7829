internal import GRDB

/// The engine's tables. A container's state is its supervisor's; `state` keeps the last one when it has ended, for after
/// a reboot, and `started` tells one that was started from one that never was.
enum EngineSchema {
  static let steps: [@Sendable (Database) throws -> Void] = [
    { database in
      try database.execute(
        sql: """
          CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, pod TEXT, created INTEGER NOT NULL,
            record TEXT NOT NULL, started INTEGER, state TEXT);
          CREATE INDEX containers_pod ON containers (pod) WHERE pod IS NOT NULL;
          CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
            record TEXT NOT NULL, next INTEGER NOT NULL) WITHOUT ROWID;
          CREATE TABLE endpoints (owner TEXT PRIMARY KEY, network TEXT NOT NULL, address INTEGER NOT NULL,
            names TEXT NOT NULL, ports TEXT NOT NULL, UNIQUE (network, address)) WITHOUT ROWID;
          CREATE TABLE volumes (name TEXT PRIMARY KEY, created INTEGER NOT NULL, record TEXT NOT NULL) WITHOUT ROWID;
          CREATE TABLE volume_uses (container TEXT NOT NULL, volume TEXT NOT NULL, PRIMARY KEY (container, volume))
            WITHOUT ROWID;
          CREATE INDEX volume_uses_volume ON volume_uses (volume);
          CREATE TABLE pods (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, record TEXT NOT NULL)
            WITHOUT ROWID;
          CREATE TABLE services (name TEXT PRIMARY KEY, rules TEXT NOT NULL) WITHOUT ROWID;
          """)
    }
  ]
}
