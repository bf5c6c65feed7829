import Glibc
import Kernel
import Synchronization
public import SystemPackage

/// Makes a directory for a test: `/tmp/NAME.XXXXXX`. The test removes it; where this process ends before that, however it
/// ends, it is removed then. A program `.close` in it is run first: it ends what works there.
public func makeTestDirectory(_ name: String, in parent: FilePath = "/tmp") throws -> FilePath {
  var template = Array("\(parent)/\(name).XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { throw Errno.current }
  let path = FilePath(String(cString: template))
  try remover.get().add(path)
  return path
}

/// A directory of a test's own, which goes with the object.
public final class TestDirectory: Sendable {
  public let path: FilePath

  public init(_ name: String = "clipper-test") throws { path = try makeTestDirectory(name) }

  deinit { try? removeTree(path) }
}

private let remover = Result { try Remover() }

/// A shell that reads names of directories, and removes them when there is nobody left who could send more.
private final class Remover: Sendable {
  private let names: OwnedDescriptor

  init() throws {
    let ends = try makePipe()
    defer { close(ends.reader) }
    names = OwnedDescriptor(ends.writer)
    var spawn = Spawn("/bin/bash", ["-c", Self.script])
    // What ends a run from the terminal must not end it as well. In a mount namespace of its own nothing is in its way, and
    // it sees no directory of the host that a test has mounted.
    spawn.newSession = true
    spawn.descriptors = [(ends.reader, 0)]
    _ = try spawn.start()
  }

  func add(_ path: FilePath) throws { try writeAll(names.number, Array("\(path)\n".utf8)) }

  private static let script = #"""
    if [ -z "$OWN_MOUNTS" ] && unshare --mount --propagation private true 2>/dev/null; then
      OWN_MOUNTS=yes exec unshare --mount --propagation private /bin/bash -c "$BASH_EXECUTION_STRING"
    fi
    cd /
    mapfile -t directories
    for attempt in {1..100}; do
      left=()
      for directory in "${directories[@]}"; do
        [ -e "$directory" ] || continue
        [ -x "$directory/.close" ] && timeout -k 5 60 "$directory/.close" </dev/null
        # Processes that end just now may still write to it.
        rm -rf "$directory" 2>/dev/null || left+=("$directory")
      done
      directories=("${left[@]}")
      [ ${#directories[@]} -eq 0 ] && exit
      sleep 0.1
    done
    echo "not removed: ${directories[*]}" >&2
    """#
}
