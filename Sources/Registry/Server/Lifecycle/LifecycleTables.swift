/// What lifecycles and storage classes add to the registry's tables.
///
/// ```
/// registry_manifest            storage_class; when it was last archived and last restored
/// registry_lifecycle           the policy of a repository; `since`: what the time to its next run counts from
/// registry_lifecycle_preview   what a policy would do: one a repository, and how far it is
/// registry_lifecycle_result    an image of a preview
/// ```
enum LifecycleTables {
  static let steps = [
    """
    ALTER TABLE registry_manifest ADD COLUMN storage_class TEXT NOT NULL DEFAULT 'STANDARD';
    ALTER TABLE registry_manifest ADD COLUMN archived INTEGER;
    ALTER TABLE registry_manifest ADD COLUMN activated INTEGER;
    CREATE INDEX registry_manifest_class ON registry_manifest (repository, storage_class, id);
    CREATE INDEX registry_manifest_activated ON registry_manifest (repository, activated, id) WHERE activated IS NOT NULL;
    CREATE TABLE registry_lifecycle (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      policy TEXT NOT NULL,
      updated INTEGER NOT NULL,
      evaluated INTEGER,
      since INTEGER NOT NULL,
      PRIMARY KEY (repository)
    ) CLUSTERED;
    CREATE INDEX registry_lifecycle_since ON registry_lifecycle (since);
    CREATE TABLE registry_lifecycle_preview (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      policy TEXT NOT NULL,
      started INTEGER NOT NULL,
      status TEXT NOT NULL,
      expiring INTEGER NOT NULL DEFAULT 0,
      archiving INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (repository)
    ) CLUSTERED;
    CREATE TABLE registry_lifecycle_result (
      repository INTEGER NOT NULL REFERENCES registry_repository(id) ON DELETE CASCADE,
      manifest INTEGER NOT NULL,
      digest TEXT NOT NULL,
      tags TEXT NOT NULL,
      tagged INTEGER NOT NULL,
      pushed INTEGER NOT NULL,
      storage_class TEXT NOT NULL,
      priority INTEGER NOT NULL,
      action TEXT NOT NULL,
      PRIMARY KEY (repository, manifest)
    ) CLUSTERED;
    CREATE INDEX registry_lifecycle_result_tagged ON registry_lifecycle_result (repository, tagged, manifest);
    """
  ]
}
