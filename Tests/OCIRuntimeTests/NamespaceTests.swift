import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config-linux.md, Namespaces)
@Suite(.enabled(if: RuntimeHost.isAble)) struct NamespaceTests {
  private let host: RuntimeHost
  private static let files: [(LinuxNamespace.Kind, String)] = [
    (.pid, "pid"), (.network, "net"), (.mount, "mnt"), (.ipc, "ipc"), (.uts, "uts"), (.cgroup, "cgroup"),
    (.time, "time"), (.user, "user"),
  ]

  init() throws { host = try RuntimeHost() }

  private func pid(_ id: String) throws -> String { try host.read(host.directory.appending("\(id).pid")) }

  private func mapped(_ config: inout RuntimeConfig) {
    config.linux?.namespaces?.append(LinuxNamespace(type: .user))
    config.linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 65536)]
    config.linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: 0, size: 65536)]
  }

  @Test func allAreNew() throws {
    let script = Self.files.map { "readlink /proc/self/ns/\($0.1)" }.joined(separator: "; ")
    let result = try host.shell(script) {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      mapped(&$0)
    }
    try host.succeed(result)
    #expect(result.lines.count == 8)
    for (line, (_, file)) in zip(result.lines, Self.files) {
      #expect(line != readLink(workingDirectory, "/proc/self/ns/\(file)"), "\(file)")
    }
  }

  @Test func eachCanBeJoined() throws {
    try host.started("first", ["sleep", "60"]) {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = ["boottime": LinuxTimeOffset(secs: 10_000_000)]
    }
    let pid = try pid("first")
    let kinds: [LinuxNamespace.Kind] = [.pid, .network, .ipc, .uts, .cgroup, .time]
    let names = Self.files.filter { kinds.contains($0.0) }
    let result = try host.shell(
      names.map { "readlink /proc/self/ns/\($0.1)" }.joined(separator: "; ") + "; cat /proc/uptime"
    ) { config in
      config.hostname = nil
      config.linux?.namespaces =
        names.map { LinuxNamespace(type: $0.0, path: "/proc/\(pid)/ns/\($0.1)") } + [LinuxNamespace(type: .mount)]
    }
    try host.succeed(result)
    for (line, (_, file)) in zip(result.lines, names) {
      #expect(line == readLink(workingDirectory, "/proc/\(pid)/ns/\(file)"), "\(file)")
    }
    #expect(Double(result.lines.last?.split(separator: " ").first ?? "") ?? 0 > 10_000_000)
  }

  @Test func aUserNamespaceCanBeJoined() throws {
    try host.started("first", ["sleep", "60"]) { mapped(&$0) }
    let pid = try pid("first")
    let result = try host.shell("readlink /proc/self/ns/user; id -u") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .user, path: "/proc/\(pid)/ns/user"))
    }
    try host.succeed(result)
    #expect(result.lines == [try #require(readLink(workingDirectory, "/proc/\(pid)/ns/user")), "0"])
  }

  /// The root is entered by chroot: pivot_root would take the other's from it.
  @Test func aMountNamespaceCanBeJoined() throws {
    try host.started("first", ["sleep", "60"]) {
      // The place of the second root, in the namespace that is joined.
      $0.mounts?.append(
        ContainerMount(destination: host.directory.string, source: host.directory.string, options: ["rbind"]))
    }
    let pid = try pid("first")
    let second = host.directory.appending("second")
    try host.makeRoot(second)
    let bundle = try host.bundle("joiner", ["sh", "-c", "readlink /proc/1/ns/mnt; ls /; sleep 60"]) {
      $0.root?.path = second.string
      try? host.write(second.appending("mark"), "")
      $0.linux?.namespaces?.removeAll { $0.type == .mount }
      $0.linux?.namespaces?.append(LinuxNamespace(type: .mount, path: "/proc/\(pid)/ns/mnt"))
    }
    try host.succeed(
      host.runtime("create", "--bundle", bundle.string, "--pid-file", "\(host.directory)/joiner.pid", "joiner"))
    try host.succeed(host.runtime("start", "joiner"))
    let joiner = try self.pid("joiner")
    #expect(readLink(workingDirectory, "/proc/\(joiner)/ns/mnt") == readLink(workingDirectory, "/proc/\(pid)/ns/mnt"))
    // The first still has its own root, and what exec brings in has the second's.
    let first = try host.runtime("exec", "first", "ls", "/")
    try host.succeed(first)
    #expect(!first.lines.contains("mark"))
    let inside = try host.runtime("exec", "joiner", "ls", "/")
    try host.succeed(inside)
    #expect(inside.lines.contains("mark"))
  }

  @Test(arguments: ["/proc/self/ns/uts", "/etc/passwd", "/nonesuch"])
  func anotherKindIsAnError(_ path: String) throws {
    let result = try host.run(["true"]) {
      $0.linux?.namespaces?.removeAll { $0.type == .ipc }
      $0.linux?.namespaces?.append(LinuxNamespace(type: .ipc, path: path))
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains(path) && result.errorOutput.contains("ipc namespace"))
  }

  @Test func theHostsSettingsAreNotReachedByJoiningItsNamespaces() throws {
    let result = try host.run(["true"]) {
      $0.linux?.namespaces?.removeAll { $0.type == .ipc }
      $0.linux?.namespaces?.append(LinuxNamespace(type: .ipc, path: "/proc/self/ns/ipc"))
      $0.linux?.sysctl = ["kernel.shmmni": "4096"]
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("kernel.shmmni"))
  }

  @Test func settingsOfNamespaces() throws {
    let result = try host.shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni; hostname") {
      $0.domainname = "example.test"
      $0.linux?.sysctl = ["net.ipv4.ip_unprivileged_port_start": "77", "kernel/shmmni": "99"]
    }
    try host.succeed(result)
    #expect(result.lines == ["77", "99", "box"])
    let domain = try host.shell("cat /proc/sys/kernel/domainname") { $0.domainname = "example.test" }
    #expect(domain.lines == ["example.test"])
  }

  @Test func offsetsOfTime() throws {
    let result = try host.shell("cat /proc/self/timens_offsets") {
      $0.linux?.namespaces?.append(LinuxNamespace(type: .time))
      $0.linux?.timeOffsets = [
        "monotonic": LinuxTimeOffset(secs: 86400, nanosecs: 5), "boottime": LinuxTimeOffset(secs: 172800),
      ]
    }
    try host.succeed(result)
    let words = result.lines.map { $0.split(separator: " ").map { String($0) } }
    #expect(words == [["monotonic", "86400", "5"], ["boottime", "172800", "0"]])
  }

  /// As on an initramfs. Nothing of the host's stays to be seen by the container's processes.
  @Test func withoutPivot() throws {
    let bundle = try host.bundle(
      "nopivot", ["sh", "-c", "ls /; echo; mount | grep -c ' on /proc type proc'; grep -c . /proc/1/cmdline"])
    try host.write(host.root.appending("mark"), "")
    let result = try host.runtime("run", "--no-pivot", "--bundle", bundle.string, "nopivot")
    try host.succeed(result)
    #expect(result.lines.contains("mark"))
    #expect(result.lines.suffix(2).first == "1")
  }
}
