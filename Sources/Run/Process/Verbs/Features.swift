import RuntimeSpec

extension VerbContext {
  /// What this runtime can do. (runtime-spec, features.md)
  func features(_ words: ArraySlice<String>) throws -> Int32 {
    try Arguments(words, [], command: "features").noOperands("features")
    let features = Features(
      ociVersionMin: "1.0.0", ociVersionMax: RuntimeConfig.version,
      hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
      mountOptions: MountOptions.known,
      linux: .init(
        namespaces: LinuxNamespace.Kind.allCases.map(\.rawValue), capabilities: DockerDefaults.allCapabilities,
        cgroup: .init(v1: false, v2: true, systemd: true, systemdUser: true, rdma: true),
        seccomp: .init(
          enabled: true, actions: SeccompAction.allCases.map(\.rawValue),
          operators: SeccompOperator.allCases.map(\.rawValue)),
        apparmor: .init(enabled: true), selinux: .init(enabled: true), intelRdt: .init(enabled: false)),
      annotations: ["dev.clipper.version": RuntimeProgram.version])
    RuntimeProgram.output(String(decoding: try JSONText.encode(features, pretty: true), as: UTF8.self) + "\n")
    return 0
  }
}

private struct Features: Encodable {
  struct Switch: Encodable { let enabled: Bool }
  struct CgroupSupport: Encodable { let v1: Bool, v2: Bool, systemd: Bool, systemdUser: Bool, rdma: Bool }
  struct SeccompSupport: Encodable { let enabled: Bool, actions: [String], operators: [String] }
  struct LinuxSupport: Encodable {
    let namespaces: [String], capabilities: [String]
    let cgroup: CgroupSupport, seccomp: SeccompSupport, apparmor: Switch, selinux: Switch, intelRdt: Switch
  }
  let ociVersionMin: String, ociVersionMax: String
  let hooks: [String], mountOptions: [String]
  let linux: LinuxSupport
  let annotations: [String: String]
}
