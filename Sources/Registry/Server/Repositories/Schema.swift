/// The registry's tables.
///
/// ```
/// registry_repository   a name in a realm, and its settings
/// registry_manifest     an image, index or artifact of one repository; id grows in push order
/// registry_reference    what a manifest names: blobs and other manifests
/// registry_tag          a name for a manifest
/// registry_blob         a blob that a repository may serve: without a row here, knowing its digest helps nobody
/// registry_upload       an upload under way; its bytes are the store's ingest `registry-<id>`
/// registry_change       one number, raised with each change of what caches hold: what they compare
/// registry_setting      a document of a realm's settings; registry_repository_setting one of a repository's
/// registry_job          work that outlives the process which owes it
/// ```
/// Times are milliseconds since 1970.
enum Schema {
  static let steps = [first, realms, settings]

  private static let first = """
    CREATE TABLE registry_repository (
      id ID,
      name TEXT NOT NULL UNIQUE,
      created INTEGER NOT NULL,
      mutability TEXT NOT NULL DEFAULT 'MUTABLE',
      mutability_filters TEXT NOT NULL DEFAULT '[]',
      labels TEXT NOT NULL DEFAULT '{}'
    );
    \(contents(of: "registry_repository", suffix: ""))
    CREATE TABLE registry_upload (
      id TEXT PRIMARY KEY,
      repository TEXT NOT NULL,
      started INTEGER NOT NULL,
      updated INTEGER NOT NULL
    );
    CREATE TABLE registry_change (number INTEGER NOT NULL);
    INSERT INTO registry_change VALUES (0);
    """

  /// What repositories have. `suffix` is part of the names of tables that are about to take the place of others.
  private static func contents(of repositories: String, suffix: String) -> String {
    """
    CREATE TABLE registry_manifest\(suffix) (
      id ID,
      repository INTEGER NOT NULL REFERENCES \(repositories)(id) ON DELETE CASCADE,
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
    );
    CREATE TABLE registry_reference\(suffix) (
      manifest INTEGER NOT NULL REFERENCES registry_manifest\(suffix)(id) ON DELETE CASCADE,
      digest TEXT NOT NULL,
      kind TEXT NOT NULL,
      PRIMARY KEY (manifest, digest)
    ) CLUSTERED;
    CREATE TABLE registry_tag\(suffix) (
      repository INTEGER NOT NULL REFERENCES \(repositories)(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      manifest INTEGER NOT NULL REFERENCES registry_manifest\(suffix)(id) ON DELETE CASCADE,
      updated INTEGER NOT NULL,
      PRIMARY KEY (repository, name)
    ) CLUSTERED;
    CREATE TABLE registry_blob\(suffix) (
      repository INTEGER NOT NULL REFERENCES \(repositories)(id) ON DELETE CASCADE,
      digest TEXT NOT NULL,
      size INTEGER NOT NULL,
      linked INTEGER NOT NULL,
      PRIMARY KEY (repository, digest)
    ) CLUSTERED;
    """
  }

  /// A name is unique within its realm: SQLite changes a table's constraints only by making it anew, together with the
  /// tables that refer to it.
  private static let realms = """
    CREATE TABLE registry_repository_new (
      id ID,
      account TEXT NOT NULL,
      region TEXT NOT NULL,
      name TEXT NOT NULL,
      created INTEGER NOT NULL,
      mutability TEXT NOT NULL DEFAULT 'MUTABLE',
      mutability_filters TEXT NOT NULL DEFAULT '[]',
      labels TEXT NOT NULL DEFAULT '{}',
      UNIQUE (account, region, name)
    );
    \(contents(of: "registry_repository_new", suffix: "_new"))
    INSERT INTO registry_repository_new (id, account, region, name, created, mutability, mutability_filters, labels)
      SELECT id, '', '', name, created, mutability, mutability_filters, labels FROM registry_repository;
    INSERT INTO registry_manifest_new SELECT * FROM registry_manifest;
    INSERT INTO registry_reference_new SELECT * FROM registry_reference;
    INSERT INTO registry_tag_new SELECT * FROM registry_tag;
    INSERT INTO registry_blob_new SELECT * FROM registry_blob;
    DROP TABLE registry_blob;
    DROP TABLE registry_tag;
    DROP TABLE registry_reference;
    DROP TABLE registry_manifest;
    DROP TABLE registry_repository;
    ALTER TABLE registry_repository_new RENAME TO registry_repository;
    ALTER TABLE registry_manifest_new RENAME TO registry_manifest;
    ALTER TABLE registry_reference_new RENAME TO registry_reference;
    ALTER TABLE registry_tag_new RENAME TO registry_tag;
    ALTER TABLE registry_blob_new RENAME TO registry_blob;
    CREATE INDEX registry_manifest_subject ON registry_manifest (repository, subject) WHERE subject IS NOT NULL;
    CREATE INDEX registry_manifest_order ON registry_manifest (repository, id);
    CREATE INDEX registry_manifest_digest ON registry_manifest (digest);
    CREATE INDEX registry_reference_digest ON registry_reference (digest);
    CREATE INDEX registry_tag_manifest ON registry_tag (manifest);
    CREATE INDEX registry_blob_digest ON registry_blob (digest);
    ALTER TABLE registry_upload ADD COLUMN account TEXT NOT NULL DEFAULT '';
    ALTER TABLE registry_upload ADD COLUMN region TEXT NOT NULL DEFAULT '';
    """

  private static let settings = """
    CREATE TABLE registry_setting (
      account TEXT NOT NULL,
      region TEXT NOT NULL,
      kind TEXT NOT NULL,
      name TEXT NOT NULL,
      value TEXT NOT NULL,
      updated INTEGER NOT NULL,
      PRIMARY KEY (account, region, kind, name)
    ) CLUSTERED;
    CREATE TABLE registry_repository_setting (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      kind TEXT NOT NULL,
      value TEXT NOT NULL,
      updated INTEGER NOT NULL,
      PRIMARY KEY (repository, kind)
    ) CLUSTERED;
    CREATE TABLE registry_job (
      id ID,
      kind TEXT NOT NULL,
      payload TEXT NOT NULL,
      created INTEGER NOT NULL,
      due INTEGER NOT NULL,
      leased INTEGER NOT NULL DEFAULT 0,
      attempts INTEGER NOT NULL DEFAULT 0,
      failure TEXT
    );
    CREATE INDEX registry_job_due ON registry_job (due);
    """
}
