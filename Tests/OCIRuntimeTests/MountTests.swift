import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// (runtime-spec, config.md, Mounts)
@Suite(.enabled(if: RuntimeHost.isAble)) struct MountTests {
  private let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  private func mapped(_ config: inout RuntimeConfig, _ first: UInt32 = 0) {
    config.linux?.namespaces?.append(LinuxNamespace(type: .user))
    config.linux?.uidMappings = [LinuxIDMapping(containerID: 0, hostID: first, size: 65536)]
    config.linux?.gidMappings = [LinuxIDMapping(containerID: 0, hostID: first, size: 65536)]
  }

  /// The options of a mount as the container sees them.
  private func options(_ mount: ContainerMount, _ change: (inout RuntimeConfig) -> Void = { _ in }) throws -> [String] {
    let result = try host.shell("grep ' \(mount.destination) ' /proc/self/mountinfo") {
      $0.mounts?.append(mount)
      change(&$0)
    }
    try host.succeed(result)
    let line = try #require(result.lines.last)
    let fields = line.split(separator: " ").map { String($0) }
    return fields[5].split(separator: ",").map { String($0) }
      + (fields.last ?? "").split(separator: ",").map { String($0) }
  }

  private func volume(_ name: String = "volume") throws -> FilePath {
    let path = host.directory.appending(name)
    try makeDirectories(path)
    try host.write(path.appending("file"), "content\n")
    return path
  }

  @Test func optionsOfNewFileSystems() throws {
    let found = try options(
      ContainerMount(
        destination: "/data", type: "tmpfs", source: "tmpfs",
        options: [
          "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow", "sync", "dirsync", "lazytime",
          "silent", "mand", "size=64k", "mode=700",
        ]))
    for option in [
      "ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow", "sync", "dirsync", "lazytime",
      "size=64k", "mode=700",
    ] {
      #expect(found.contains(option), "\(option) in \(found)")
    }
  }

  @Test func optionsThatOnlyTheOldCallTakes() throws {
    let found = try options(
      ContainerMount(destination: "/data", type: "tmpfs", source: "tmpfs", options: ["iversion", "nodev", "size=64k"]))
    #expect(found.contains("nodev") && found.contains("size=64k"))
  }

  @Test func valuesLongerThan255Bytes() throws {
    var lower: [FilePath] = []
    for number in 0..<3 {
      let path = host.directory.appending(String(repeating: "long-", count: 30) + "\(number)")
      try makeDirectories(path)
      try host.write(path.appending("file\(number)"), "")
      lower.append(path)
    }
    let result = try host.shell("ls /data") {
      $0.mounts?.append(
        ContainerMount(
          destination: "/data", type: "overlay", source: "overlay",
          options: ["nosuid", "lowerdir=" + lower.map(\.string).joined(separator: ":")]))
    }
    try host.succeed(result)
    #expect(result.lines == ["file0", "file1", "file2"])
  }

  @Test func anUnknownOptionIsTheFileSystems() throws {
    let result = try host.run(["true"]) {
      $0.mounts?.append(ContainerMount(destination: "/data", type: "tmpfs", source: "tmpfs", options: ["frob=1"]))
    }
    #expect(result.status == 1)
    #expect(result.errorOutput.contains("/data with the option frob=1"))
  }

  /// Submounts have what a recursive option says, and only then.
  @Test func recursiveOptions() throws {
    let volume = try volume()
    let below = volume.appending("below")
    try makeDirectories(below)
    try Mounts.mount("tmpfs", source: "tmpfs", on: below.string, data: "")
    defer { try? Mounts.detach(below.string) }
    func check(_ option: String) throws -> String {
      let result = try host.shell("touch /data/below/x && echo written; mount | grep ' /data/below '") {
        $0.mounts?.append(ContainerMount(destination: "/data", source: volume.string, options: ["rbind", option]))
      }
      return result.output
    }
    #expect(try check("ro").contains("written"))
    #expect(try !check("rro").contains("written"))
    for option in ["rnosuid", "rnoexec", "rnodev", "rnoatime", "rnodiratime", "rnosymfollow"] {
      #expect(try check(option).contains(option.dropFirst()), "\(option)")
    }
    for option in ["rrw", "rsuid", "rexec", "rdev", "ratime", "rdiratime", "rsymfollow", "rstrictatime", "rrelatime"] {
      #expect(try check(option).contains("written"), "\(option)")
    }
  }

  @Test func placesAreMadeWhereTheyAreMissing() throws {
    let volume = try volume()
    let result = try host.shell("cat /a/b/c/file /d/e/f; ls /relative") {
      $0.mounts? += [
        ContainerMount(destination: "/a/b/c", type: "bind", source: volume.string, options: ["rbind", "ro"]),
        ContainerMount(destination: "/d/e/f", source: "../volume/file", options: ["bind"]),
        // Deprecated, and understood.
        ContainerMount(destination: "relative", type: "bind", source: volume.string),
      ]
    }
    try host.succeed(result)
    #expect(result.lines == ["content", "content", "file"])
  }

  @Test func anExistingMountIsChanged() throws {
    let found = try options(
      ContainerMount(destination: "/data", type: "tmpfs", source: "tmpfs", options: ["size=64k"])
    ) {
      $0.mounts?.append(
        ContainerMount(destination: "/data", type: "tmpfs", source: "tmpfs", options: ["remount", "size=128k", "ro"]))
    }
    #expect(found.contains("ro") && found.contains("size=128k"))
  }

  @Test func aTmpfsBeginsWithTheImagesFiles() throws {
    let data = host.root.appending("data")
    try makeDirectories(data.appending("sub"))
    try host.write(data.appending("one"), "1\n")
    try host.write(data.appending("secret"), "s\n")
    try Errno.check(link(data.appending("one").string, data.appending("sub/other").string))
    try Errno.check(symlink("one", data.appending("link").string))
    chmod(data.appending("secret").string, 0o4710)
    chown(data.appending("sub").string, 5, 6)
    let file = try openat2(workingDirectory, data.appending("one").string, flags: O_RDONLY)
    try setExtendedAttribute(
      file.number, "security.capability", [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    let nested = try volume()
    let result = try host.shell(
      "cat /data/link /data/nested/file; stat -c %h /data/one; stat -c %a /data/secret; stat -c %u:%g /data/sub; "
        + "echo new > /data/one; cat /data/sub/other"
    ) {
      $0.mounts? += [
        ContainerMount(destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"]),
        ContainerMount(destination: "/data/nested", source: nested.string, options: ["bind"]),
      ]
    }
    try host.succeed(result)
    #expect(result.lines == ["1", "content", "2", "4710", "5:6", "new"])
    #expect(try host.read(data.appending("one")) == "1\n")
  }

  @Test func attributesAreCopied() throws {
    let source = host.directory.appending("source")
    let target = host.directory.appending("target")
    for path in [source, target] { try makeDirectories(path) }
    try host.write(source.appending("file"), "")
    let file = try openat2(workingDirectory, source.appending("file").string, flags: O_RDONLY)
    try setExtendedAttribute(file.number, "trusted.mark", [1, 2])
    let from = try openat2(workingDirectory, source.string, flags: O_RDONLY | O_DIRECTORY)
    let to = try openat2(workingDirectory, target.string, flags: O_RDONLY | O_DIRECTORY)
    try TreeCopy.copy(from.number, to: to.number)
    let copy = try openat2(workingDirectory, target.appending("file").string, flags: O_RDONLY)
    #expect(try extendedAttribute(copy.number, "trusted.mark") == [1, 2])
  }

  // MARK: Propagation

  /// As crun has it: the volume follows the root where it says nothing itself.
  @Test(
    arguments: [
      (nil, nil, ""), (nil, "rslave", "master"), (nil, "rshared", "shared"), (nil, "rprivate", ""),
      ("rslave", nil, "master"), ("rshared", nil, "shared"), ("shared", nil, "shared"), ("rshared", "rprivate", ""),
      ("rslave", "rshared", "shared"), ("private", nil, ""),
    ] as [(String?, String?, String)])
  func propagationOfAVolume(_ root: String?, _ option: String?, _ expected: String) throws {
    let volume = try volume()
    try Mounts.mount("tmpfs", source: "tmpfs", on: volume.string, data: "")
    defer { try? Mounts.detach(volume.string) }
    try Mounts.propagate(volume.string, .shared, recursive: false)
    let result = try host.shell("grep ' /data ' /proc/self/mountinfo") {
      $0.linux?.rootfsPropagation = root
      $0.mounts?.append(
        ContainerMount(destination: "/data", source: volume.string, options: ["rbind"] + (option.map { [$0] } ?? [])))
    }
    try host.succeed(result)
    let tags = result.output.split(separator: " ").dropFirst(6).prefix { $0 != "-" }.joined(separator: " ")
    #expect(expected.isEmpty ? tags.isEmpty : tags.hasPrefix(expected), "\(tags)")
  }

  @Test(arguments: [
    ("shared", "shared"), ("rshared", "shared"), ("private", ""), ("rprivate", ""), ("unbindable", "unbindable"),
    ("slave", "master"), ("rslave", "master"),
  ])
  func propagationOfTheRoot(_ name: String, _ expected: String) throws {
    let root = host.directory.appending("shared-root")
    try makeDirectories(root)
    try Mounts.mount("tmpfs", source: "tmpfs", on: root.string, data: "")
    defer { try? Mounts.detach(root.string) }
    try Mounts.propagate(root.string, .shared, recursive: false)
    try host.makeRoot(root)
    let result = try host.shell("grep ' / / ' /proc/self/mountinfo") {
      $0.root?.path = root.string
      $0.linux?.rootfsPropagation = name
    }
    try host.succeed(result)
    let tags = result.output.split(separator: " ").dropFirst(6).prefix { $0 != "-" }.joined(separator: " ")
    #expect(expected.isEmpty ? tags.isEmpty : tags.hasPrefix(expected), "\(tags)")
  }

  /// What is mounted in the container appears on the host, for a volume that is shared with it.
  @Test func aSharedVolumeReachesTheHost() throws {
    let volume = try volume()
    try Mounts.mount("tmpfs", source: "tmpfs", on: volume.string, data: "")
    defer { try? Mounts.detach(volume.string) }
    try Mounts.propagate(volume.string, .shared, recursive: false)
    try makeDirectories(volume.appending("inner"))
    let bundle = try host.bundle(
      "sharer", ["sh", "-c", "mount -t tmpfs tmpfs /data/inner && touch /data/inner/seen && sleep 60"]
    ) {
      $0.process?.capabilities = LinuxCapabilities(allowing: ["CAP_SYS_ADMIN"])
      $0.linux?.rootfsPropagation = "rshared"
      $0.mounts?.append(ContainerMount(destination: "/data", source: volume.string, options: ["rbind", "rshared"]))
    }
    try host.succeed(host.runtime("create", "--bundle", bundle.string, "sharer"))
    try host.succeed(host.runtime("start", "sharer"))
    #expect(eventually { access(volume.appending("inner/seen").string, F_OK) == 0 })
    try Mounts.detach(volume.appending("inner").string)
  }

  // MARK: Owners

  @Test func ownersAreMapped() throws {
    let volume = try volume()
    func owner(_ mount: ContainerMount, _ change: (inout RuntimeConfig) -> Void = { _ in }) throws -> RuntimeHost.Result
    {
      try host.shell("stat -c %u:%g /data/file") {
        $0.mounts?.append(mount)
        change(&$0)
      }
    }
    let mapping = [LinuxIDMapping(containerID: 0, hostID: 5000, size: 1000)]
    // A file system that maps no owners cannot be used for this.
    let probe = try owner(
      ContainerMount(
        destination: "/data", source: volume.string, options: ["bind", "idmap"], uidMappings: mapping,
        gidMappings: mapping))
    if probe.errorOutput.contains("Invalid argument") {
      print("SKIPPED: idmapped mounts: the file system of \(host.directory) has none")
      return
    }
    #expect(probe.lines == ["5000:5000"])
    // In a user namespace that maps the same, the owner is the one outside.
    let inside = try owner(ContainerMount(destination: "/data", source: volume.string, options: ["rbind", "ridmap"])) {
      mapped(&$0, 100_000)
    }
    #expect(inside.lines == ["0:0"], "\(inside.errorOutput)")
    let without = try owner(ContainerMount(destination: "/data", source: volume.string, options: ["bind", "idmap"]))
    #expect(without.status == 1)
    #expect(without.errorOutput.contains("no mappings"))
  }

  // MARK: Kernel file systems

  @Test func cgroupInEachCombinationOfNamespaces() throws {
    for cgroup in [true, false] {
      for user in [true, false] {
        for option in ["ro", "rw"] {
          let result = try host.shell("mount | grep ' /sys/fs/cgroup '; cat /proc/self/cgroup") { config in
            if !cgroup { config.linux?.namespaces?.removeAll { $0.type == .cgroup } }
            if user { mapped(&config) }
            for index in config.mounts!.indices where config.mounts![index].type == "cgroup" {
              config.mounts![index].options = [option, "nosuid", "noexec", "nodev"]
            }
          }
          try host.succeed(result)
          let line = try #require(result.lines.first, "\(cgroup) \(user) \(option)")
          #expect(line.contains("nosuid"), "\(line)")
          if option == "ro" { #expect(line.contains("(ro,"), "\(line)") }
        }
      }
    }
  }

  @Test func kernelFileSystemsOfSharedNamespacesInAUserNamespace() throws {
    let result = try host.shell("mount | grep -e ' /sys ' -e ' /dev/mqueue '; ls /sys/class") {
      $0.linux?.namespaces?.removeAll { $0.type == .network }
      mapped(&$0)
    }
    try host.succeed(result)
    #expect(result.output.contains("sysfs on /sys") && result.output.contains("net"))
  }

  @Test func aReadOnlyRootLeavesMountsWritable() throws {
    let volume = try volume()
    let result = try host.shell("touch /x; touch /data/x && echo written; touch /tmp2/x && echo written") {
      $0.root?.readonly = true
      $0.mounts? += [
        ContainerMount(destination: "/data", source: volume.string, options: ["bind"]),
        ContainerMount(destination: "/tmp2", type: "tmpfs", source: "tmpfs"),
      ]
    }
    #expect(result.lines == ["written", "written"])
    #expect(result.errorOutput.contains("Read-only"))
  }
}
