import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config-linux.md, Devices)
@Suite(.enabled(if: RuntimeHost.isAble)) struct DeviceTests {
  private let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  @Test func devicesAnywhereWithOwnerAndMode() throws {
    let result = try host.shell(
      "stat -c '%F %a %u:%g %t:%T' /dev/deep/er/mine /srv/pipe"
    ) {
      $0.linux?.devices = [
        LinuxDevice(type: "u", path: "/dev/deep/er/mine", major: 1, minor: 3, fileMode: 0o20640, uid: 7, gid: 8),
        LinuxDevice(type: "p", path: "/srv/pipe", fileMode: 0o600),
      ]
    }
    try host.succeed(result)
    #expect(result.lines == ["character special file 640 7:8 1:3", "fifo 600 0:0 0:0"])
  }

  @Test func theDefaultOnesAndTheirLinks() throws {
    let result = try host.shell(
      "cd /dev; for d in null zero full random urandom tty; do stat -c '%n %t:%T %a' $d; done; "
        + "for l in fd stdin stdout stderr ptmx core; do readlink $l; done; true")
    try host.succeed(result)
    let devices = ["null 1:3 666", "zero 1:5 666", "full 1:7 666", "random 1:8 666", "urandom 1:9 666", "tty 5:0 666"]
    let core = access("/proc/kcore", F_OK) == 0 ? ["/proc/kcore"] : []
    #expect(
      result.lines == devices + ["/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2", "pts/ptmx"]
        + core)
  }

  @Test func anotherFileInTheirPlaceIsAnError() throws {
    try host.write(host.root.appending("tmp/device"), "an image's file")
    let result = try host.run(["true"]) {
      $0.linux?.devices = [LinuxDevice(type: "c", path: "/tmp/device", major: 1, minor: 3)]
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/tmp/device exists in the root"))
    #expect(try host.read(host.root.appending("tmp/device")) == "an image's file")
  }
}
