import Glibc
import Kernel
import Synchronization
import SystemPackage

/// A server of the S3 protocol: moto's, or OpenStack Swift's with its S3 interface.
public final class ObjectStorage: Sendable {
  public enum Kind: String, CaseIterable, Sendable, CustomStringConvertible {
    case moto, swift
    public var description: String { rawValue }
  }

  private let service: Service
  public let endpoint: String
  public let environment: [String: String]
  private let count = Atomic(0)

  private static let started = Mutex<[Kind: ObjectStorage]>([:])

  /// The one of this test run; nil, said once, where it is not installed.
  public static func shared(_ kind: Kind) throws -> ObjectStorage? {
    guard installed.contains(kind) else { return nil }
    return try started.withLock { started in
      if let known = started[kind] { return known }
      let made = try ObjectStorage(kind)
      started[kind] = made
      return made
    }
  }

  public static let installed: [Kind] = {
    var found: [Kind] = []
    let moto = Spawn("/usr/bin/env", ["python3", "-c", "import moto.server, flask"])
    if (try? waitForProcess(moto.start())) == .exited(0) {
      found.append(.moto)
    } else {
      print(
        "SKIPPED: the tests of object storage with moto, which python3 does not have (pip install 'moto[server,s3]')")
    }
    if access("/usr/bin/swift-proxy-server", X_OK) == 0 {
      found.append(.swift)
    } else {
      print("SKIPPED: the tests of object storage with OpenStack Swift, whose package swift-proxy is not installed")
    }
    return found
  }()

  private init(_ kind: Kind) throws {
    let port: UInt16
    switch kind {
    case .moto:
      port = try Service.freePort()
      environment = ["AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret"]
      service = try Service("clipper-moto", script: "exec python3 -m moto.server -H 127.0.0.1 -p \(port) 9<&-")
    case .swift:
      let ports = try (0..<4).map { _ in try Service.freePort() }
      port = ports[0]
      environment = ["AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing"]
      service = try Service("clipper-swift", script: Self.swift(ports))
    }
    endpoint = "http://127.0.0.1:\(port)"
    try service.wait { Service.answers(port) }
  }

  /// URL of a new, empty bucket. `make` creates it.
  public func makeBucket(_ make: (_ url: String, _ environment: [String: String]) throws -> Void) throws -> String {
    let number = count.add(1, ordering: .relaxed).newValue
    let url = "s3://test-\(number)/registry/a?endpoint=\(endpoint)"
    try make(url, environment)
    return url
  }

  /// One of each server, on one device, without replication.
  private static func swift(_ ports: [UInt16]) -> String {
    """
    mkdir -p etc node/sdb1 cache && cd etc
    printf '[swift-hash]\\nswift_hash_path_suffix = a\\nswift_hash_path_prefix = b\\n' > swift.conf
    number=0
    for kind in account container object; do
      set -- \(ports[1]) \(ports[2]) \(ports[3]); shift $number; number=$((number + 1)); port=$1
      swift-ring-builder $kind.builder create 4 1 1 >/dev/null
      swift-ring-builder $kind.builder add r1z1-127.0.0.1:$port/sdb1 1 >/dev/null
      swift-ring-builder $kind.builder rebalance >/dev/null 2>&1
      cat > $kind.conf <<END
    [DEFAULT]
    devices = $PWD/../node
    mount_check = false
    bind_ip = 127.0.0.1
    bind_port = $port
    workers = 0
    user = $(id -un)
    swift_dir = $PWD
    recon_cache_path = $PWD/../cache
    log_address = /nonexistent
    disable_fallocate = true
    [pipeline:main]
    pipeline = $kind-server
    [app:$kind-server]
    use = egg:swift#$kind
    END
      swift-$kind-server $kind.conf 9<&- &
    done
    cat > proxy.conf <<END
    [DEFAULT]
    bind_ip = 127.0.0.1
    bind_port = \(ports[0])
    workers = 0
    user = $(id -un)
    swift_dir = $PWD
    log_address = /nonexistent
    [pipeline:main]
    pipeline = catch_errors cache listing_formats s3api tempauth copy slo dlo symlink versioned_writes proxy-server
    [app:proxy-server]
    use = egg:swift#proxy
    allow_account_management = true
    account_autocreate = true
    [filter:tempauth]
    use = egg:swift#tempauth
    user_test_tester = testing .admin
    END
    for filter in s3api:s3api cache:memcache catch_errors:catch_errors listing_formats:listing_formats copy:copy slo:slo \\
      dlo:dlo symlink:symlink versioned_writes:versioned_writes; do
      printf '[filter:%s]\\nuse = egg:swift#%s\\n' ${filter%:*} ${filter#*:} >> proxy.conf
    done
    exec swift-proxy-server proxy.conf 9<&-
    """
  }
}
