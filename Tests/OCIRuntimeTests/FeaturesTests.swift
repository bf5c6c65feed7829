import RuntimeSpec
import Testing

@testable import OCIRuntime

/// (runtime-spec, features.md and features-linux.md)
@Suite struct FeaturesTests {
  private struct Document: Decodable {
    struct Linux: Decodable {
      struct Seccomp: Decodable {
        let archs: [String], knownFlags: [String], supportedFlags: [String], actions: [String]
      }
      struct Policy: Decodable { let modes: [String], flags: [String] }
      struct Switch: Decodable { let enabled: Bool }
      struct Control: Decodable { let enabled: Bool, schemata: Bool, monitoring: Bool }
      struct Extensions: Decodable { let idmap: Switch }
      let namespaces: [String], capabilities: [String]
      let seccomp: Seccomp, memoryPolicy: Policy, netDevices: Switch, intelRdt: Control, mountExtensions: Extensions
    }
    let ociVersionMin: String, ociVersionMax: String
    let hooks: [String], mountOptions: [String], potentiallyUnsafeConfigAnnotations: [String]
    let annotations: [String: String]
    let linux: Linux
  }

  private func document() throws -> Document {
    try JSONText.decode(Document.self, JSONText.encode(Features()), name: "features")
  }

  @Test func listsWhatTheSpecificationNames() throws {
    let features = try document()
    #expect(features.ociVersionMax == "1.3.0")
    #expect(features.hooks.count == 6)
    #expect(features.linux.namespaces == ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"])
    #expect(features.linux.capabilities.count == 41)
    #expect(features.linux.seccomp.actions.count == 9)
    #expect(features.linux.seccomp.knownFlags.count == 4)
    #expect(features.linux.memoryPolicy.modes.count == 7 && features.linux.memoryPolicy.flags.count == 3)
    #expect(features.linux.intelRdt.schemata && features.linux.intelRdt.monitoring)
    #expect(features.linux.netDevices.enabled && features.linux.mountExtensions.idmap.enabled)
    #expect(features.potentiallyUnsafeConfigAnnotations.contains("dev.clipper."))
    #expect(features.annotations["io.github.seccomp.libseccomp.version"]?.hasPrefix("2.") == true)
  }

  /// The table of config.md, Linux mount options.
  @Test func everyMountOptionIsUnderstood() throws {
    let words = """
      async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec
      noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime
      relatime remount rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate
      rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid
      symfollow sync tmpcopyup unbindable idmap ridmap
      """
    let known = Set(try document().mountOptions)
    for word in words.split(whereSeparator: \.isWhitespace).map({ String($0) }) {
      #expect(known.contains(word), "\(word)")
      let options = try MountOptions([word])
      let isFlag = ["dirsync", "iversion", "lazytime", "mand", "silent", "sync"].contains(word)
      #expect(options.flags == (isFlag ? [word] : []), "\(word)")
    }
  }

  @Test func everyArchitectureHasAFilter() throws {
    let archs = try document().linux.seccomp.archs
    // 23 from libseccomp 2.6 on.
    #expect(archs.count >= 19)
    for name in archs {
      _ = try SeccompCompiler.compile(
        LinuxSeccomp(
          defaultAction: .allow, architectures: [name], syscalls: [SeccompRule(names: ["mkdir"], action: .errno)]))
    }
  }
}
