import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

enum AppArmorParser {
  static let program: FilePath = "/sbin/apparmor_parser"

  /// With a kernel that takes what it makes.
  static let isThere: Bool = {
    guard RuntimeHost.hasUnifiedTree else { return false }
    if BundleCheck.hasAppArmor, access(program.string, X_OK) == 0 { return true }
    print("SKIPPED: tests of AppArmor profiles: this kernel has none, or the parser is missing (Debian: apparmor)")
    return false
  }()
}

/// Profiles that the kernel enforces. The guest of `make test-vm` has AppArmor.
@Suite(.enabled(if: AppArmorParser.isThere, "needs AppArmor and its parser in the guest: make test-vm"), .serialized)
struct GuestAppArmorTests {
  let host: RuntimeHost

  init() throws { host = try RuntimeHost() }

  /// Lets everything but writing below /tmp.
  private func withProfile(_ body: (String) throws -> Void) throws {
    let name = "clipper-test-\(UInt32.random(in: 0...UInt32.max))"
    let file = host.directory.appending("profile")
    let rules = "file, network, capability, signal, mount, umount, ptrace, unix, deny /tmp/** w,"
    try host.write(file, "profile \(name) flags=(attach_disconnected) { \(rules) }\n")
    func parse(_ flag: String) throws {
      let run = try Spawn(AppArmorParser.program, ["--skip-cache", flag, file.string]).capture(milliseconds: 60_000)
      try #require(run.status == .exited(0), "\(String(decoding: run.errorOutput, as: UTF8.self))")
    }
    try parse("--replace")
    defer { try? parse("--remove") }
    try body(name)
  }

  private let script = "cat /proc/self/attr/current; echo x > /tmp/file && echo written; echo x > /root/file && echo other"

  @Test func aProfileConfines() throws {
    try withProfile { profile in
      let result = try host.shell(script) { $0.process?.apparmorProfile = profile }
      #expect(result.lines == ["\(profile) (enforce)", "other"], "\(result.errorOutput)")
      #expect(result.errorOutput.contains("Permission denied"))
    }
  }

  @Test func aProcessOfExecIsConfinedToo() throws {
    try withProfile { profile in
      try host.started("one", ["sleep", "1000"]) { $0.process?.apparmorProfile = profile }
      #expect(try host.runtime("exec", "one", "sh", "-c", script).lines == ["\(profile) (enforce)", "other"])
      // By the flag alone, beside a container that runs without.
      try host.started("two", ["sleep", "1000"])
      #expect(try host.runtime("exec", "two", "cat", "/proc/self/attr/current").lines == ["unconfined"])
      let flag = try host.runtime("exec", "--apparmor", profile, "two", "cat", "/proc/self/attr/current")
      #expect(flag.lines == ["\(profile) (enforce)"], "\(flag.errorOutput)")
    }
  }

  @Test func aProfileThatIsNotLoadedStartsNothing() throws {
    let result = try host.shell("echo started") { $0.process?.apparmorProfile = "clipper-nonesuch" }
    #expect(result.status == 1)
    #expect(result.output.isEmpty)
    #expect(result.errorOutput.contains("clipper-nonesuch, which is not loaded"), "\(result.errorOutput)")
    #expect(try host.runtime("list", "-q").output.isEmpty)
  }

  @Test func unconfinedIsNoProfile() throws {
    let result = try host.shell("cat /proc/self/attr/current") { $0.process?.apparmorProfile = "unconfined" }
    #expect(result.lines == ["unconfined"], "\(result.errorOutput)")
  }
}
