import Glibc
import Kernel
import SystemPackage
import TestDirectories
import Testing

/// Settings of a kernel, as files.
final class UserNamespacesTests {
  let settings: FilePath

  init() throws {
    settings = try makeTestDirectory("clipper-sysctl")
    for kind in ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"] {
      try set("user/max_\(kind)_namespaces", 99)
    }
  }

  deinit { try? removeTree(settings) }

  private func set(_ sysctl: String, _ value: Int) throws {
    let file = settings.appending(sysctl)
    try makeDirectories(file.removingLastComponent())
    try writeFileAtomically(file, Array("\(value)\n".utf8))
  }

  private func obstacle(_ error: Errno) -> String { UserNamespaces.obstacle(error, settings: settings) ?? "" }

  @Test func countsThatAreExhaustedAreNamed() throws {
    #expect(obstacle(.noSpace).contains("a limit is reached"))
    try set("user/max_net_namespaces", 0)
    #expect(obstacle(.noSpace).contains("user.max_net_namespaces is 0"))
  }

  @Test(arguments: [Errno.notPermitted, .permissionDenied]) func refusalsOfDistributionsAreNamed(_ error: Errno) throws
  {
    #expect(obstacle(error).isEmpty)
    try set("kernel/unprivileged_userns_clone", 1)
    try set("kernel/apparmor_restrict_unprivileged_userns", 0)
    #expect(obstacle(error).isEmpty)
    try set("kernel/apparmor_restrict_unprivileged_userns", 1)
    #expect(obstacle(error).contains("kernel.apparmor_restrict_unprivileged_userns is 1"))
    try set("kernel/unprivileged_userns_clone", 0)
    #expect(obstacle(error).contains("kernel.unprivileged_userns_clone is 0"))
    #expect(obstacle(.invalidArgument).isEmpty)
  }

  @Test func groupsOfThisNamespace() {
    #expect(UserNamespaces.maps(group: getgid()))
  }
}
