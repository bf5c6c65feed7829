import Cgroups
import Glibc
import Kernel
import SystemPackage
import Testing

@testable import OCIRuntime

/// A real systemd: the machine's own where it is process 1, else one started in namespaces of its own, with a message
/// bus and nothing else, which manages the whole cgroup tree.
final class SystemdHost: Sendable {
  static let isAble: Bool = {
    guard RuntimeHost.hasUnifiedTree else { return false }
    for program in ["/lib/systemd/systemd", "/usr/bin/dbus-daemon", "/usr/bin/systemctl", "/usr/bin/busctl"]
    where access(program, X_OK) != 0 {
      print("SKIPPED: tests with a real systemd: \(program) is not there (Debian: systemd, dbus)")
      return false
    }
    return true
  }()

  private static var isBooted: Bool { access("/run/systemd/system", F_OK) == 0 }

  /// One for all tests: it takes a while to come up.
  static let shared = Swift.Result { try SystemdHost() }

  /// How to run something where systemd is process 1.
  private let entry: [String]
  /// While it is open, systemd lives.
  private let life: CInt

  /// Its units' files are its own, so that nothing of the machine is started, cleaned or set.
  private static let script = """
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs /run
    mkdir -p /run/systemd/system /run/dbus /run/user/$1
    chown $1:$1 /run/user/$1
    chmod 700 /run/user/$1
    for file in passwd group; do cp /etc/$file /run; done
    echo "tester:x:$1:$1::/:/bin/sh" >> /run/passwd
    echo "tester:x:$1:" >> /run/group
    for file in passwd group; do mount --bind /run/$file /etc/$file; done
    cd /run/systemd/system
    printf '[Unit]\\nDefaultDependencies=no\\nRequires=dbus.socket\\nAfter=dbus.socket\\n' > clipper-test.target
    printf '[Unit]\\nDefaultDependencies=no\\n[Socket]\\nListenStream=/run/dbus/system_bus_socket\\n' > dbus.socket
    printf '[Unit]\\nDefaultDependencies=no\\nRequires=dbus.socket\\n[Service]\\nType=notify\\n' > dbus.service
    printf 'ExecStart=/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\\n' \
      >> dbus.service
    printf '[Unit]\\nDefaultDependencies=no\\n[Service]\\nType=notify\\nUser=%s\\nDelegate=yes\\n' $1 > clipper-user.service
    printf 'Environment=XDG_RUNTIME_DIR=/run/user/%s HOME=/\\n' $1 >> clipper-user.service
    printf 'ExecStart=/lib/systemd/systemd --user --unit=basic.target --log-target=null\\n' >> clipper-user.service
    cd /
    echo 0 > /sys/fs/cgroup/cgroup.procs
    export container=clipper-test
    exec /lib/systemd/systemd --system --unit=clipper-test.target --log-target=null --show-status=no
    """

  private init() throws {
    if Self.isBooted {
      entry = []
      life = -1
      return
    }
    // All its processes go with process 1, which goes with this one, however it ends.
    let outer = """
      unshare --mount --uts --ipc --pid --fork --kill-child --mount-proc sh -c "$1" sh "$2" < /dev/null &
      read -r line
      kill -KILL $!
      wait
      """
    let (reader, writer) = try makePipe()
    let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR)
    var spawn = Spawn("/bin/sh", ["-c", outer, "sh", Self.script, "\(RootlessHost.user)"])
    spawn.descriptors = [(reader, 0), (null.number, 1), (null.number, 2)]
    let started = try spawn.start()
    close(reader)
    life = writer
    let first = try #require(Self.child(of: started).flatMap { Self.child(of: $0) }, "systemd does not start")
    entry = ["/usr/bin/nsenter", "--target", "\(first)", "--pid", "--mount", "--uts", "--ipc"]
    // Emulated, it takes its time.
    var isReady = false
    for _ in 0..<20 where !isReady {
      isReady = try eventually { try run(["/usr/bin/busctl", "--no-pager", "status"]).status == 0 }
    }
    try #require(isReady, "systemd does not come up")
  }

  private static func child(of process: Int32) -> Int32? {
    var found: Int32?
    _ = eventually {
      let text = try? readFile(FilePath("/proc/\(process)/task/\(process)/children"), limit: 256)
      found = text.flatMap { String(decoding: $0, as: UTF8.self).split(separator: " ").first.flatMap { Int32($0) } }
      return found != nil
    }
    return found
  }

  /// Whether it was started for the tests, and has a service of the tests' user: a systemd of the user's own.
  var hasUser: Bool { !entry.isEmpty }

  /// A command of the tests' user, whose own systemd runs.
  func runAsUser(_ command: [String]) throws -> RuntimeHost.Result {
    let user = "\(RootlessHost.user)"
    let started = try run(["/usr/bin/systemctl", "start", "clipper-user.service"])
    try #require(started.status == 0, "\(started.errorOutput)")
    return try run(
      ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + command,
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "XDG_RUNTIME_DIR=/run/user/\(user)"])
  }

  func run(_ command: [String], environment: [String]? = nil) throws -> RuntimeHost.Result {
    let whole = entry + command
    var spawn = Spawn(FilePath(whole[0]), Array(whole.dropFirst()))
    spawn.environment = environment ?? ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    let run = try spawn.capture(milliseconds: 120_000)
    return RuntimeHost.Result(
      status: run.status.code, output: String(decoding: run.output, as: UTF8.self),
      errorOutput: String(decoding: run.errorOutput, as: UTF8.self))
  }

  /// A command that goes on beside the test.
  func start(_ command: [String]) throws -> Int32 {
    let whole = entry + command
    return try Spawn(FilePath(whole[0]), Array(whole.dropFirst())).start()
  }

  /// Of a unit, as systemctl shows it.
  func properties(_ unit: String) throws -> [String: String] {
    var found: [String: String] = [:]
    for line in try run(["/usr/bin/systemctl", "show", unit]).lines {
      let pair = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if pair.count == 2 { found[String(pair[0])] = String(pair[1]) }
    }
    return found
  }
}
