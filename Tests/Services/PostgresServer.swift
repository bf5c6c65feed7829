import Glibc
import Kernel
import Synchronization
import SystemPackage

/// A PostgreSQL server of Debian's, at a Unix socket in a directory of its own, started with the first use.
public final class PostgresServer: Sendable {
  private let service: Service
  private let programs: String
  private let count = Atomic(0)
  private let unused = Mutex<[String]>([])

  private static let started = Mutex<PostgresServer?>(nil)

  /// The one of this test run; nil, said once, where the package is not installed.
  public static func shared() throws -> PostgresServer? {
    guard let programs else { return nil }
    return try started.withLock { started in
      if let started { return started }
      let server = try PostgresServer(programs)
      started = server
      return server
    }
  }

  public static let isInstalled = programs != nil

  private static let programs: String? = {
    for version in stride(from: 20, to: 11, by: -1) {
      let directory = "/usr/lib/postgresql/\(version)/bin"
      if access(directory + "/postgres", X_OK) == 0 { return directory }
    }
    print("SKIPPED: the tests of PostgreSQL, whose package postgresql is not installed")
    return nil
  }()

  /// One of its own, which can be stopped and started.
  public init(_ programs: String? = nil) throws {
    guard let programs = programs ?? Self.programs else { throw Errno.noSuchFileOrDirectory }
    self.programs = programs
    // It refuses to run as root.
    let user = geteuid() == 0 ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : ""
    service = try Service(
      "clipper-postgres",
      script: """
        export PATH=\(programs):$PATH
        \(geteuid() == 0 ? "chown postgres ." : "")
        \(user)initdb -D data -U clipper -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null || exit 1
        while true; do
          \(user)postgres -D data -k "$PWD" \(Self.settings.map { "-c \($0)" }.joined(separator: " ")) 9<&-
          sleep 0.1
        done
        """)
    let socket = service.directory.appending(".s.PGSQL.5432").string
    try service.wait { access(socket, F_OK) == 0 && self.run("SELECT 1") }
  }

  /// Small, and without care for the disk: what a crash of the server alone must not lose is enough.
  private static let settings = [
    "listen_addresses=", "max_connections=1000", "shared_buffers=32MB", "fsync=off", "full_page_writes=off",
    "wal_level=minimal", "max_wal_senders=0", "min_wal_size=32MB", "max_wal_size=64MB", "autovacuum=off",
  ]

  /// Of a new, empty database.
  public func makeDatabase() throws -> String {
    let name = "test\(count.add(1, ordering: .relaxed).newValue)"
    guard run("CREATE DATABASE \(name)") else { throw Service.NotStarted(output: "CREATE DATABASE failed") }
    return url(name)
  }

  /// Drops a database by its URL, soon: several at once cost one program.
  public func drop(_ url: String) {
    guard let name = url.split(separator: "/").last else { return }
    let names: [String] = unused.withLock { unused in
      unused.append(String(name))
      guard unused.count >= 8 else { return [] }
      defer { unused = [] }
      return unused
    }
    if !names.isEmpty { run(names.map { "DROP DATABASE \($0) WITH (FORCE)" }) }
  }

  private func url(_ database: String) -> String {
    "postgres://clipper@\(service.directory.string.replacing("/", with: "%2F"))/\(database)"
  }

  /// Runs a statement with psql. Returns whether it succeeded.
  @discardableResult
  public func run(_ sql: String) -> Bool { run([sql]) }

  @discardableResult
  private func run(_ statements: [String]) -> Bool {
    var spawn = Spawn("/usr/bin/env", ["psql", "-q", "-X", "-d", url("postgres")] + statements.flatMap { ["-c", $0] })
    spawn.environment = ["PATH=\(programs):/usr/bin:/bin"]
    guard let null = try? openat2(AT_FDCWD, "/dev/null", flags: O_RDWR) else { return false }
    spawn.descriptors = [(null.number, 1), (null.number, 2)]
    return (try? waitForProcess(spawn.start())) == .exited(0)
  }

  /// Kills the server, as a crash would; it comes up again by itself.
  public func crash() throws {
    let text = String(decoding: try readFile(service.directory.appending("data/postmaster.pid")), as: UTF8.self)
    if let pid = text.split(separator: "\n").first.flatMap({ Int32($0) }) { kill(pid, SIGKILL) }
  }
}
