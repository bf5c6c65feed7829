import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// Images whose /dev is not what it seems.
@Suite(.enabled(if: RuntimeHost.isAble, "needs root, the built program and busybox"), .serialized)
struct HostileDeviceTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// A shell's output at the terminal that the runtime sends to a console socket.
  private func atTerminal(
    _ script: String, _ change: (inout RuntimeConfig) -> Void
  ) throws -> (result: RuntimeHost.Result, text: String) {
    let id = "t\(UInt32.random(in: 0...UInt32.max))"
    let place = try openat2(workingDirectory, host.directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try ConsoleSocket(in: place.number, id)
    let bundle = try host.bundle("bundle-\(id)", ["sh", "-c", script]) {
      $0.process?.terminal = true
      change(&$0)
    }
    let result = try host.runtime(
      "run", "-d", "-b", bundle.string, "--console-socket", host.directory.appending(id).string, id)
    guard result.status == 0 else { return (result, "") }
    let terminal = try socket.receive(milliseconds: 5000)
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = Glibc.read(terminal.number, &buffer, buffer.count), count > 0 {
      text += String(decoding: buffer[..<count], as: UTF8.self)
    }
    return (result, text)
  }

  /// A directory of devices, as another runtime's volume, that the container has for /dev.
  private func devices(_ change: (FilePath) throws -> Void) throws -> FilePath {
    let devices = host.directory.appending("devices")
    try makeDirectories(devices.appending("pts"))
    try change(devices)
    return devices
  }

  private func bindDevices(_ devices: FilePath, _ config: inout RuntimeConfig) {
    config.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
    config.mounts?.append(ContainerMount(destination: "/dev", source: devices.string, options: ["bind"]))
    config.mounts?.append(ContainerMount(destination: "/dev/pts", type: "devpts", source: "devpts"))
  }

  // MARK: CVE-2025-31133: a mask is the kernel's null device, whatever the container has at /dev/null.

  /// CVE-2025-31133
  @Test func masksDoNotComeFromTheContainer() throws {
    // Of a /dev that is bound nothing is made anew.
    let devices = try devices { try host.link("/etc/passwd", $0.appending("null")) }
    let result = try host.shell("cat /proc/keys; stat -c %t:%T /proc/keys") { bindDevices(devices, &$0) }
    #expect(result.lines == ["1:3"], "\(result.errorOutput)")
  }

  /// CVE-2025-31133: nor while somebody exchanges it.
  @Test func masksDoNotComeFromTheContainerWhileItChanges() throws {
    let outside = try Outside(host, files: ["victim"])
    let devices = try devices { devices in
      try Errno.check(mknod(devices.appending("null").string, S_IFCHR | 0o666, 0x103))
      try host.link("\(outside.path)/victim", devices.appending("link"))
    }
    let exchange = try Exchange(devices.appending("null"), devices.appending("link"))
    defer { withExtendedLifetime(exchange) {} }
    for round in 0..<40 {
      let result = try host.shell("for f in keys version; do stat -c %t:%T /proc/$f; done; echo x > /proc/version") {
        bindDevices(devices, &$0)
        $0.linux?.maskedPaths = ["/proc/keys", "/proc/version"]
      }
      #expect(result.lines == ["1:3", "1:3"], "round \(round): \(result.errorOutput)")
    }
    #expect(try outside.changes().isEmpty)
  }

  /// CVE-2025-31133: a masked path that is a link masks what it leads to in the container, never anything outside.
  @Test func masksFollowLinksInsideOnly() throws {
    let outside = try Outside(host, files: ["victim"])
    let root = try host.image { root in
      try host.write(root.appending("etc/secret"), "secret\n")
      try host.link("/etc/secret", root.appending("inside"))
      try host.link("\(outside.path)/victim", root.appending("out"))
      try host.link("/proc/self/root", root.appending("magic"))
    }
    let result = try host.shell("cat /etc/secret; echo end") {
      $0.root?.path = root.string
      $0.linux?.maskedPaths = ["/inside", "/out"]
    }
    #expect(result.output == "end\n", "\(result.errorOutput)")
    #expect(try outside.changes().isEmpty)
    let magic = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.linux?.maskedPaths = ["/magic/etc"]
    }
    #expect(magic.status == 1)
    #expect(magic.errorOutput.contains("/magic/etc"))
  }

  @Test func maskedPathsCannotBeRead() throws {
    let result = try host.shell("cat /proc/keys; ls /sys/firmware; cat /proc/timer_list; echo end") {
      $0.linux?.maskedPaths = (DockerDefaults.maskedPaths) + ["/etc/passwd", "/bin/../etc/shadowed", "/nonesuch/file"]
    }
    #expect(result.output == "end\n")
    let one = try host.shell("cat /etc/passwd") { $0.linux?.maskedPaths = ["/etc/passwd"] }
    #expect(one.output.isEmpty)
    let without = try host.shell("cat /etc/passwd; ls /sys/firmware") { $0.linux?.maskedPaths = [] }
    #expect(without.lines.count > 2)
  }

  // MARK: CVE-2025-52565: /dev/console is the terminal, and its mount goes nowhere else.

  /// CVE-2025-52565, CVE-2026-88264: a console that is a link of the image's.
  @Test(arguments: ["victim", "new"])
  func theConsoleIsNotMountedThroughALink(_ name: String) throws {
    let outside = try Outside(host, files: ["victim"])
    let root = try host.image { root in
      try host.link(outside.path.appending(name).string, root.appending("dev/console"))
      try makeDirectories(root.appending("dev/pts"))
    }
    let (result, text) = try atTerminal("stat -c %F /dev/console; echo x > /dev/console; ls /dev/pts") {
      $0.root?.path = root.string
      $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
      $0.mounts?.append(ContainerMount(destination: "/dev/pts", type: "devpts", source: "devpts"))
    }
    #expect(result.status == 0, "\(result.errorOutput)")
    #expect(text.contains("character special file\r\nx\r\n"), "\(text)")
    #expect(try outside.changes().isEmpty)
  }

  /// CVE-2025-52565: somebody exchanges /dev/console for a link while containers start.
  @Test func theConsoleIsNotMountedThroughALinkThatComesAndGoes() throws {
    let outside = try Outside(host)
    let devices = try devices { devices in
      try host.write(devices.appending("console"), "")
      try host.link("\(outside.path)/new", devices.appending("other"))
    }
    let exchange = try Exchange(devices.appending("console"), devices.appending("other"))
    defer { withExtendedLifetime(exchange) {} }
    for _ in 0..<40 {
      // It may be refused; it may not go outside, or to another file of the container's.
      _ = try atTerminal("echo x") { bindDevices(devices, &$0) }
      let changes = try outside.changes()
      #expect(changes.isEmpty, "\(changes)")
    }
  }

  /// CVE-2025-52565: what the container has mounted over its multiplexer is no terminal for `exec`.
  @Test(arguments: [
    "mkdir /tmp/pts && mount -t devpts -o newinstance,ptmxmode=666 devpts /tmp/pts && mount -o bind /tmp/pts/ptmx /dev/pts/ptmx",
    "mount -t tmpfs none /dev/pts && mknod /dev/pts/ptmx c 5 2",
    "mount -t tmpfs none /dev/pts && mkfifo /dev/pts/ptmx",
    "umount /dev/pts && rmdir /dev/pts && ln -s /proc/1/root/tmp /dev/pts",
  ])
  func execTakesNoFakedTerminal(_ attack: String) throws {
    let root = try host.image { root in
      for command in ["mkfifo", "umount", "rmdir", "ln"] {
        try Errno.check(symlink("busybox", root.appending("bin/\(command)").string))
      }
    }
    try host.started("one", ["sh", "-c", "\(attack) && touch /tmp/done && sleep 1000; touch /tmp/failed"]) {
      $0.root?.path = root.string
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_SYS_ADMIN", "CAP_MKNOD", "CAP_SYS_PTRACE"])
    }
    #expect(eventually { access(root.appending("tmp/done").string, F_OK) == 0 })
    let place = try openat2(workingDirectory, host.directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try ConsoleSocket(in: place.number, "console")
    let result = try host.runtime(
      "exec", "-t", "--console-socket", host.directory.appending("console").string, "one", "true")
    // The runtime connects first: there is a connection, and no terminal comes over it.
    #expect(throws: Errno.badFileDescriptor) { _ = try socket.receive(milliseconds: 0) }
    #expect(result.status != 0)
    #expect(result.errorOutput.contains("/dev/pts"), "\(result.errorOutput)")
  }

  /// CVE-2025-52565: what is laid over the multiplexer is not even opened, with the rights of the runtime's user.
  @Test(arguments: ["/dev/pts/ptmx", "/dev/pts"])
  func execDoesNotOpenWhatCoversTheMultiplexer(_ covered: String) throws {
    let cover = covered == "/dev/pts" ? "/tmp/pts" : "/tmp/pts/ptmx"
    let script = """
      mkdir /tmp/pts && busybox mkfifo /tmp/pts/ptmx && mount -o bind \(cover) \(covered) && touch /tmp/done
      while :; do cat /tmp/pts/ptmx; echo end; done > /tmp/read
      """
    let root = try host.image { _ in }
    try host.started("one", ["sh", "-c", script]) {
      $0.root?.path = root.string
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_SYS_ADMIN"])
    }
    #expect(eventually { access(root.appending("tmp/done").string, F_OK) == 0 })
    let pipe = root.appending("tmp/pts/ptmx").string
    // A reader waits.
    #expect(
      eventually {
        (try? openat2(workingDirectory, pipe, flags: O_WRONLY | O_NONBLOCK).release()).map { close($0) } != nil
      })
    #expect(try eventually { try host.read(root.appending("tmp/read")) == "end\n" })
    let place = try openat2(workingDirectory, host.directory.string, flags: pathOnly | O_DIRECTORY)
    let socket = try ConsoleSocket(in: place.number, "console")
    let result = try host.runtime(
      "exec", "-t", "--console-socket", host.directory.appending("console").string, "one", "true")
    #expect(result.status != 0)
    #expect(throws: Errno.badFileDescriptor) { _ = try socket.receive(milliseconds: 0) }
    // Had it been opened, the reader would have come to an end before this.
    let writer = try openat2(workingDirectory, pipe, flags: O_WRONLY)
    try writeAll(writer.number, Array("word\n".utf8))
    #expect(try eventually { try host.read(root.appending("tmp/read")).contains("word") })
    #expect(try host.read(root.appending("tmp/read")) == "end\nword\n")
  }

  // MARK: CVE-2026-41579 (runc), CVE-2026-47766 (crun): an image whose /dev is a link.

  /// CVE-2026-41579: neither is a file named ptmx removed where it leads, nor are the standard links made there.
  @Test(arguments: ["absolute", "relative"])
  func linksOfDevicesStayInTheRoot(_ kind: String) throws {
    let outside = try Outside(host, files: ["ptmx", "core"])
    let root = try host.image { root in
      let up = String(repeating: "../", count: 20)
      try host.link(kind == "absolute" ? outside.path.string : "\(up)\(outside.path)", root.appending("dev"))
    }
    for verb in ["run", "create"] {
      let bundle = try host.bundle("\(verb)-bundle", ["true"]) {
        $0.root?.path = root.string
        $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
      }
      let result = try host.runtime(verb, "-b", bundle.string, verb)
      #expect(result.status == 0, "\(result.errorOutput)")
      let changes = try outside.changes()
      #expect(changes.isEmpty, "\(verb): \(changes)")
    }
    // What it leads to in the container's root has them.
    #expect(readLink(workingDirectory, root.appending("\(outside.path)/ptmx").string) == "pts/ptmx")
  }

  /// CVE-2026-47766: neither are devices, their directories or mount points below /dev made there.
  @Test func devicesStayInTheRoot() throws {
    let outside = try Outside(host, files: ["console"])
    let root = try host.image { try host.link(outside.path.string, $0.appending("dev")) }
    let bundle = try host.bundle("one", ["true"]) { config in
      config.root?.path = root.string
      config.mounts?.removeAll { $0.destination == "/dev" }
      config.linux?.devices = ["/dev/fuse", "/dev/net/tun"].map {
        LinuxDevice(type: "c", path: $0, major: 10, minor: 229, fileMode: 0o666)
      }
      config.linux?.maskedPaths = ["/dev/console", "/dev/null"]
    }
    let result = try host.runtime("create", "-b", bundle.string, "one")
    #expect(result.status == 0, "\(result.errorOutput)")
    let changes = try outside.changes()
    #expect(changes.isEmpty, "\(changes)")
  }

  /// Containers whose devices are made in the image's own /dev; nothing outside of the image may change.
  private func startAgainAndAgain(_ root: FilePath, _ outside: Outside) throws {
    for _ in 0..<40 {
      _ = try host.run(["true"]) {
        $0.root?.path = root.string
        $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
      }
      let changes = try outside.changes()
      #expect(changes.isEmpty, "\(changes)")
    }
  }

  /// CVE-2026-41579, CVE-2026-47766: the same while the link comes and goes.
  @Test func devicesStayInTheRootWhileLinksComeAndGo() throws {
    let outside = try Outside(host, files: ["ptmx"])
    let root = try host.image { try host.link(outside.path.string, $0.appending("other")) }
    let exchange = try Exchange(root.appending("dev"), root.appending("other"))
    try startAgainAndAgain(root, outside)
    withExtendedLifetime(exchange) {}
  }

  /// CVE-2026-47766: a device that somebody exchanges for a link does not give its mode or owner to what that leads to.
  @Test func modesOfDevicesStayInTheRootWhileLinksComeAndGo() throws {
    let outside = try Outside(host, files: ["victim"])
    let root = try host.image { _ in }
    let exchange = try Exchange(
      replacing: root.appending("dev/null"), with: outside.path.appending("victim"))
    try startAgainAndAgain(root, outside)
    withExtendedLifetime(exchange) {}
  }

  /// CVE-2026-47766: a node that the image brings along has the mode and the owner that the bundle says, not its own.
  @Test func devicesOfAnImageAreReplaced() throws {
    let root = try host.image { root in
      try Errno.check(mknod(root.appending("dev/null").string, S_IFCHR | 0o600, 0x103))
      try Errno.check(chown(root.appending("dev/null").string, 5, 5))
      try host.write(root.appending("dev/zero"), "not zero")
    }
    let result = try host.shell("stat -c '%a %u %t:%T' /dev/null /dev/zero; umask") {
      $0.root?.path = root.string
      $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
    }
    #expect(result.lines == ["666 0 1:3", "666 0 1:5", "0022"], "\(result.errorOutput)")
  }

  /// CVE-2025-52565: in a /dev of the host's no link is taken away for a terminal.
  @Test func theConsoleOfABoundDirectoryIsNotReplaced() throws {
    let devices = try devices { try host.link("elsewhere", $0.appending("console")) }
    let (result, _) = try atTerminal("echo x") { bindDevices(devices, &$0) }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/dev/console"))
    #expect(readLink(workingDirectory, devices.appending("console").string) == "elsewhere")
  }

  /// CVE-2026-41579: a /dev of the host's, by whatever name it is bound, keeps its own devices and links.
  @Test(arguments: ["/dev", "/dev/.", "//dev", "/etc/../dev", "/alias"])
  func aBoundDirectoryOfDevicesIsLeftAlone(_ destination: String) throws {
    let outside = try Outside(host, files: ["ptmx", "null"])
    let root = try host.image { try host.link("dev", $0.appending("alias")) }
    let result = try host.run(["true"]) {
      $0.root?.path = root.string
      $0.mounts?.removeAll { $0.destination.hasPrefix("/dev") }
      $0.mounts?.append(ContainerMount(destination: destination, source: outside.path.string, options: ["rbind"]))
    }
    #expect(result.status == 0, "\(result.errorOutput)")
    let changes = try outside.changes()
    #expect(changes.isEmpty, "\(changes)")
  }

  /// CVE-2026-88265: streams are the caller's; a /dev/null of the image's is not opened in their place.
  @Test func streamsDoNotComeFromTheContainer() throws {
    let outside = try Outside(host, files: ["victim"])
    let devices = try devices { try host.link("/volume/victim", $0.appending("null")) }
    let result = try host.shell("for n in 0 1 2; do readlink /proc/$$/fd/$n; done; echo x >&2") {
      bindDevices(devices, &$0)
      $0.mounts?.append(ContainerMount(destination: "/volume", source: outside.path.string, options: ["bind"]))
      $0.process?.user = ContainerUser(uid: 1000, gid: 1000)
    }
    #expect(result.lines.count == 3)
    #expect(result.lines.allSatisfy { $0.hasPrefix("socket:") || $0.hasPrefix("pipe:") }, "\(result.output)")
    #expect(try outside.changes().isEmpty)
  }
}
