internal import Glibc
internal import RuntimeSpec

/// A seccomp profile in Docker's form, which depends on the container's capabilities, the architecture and the kernel.
/// (moby, profiles/seccomp)
struct SeccompProfile: Decodable {
  struct Conditions: Decodable {
    var caps: [String]?
    var arches: [String]?
    var minKernel: String?
  }

  struct ArchitectureMap: Decodable {
    var architecture: String
    var subArchitectures: [String]?
  }

  struct Rule: Decodable {
    var name: String?
    var names: [String]?
    var action: SeccompAction
    var errnoRet: UInt32?
    var args: [SeccompArgument]?
    var includes: Conditions?
    var excludes: Conditions?
  }

  var defaultAction: SeccompAction
  var defaultErrnoRet: UInt32?
  var architectures: [String]?
  var archMap: [ArchitectureMap]?
  var flags: [String]?
  var syscalls: [Rule]?

  struct Surroundings {
    var capabilities: Set<String>
    /// Docker's name: `amd64`, `arm64`.
    var architecture: String
    /// Version and major revision.
    var kernel: (Int, Int)

    static func current(capabilities: [String]) -> Surroundings {
      var name = utsname()
      uname(&name)
      let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      #if arch(arm64)
        let architecture = "arm64"
      #else
        let architecture = "amd64"
      #endif
      return Surroundings(
        capabilities: Set(capabilities), architecture: architecture, kernel: Self.version(release) ?? (0, 0))
    }

    static func version(_ text: String) -> (Int, Int)? {
      let parts = text.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
      return parts.count == 2 ? (parts[0], parts[1]) : nil
    }
  }

  init(parsing json: String) throws {
    do { self = try decodedJSON(json) } catch {
      throw EngineError.input("Decoding seccomp profile failed: \(error)")
    }
  }

  func filter(_ surroundings: Surroundings) -> LinuxSeccomp {
    var filter = LinuxSeccomp(defaultAction: defaultAction, defaultErrnoRet: defaultErrnoRet, flags: flags)
    let native = surroundings.architecture == "arm64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"
    if let map = archMap?.first(where: { $0.architecture == native }) {
      filter.architectures = [map.architecture] + (map.subArchitectures ?? [])
    } else {
      filter.architectures = architectures
    }
    filter.syscalls = (syscalls ?? []).compactMap { rule in
      let names = rule.names ?? rule.name.map { [$0] } ?? []
      guard !names.isEmpty, applies(rule, surroundings) else { return nil }
      return SeccompRule(names: names, action: rule.action, errnoRet: rule.errnoRet, args: rule.args)
    }
    return filter
  }

  private func applies(_ rule: Rule, _ surroundings: Surroundings) -> Bool {
    if let excludes = rule.excludes {
      if excludes.arches?.contains(surroundings.architecture) ?? false { return false }
      if excludes.caps?.contains(where: surroundings.capabilities.contains) ?? false { return false }
      if let least = excludes.minKernel, isAtLeast(least, surroundings) { return false }
    }
    guard let includes = rule.includes else { return true }
    if let arches = includes.arches, !arches.isEmpty, !arches.contains(surroundings.architecture) { return false }
    if let caps = includes.caps, !caps.allSatisfy(surroundings.capabilities.contains) { return false }
    if let least = includes.minKernel, !isAtLeast(least, surroundings) { return false }
    return true
  }

  private func isAtLeast(_ least: String, _ surroundings: Surroundings) -> Bool {
    Surroundings.version(least).map { surroundings.kernel >= $0 } ?? false
  }
}
