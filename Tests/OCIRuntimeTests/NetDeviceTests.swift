import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config-linux.md, Network Devices)
@Suite(.enabled(if: RuntimeHost.isAble)) struct NetDeviceTests {
  private let host: RuntimeHost
  /// A name that no other test has.
  private let name = "t\(UInt32.random(in: 0...UInt32.max))"

  init() throws { host = try RuntimeHost() }

  @discardableResult private func ip(_ arguments: String...) throws -> Int32 {
    try Spawn("/bin/busybox", ["ip"] + arguments).capture(milliseconds: 10_000).status.code
  }

  /// false, and said, where the kernel has no interfaces that exist on their own.
  private func makeInterface() throws -> Bool {
    if try ip("link", "add", name, "type", "veth") == 0 { return true }
    print("SKIPPED: moving network interfaces: no virtual interface can be made here")
    return false
  }

  @Test func anInterfaceMovesWithItsAddresses() throws {
    guard try makeInterface() else { return }
    try ip("addr", "add", "10.91.0.7/24", "dev", name)
    try ip("-6", "addr", "add", "fd91::7/64", "dev", name)
    try ip("link", "set", name, "up")
    try host.copy("/bin/busybox", host.root.appending("bin/ip"))
    let result = try host.run(["ip", "addr", "show", "dev", "inside0"]) {
      $0.linux?.netDevices = [name: LinuxNetDevice(name: "inside0")]
    }
    try host.succeed(result)
    for text in ["inside0", "10.91.0.7/24", "fd91::7/64", "UP"] {
      #expect(result.output.contains(text), "\(text) in \(result.output)")
    }
    // It went with the container's network namespace.
    #expect(try ip("link", "show", name) != 0)
  }

  @Test func aTemplateIsNumbered() throws {
    guard try makeInterface() else { return }
    let result = try host.run(["ls", "/sys/class/net"]) {
      $0.linux?.netDevices = [name: LinuxNetDevice(name: "data%d")]
    }
    try host.succeed(result)
    #expect(result.lines.contains("data0"))
  }

  @Test func whatCannotBeMovedStays() throws {
    let missing = try host.run(["true"]) { $0.linux?.netDevices = ["nonesuch0": LinuxNetDevice()] }
    #expect(missing.status == 1)
    #expect(missing.errorOutput.contains("no such network interface"))
    guard try makeInterface() else { return }
    defer { _ = try? ip("link", "del", name) }
    let taken = try host.run(["true"]) { $0.linux?.netDevices = [name: LinuxNetDevice(name: "lo")] }
    #expect(taken.status == 1)
    #expect(taken.errorOutput.contains("is lo, which exists"))
    let own = try host.run(["true"]) {
      $0.linux?.namespaces?.removeAll { $0.type == .network }
      $0.linux?.namespaces?.append(LinuxNamespace(type: .network, path: "/proc/self/ns/net"))
      $0.linux?.netDevices = [name: LinuxNetDevice()]
    }
    #expect(own.status == 1)
    #expect(own.errorOutput.contains("host's own network namespace"))
    #expect(try ip("link", "show", name) == 0)
  }
}
