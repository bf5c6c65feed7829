import Kernel
import RuntimeSpec
import SystemPackage
import Testing

@testable import OCIRuntime

/// config.json is somebody else's text: whatever it says, it is understood or refused with a reason.
@Suite struct BundleFuzzTests {
  /// The same numbers each time: what fails once fails again. (splitmix64)
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
      return z ^ z >> 31
    }
  }

  private func valid() throws -> [UInt8] {
    var config = RuntimeConfig(
      process: ContainerProcess(
        args: ["sh", "-c", "true"], env: ["PATH=/bin"], capabilities: LinuxCapabilities(allowing: ["CAP_KILL"]),
        rlimits: [ResourceLimit(type: "RLIMIT_NOFILE", hard: 1024, soft: 512)]),
      root: ContainerRoot(path: "rootfs"), hostname: "box", mounts: DockerDefaults.mounts(),
      linux: LinuxConfig(
        resources: LinuxResources(devices: DockerDefaults.deviceRules, memory: LinuxMemory(limit: 1 << 30)),
        namespaces: [.pid, .network, .ipc, .uts, .mount, .cgroup].map { LinuxNamespace(type: $0) },
        maskedPaths: DockerDefaults.maskedPaths, readonlyPaths: DockerDefaults.readonlyPaths))
    config.linux?.sysctl = ["net.ipv4.ip_forward": "1"]
    config.linux?.seccomp = LinuxSeccomp(
      defaultAction: .allow, syscalls: [SeccompRule(names: ["mkdir"], action: .errno, errnoRet: 1)])
    config.hooks = ContainerHooks(poststop: [ContainerHook(path: "/bin/true", args: ["true"], timeout: 3)])
    return try JSONText.encode(config)
  }

  /// As far as a start goes before it makes anything.
  private func use(_ text: [UInt8]) throws {
    let bundle = try Bundle(path: "/nonesuch", text: text, name: "config.json")
    let config = bundle.config
    try BundleCheck(config).run()
    for mount in config.mounts ?? [] { _ = try MountOptions(mount.options ?? []) }
    if let resources = config.linux?.resources {
      _ = try Limits.limits(resources)
      _ = try Limits.deviceRules(resources.devices ?? [])
    }
    if let process = config.process {
      _ = try CapabilityPlan(process.capabilities, available: .all, warn: { _ in })
      _ = try SeccompProgram.make(bundle, process, cache: nil)
    }
    _ = try OverlayRoot(bundle)
    _ = try JSONText.encode(config)
  }

  private static let words = [
    "", "null", "true", "-1", "0", "1e400", "99999999999999999999", "-9223372036854775808", "9223372036854775807",
    "18446744073709551615", "4294967296", "0.5", "[]", "{}", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"/../..\"",
    "\"x\"", "[[[[", "}}", ",", ":", "\"a\":", "\u{ff}", "\"\\", "\n",
  ]

  @Test(arguments: 0..<8)
  func mutationsAreUnderstoodOrRefused(_ seed: UInt64) throws {
    var numbers = Numbers(state: seed)
    let text = try valid()
    try use(text)
    var refused = 0
    for _ in 0..<100 {
      var mutant = text
      for _ in 0...Int.random(in: 0...3, using: &numbers) { mutate(&mutant, &numbers) }
      do { try use(mutant) } catch {
        refused += 1
        #expect(!"\(error)".isEmpty)
      }
    }
    #expect(refused > 0)
  }

  /// Values in place of values: these still are JSON, and reach the checks behind it.
  @Test(arguments: 0..<8)
  func otherValuesAreUnderstoodOrRefused(_ seed: UInt64) throws {
    var numbers = Numbers(state: 1000 + seed)
    let text = try valid()
    // Where values begin: behind a colon.
    let places = text.indices.filter { text[$0] == UInt8(ascii: ":") && $0 + 1 < text.count }
    for _ in 0..<100 {
      let place = places.randomElement(using: &numbers) ?? 0
      var end = place + 1
      var depth = 0
      var quoted = false
      while end < text.count {
        let byte = text[end]
        if byte == UInt8(ascii: "\"") { quoted.toggle() }
        if !quoted {
          if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
          if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
          if depth < 0 || depth == 0 && byte == UInt8(ascii: ",") { break }
        }
        end += 1
      }
      let word = Self.words.randomElement(using: &numbers) ?? ""
      let mutant = Array(text[...place]) + Array(word.utf8) + Array(text[end...])
      do { try use(mutant) } catch { #expect(!"\(error)".isEmpty) }
    }
  }

  private func mutate(_ text: inout [UInt8], _ numbers: inout Numbers) {
    guard !text.isEmpty else { return }
    let place = Int.random(in: 0..<text.count, using: &numbers)
    switch Int.random(in: 0..<5, using: &numbers) {
    case 0: text[place] = UInt8.random(in: 0...255, using: &numbers)
    case 1: text[place] ^= 1 << UInt8.random(in: 0..<8, using: &numbers)
    case 2: text.removeSubrange(place..<min(text.count, place + Int.random(in: 1...40, using: &numbers)))
    case 3: text.insert(contentsOf: Array((Self.words.randomElement(using: &numbers) ?? "").utf8), at: place)
    default: text.insert(contentsOf: text[place..<min(text.count, place + 60)], at: place)
    }
  }

  /// Depth and length are bounded before they are a matter of memory.
  @Test func deepTextIsRefused() throws {
    for opening in ["[", "{\"a\":"] {
      let text = Array(String(repeating: opening, count: 1_000_000).utf8)
      #expect(throws: (any Error).self) { try use(text) }
    }
  }
}
