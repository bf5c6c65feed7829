import CSeccomp
import RuntimeSpec

extension VerbContext {
  /// What this runtime can do, whatever the host can. (runtime-spec, features.md)
  func features(_ words: ArraySlice<String>) throws -> Int32 {
    try Arguments(words, [], command: "features").noOperands("features")
    RuntimeProgram.output(String(decoding: try JSONText.encode(Features(), pretty: true), as: UTF8.self) + "\n")
    return 0
  }
}

/// (runtime-spec, features.md and features-linux.md)
struct Features: Encodable {
  let ociVersionMin = "1.0.0"
  let ociVersionMax = RuntimeConfig.version
  let hooks = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
  let mountOptions = MountOptions.known
  let linux = LinuxSupport()
  let annotations = [
    "dev.clipper.version": RuntimeProgram.version, "io.github.seccomp.libseccomp.version": SeccompProgram.library,
  ]
  /// Of config.json: the root, the filter and the first process depend on these.
  let potentiallyUnsafeConfigAnnotations = ["dev.clipper.", "org.systemd.property."]

  struct LinuxSupport: Encodable {
    let namespaces = LinuxNamespace.Kind.allCases.map(\.rawValue).sorted()
    let capabilities = DockerDefaults.allCapabilities
    let cgroup = CgroupSupport()
    let seccomp = SeccompSupport()
    let apparmor = Switch()
    let selinux = Switch()
    let intelRdt = ResourceControlSupport()
    let memoryPolicy = MemoryPolicySupport()
    let mountExtensions = MountExtensions()
    let netDevices = Switch()
  }

  struct Switch: Encodable { let enabled = true }

  struct CgroupSupport: Encodable {
    let v1 = false, v2 = true, systemd = true, systemdUser = true, rdma = true
  }

  struct SeccompSupport: Encodable {
    let enabled = true
    let actions = SeccompAction.allCases.map(\.rawValue).sorted()
    let operators = SeccompOperator.allCases.map(\.rawValue).sorted()
    let archs = SeccompCompiler.architectures
    let knownFlags = SeccompCompiler.flags.keys.sorted()
    let supportedFlags = SeccompCompiler.flags.keys.sorted()
  }

  struct ResourceControlSupport: Encodable { let enabled = true, schemata = true, monitoring = true }

  struct MemoryPolicySupport: Encodable {
    let modes = MemoryPolicy.modes
    let flags = MemoryPolicy.flags.keys.sorted()
  }

  struct MountExtensions: Encodable { let idmap = Switch() }
}
