internal import Kernel
internal import SystemPackage

/// Opens, and says what where it cannot be.
func opening(
  _ operation: String, _ path: String, _ open: () throws(Errno) -> OwnedDescriptor
) throws(BuildError) -> OwnedDescriptor {
  do throws(Errno) { return try open() } catch { throw .system(operation: operation, path: path, error) }
}
