import GRDB

/// The registry's tables in `clipper.db`.
///
/// ```
/// registry_repository   a name and its settings
/// registry_manifest     an image, index or artifact of one repository; id grows in push order
/// registry_reference    what a manifest names: blobs and other manifests
/// registry_tag          a name for a manifest
/// registry_blob         a blob that a repository may serve: without a row here, knowing its digest helps nobody
/// registry_upload       an upload under way; its bytes are the store's ingest `registry-<id>`
/// registry_change       one number, raised with each change of the first four: what caches compare
/// ```
/// Times are milliseconds since 1970.
enum Schema {
  static let steps: [@Sendable (Database) throws -> Void] = [
    { database in
      try database.execute(
        sql: """
          CREATE TABLE registry_repository (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            created INTEGER NOT NULL,
            mutability TEXT NOT NULL DEFAULT 'MUTABLE',
            mutability_filters TEXT NOT NULL DEFAULT '[]',
            labels TEXT NOT NULL DEFAULT '{}'
          ) STRICT;
          CREATE TABLE registry_manifest (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            media_type TEXT NOT NULL,
            size INTEGER NOT NULL,
            artifact_type TEXT,
            subject TEXT,
            annotations TEXT,
            content_size INTEGER NOT NULL,
            pushed INTEGER NOT NULL,
            pulled INTEGER,
            UNIQUE (repository, digest)
          ) STRICT;
          CREATE INDEX registry_manifest_subject ON registry_manifest (repository, subject) WHERE subject IS NOT NULL;
          CREATE TABLE registry_reference (
            manifest INTEGER NOT NULL REFERENCES registry_manifest(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            kind TEXT NOT NULL,
            PRIMARY KEY (manifest, digest)
          ) STRICT, WITHOUT ROWID;
          CREATE INDEX registry_reference_digest ON registry_reference (digest);
          CREATE TABLE registry_tag (
            repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            manifest INTEGER NOT NULL REFERENCES registry_manifest(id) ON DELETE CASCADE,
            updated INTEGER NOT NULL,
            PRIMARY KEY (repository, name)
          ) STRICT, WITHOUT ROWID;
          CREATE INDEX registry_tag_manifest ON registry_tag (manifest);
          CREATE TABLE registry_blob (
            repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            size INTEGER NOT NULL,
            linked INTEGER NOT NULL,
            PRIMARY KEY (repository, digest)
          ) STRICT, WITHOUT ROWID;
          CREATE INDEX registry_blob_digest ON registry_blob (digest);
          CREATE TABLE registry_upload (
            id TEXT PRIMARY KEY,
            repository TEXT NOT NULL,
            started INTEGER NOT NULL,
            updated INTEGER NOT NULL
          ) STRICT, WITHOUT ROWID;
          CREATE TABLE registry_change (number INTEGER NOT NULL) STRICT;
          INSERT INTO registry_change VALUES (0);
          """)
    }
  ]
}
