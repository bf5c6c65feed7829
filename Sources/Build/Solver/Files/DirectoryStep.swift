internal import BuildGraph
internal import Glibc
internal import Kernel
internal import Snapshots
internal import SystemPackage

/// WORKDIR: the directory is there afterwards.
struct DirectoryStep: Sendable {
  let operation: DirectoryOperation

  init(_ operation: DirectoryOperation) { self.operation = operation }

  func write(into pending: PendingSnapshot, on parent: Snapshot?, _ snapshots: SnapshotStore) throws {
    let view = try snapshots.openView(parent)
    let place = try CanonicalPath(operation.path, in: view.number)
    if place.exists {
      var status = stat()
      guard fstatat(view.number, place.relative, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFDIR
      else {
        throw BuildError.destination(operation.path, "is not a directory")
      }
      return
    }
    let user = operation.user.isEmpty ? UserIdentity() : try ImageUsers(root: view.number).identity(operation.user)
    _ = consume view
    let writable = try snapshots.openView(parent, upper: pending.fs, work: pending.work)
    var destination = Destination(view: writable.number, owner: Owner(userID: user.userID, groupID: user.groupID))
    _ = try destination.directory(operation.path)
  }
}
