import BuildGraph
import DockerfileSyntax
import FoundationEssentials
import ImageSpec
import KubeManifests

@testable import ConfigurationFiles
@testable import RegistryClient
@testable import RegistryServer

extension FuzzTarget {
  /// Files that come with what somebody else wrote, or that a slip of the hand may break.
  static let files = [
    FuzzTarget("settings") { bytes in
      guard let read = settings(bytes) else { return }
      let shown = read.text()
      guard let again = settings(Array(shown.utf8)) else { return require(false, "what is shown is refused: \(shown)") }
      // Entries of a list stand in the file alone.
      let whole = read.settings.filter { !$0.section.contains("[") }
      require(whole.map(\.values) == again.settings.map(\.values), "\(shown) is read as \(again.text())")
    },
    FuzzTarget("passwords") { bytes in
      guard let users = try? PasswordFile.parse(bytes, "users") else { return }
      for (name, hash) in users {
        require(!name.isEmpty && !name.contains(":") && Bcrypt.isHash(hash), "\(name):\(hash)")
      }
    },
    FuzzTarget("image-policies") { bytes in
      guard let policy = try? JSONDecoder().decode(ImagePolicy.Document.self, from: Data(bytes)) else { return }
      let digest = "sha256:" + String(repeating: "a", count: 64)
      for text in ["registry.example/team/app:1", "docker.io/library/debian@\(digest)"] {
        guard let name = try? Reference(parsing: text) else { continue }
        // Not what would read files.
        for entry in policy.requirements(for: name) where entry.keyPath == nil && entry.keyPaths == nil {
          guard let requirement = try? entry.checked("policy.json") else { continue }
          if case .signed(let keys, let identity) = requirement {
            require(!keys.isEmpty || entry.keyDatas?.isEmpty == true, "signed by nobody")
            _ = identity.matches(name, signed: text)
          }
        }
      }
    },
    FuzzTarget("credentials") { bytes in
      guard var file = try? CredentialFile(parsing: bytes, from: "config.json") else { return }
      for host in file.hosts.prefix(8) + ["registry.example"] {
        _ = file.helperName(for: host)
        if let found = try? file.entry(for: host, repository: "team/app") {
          file.set(found, for: host)
          require((try? file.entry(for: host, repository: nil)) != nil, "the entry of \(host) is lost")
        }
      }
    },
    FuzzTarget(text: "dockerfiles") { text in
      guard let file = try? Dockerfile(parsing: text, file: "Dockerfile") else { return }
      require(!file.stages.isEmpty, "no stage")
      guard let plan = try? BuildPlan(file, BuildRequest(arguments: ["A": "b"])), let needed = try? plan.neededStages()
      else { return }
      require(needed.last == plan.target, "the target is not the last of \(needed)")
      for index in needed {
        _ = try? LoweredStage(plan, stage: index, from: ImageState(scratch: plan.stage(index).platform))
      }
      _ = try? plan.neededImages()
    },
    // The last line is a path.
    FuzzTarget(text: "ignore-files") { text in
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let path = String(lines.last ?? "")
      let rules = lines.dropLast().joined(separator: "\n")
      guard let file = try? IgnoreFile(parsing: rules, file: ".dockerignore") else { return }
      require(!file.isEmpty || !file.ignores(path), "ignored by nothing")
    },
    FuzzTarget("kube") { bytes in
      let manifest = Manifest(parsing: bytes, file: "pod.yaml")
      require(!manifest.objects.isEmpty || !manifest.errors.isEmpty, "neither an object nor an error")
      _ = try? Manifest.keys(in: bytes, file: "pod.yaml")
    },
  ]

  private static func settings(_ bytes: [UInt8]) -> EffectiveConfiguration? {
    guard let reader = try? ConfigurationReader(bytes, name: "f", environment: [:], flags: []) else { return nil }
    let section = reader.section("a")
    _ = section.value("text", default: "", isLive: true)
    _ = section.value("switch", default: false)
    _ = section.value("count", default: 1, in: 0...1_000_000)
    _ = section.value("rate", default: 1.0)
    _ = section.value("time", default: TimeSpan.seconds(1))
    _ = section.value("size", default: ByteCount(1))
    _ = section.optional("maybe", as: String.self)
    _ = section.list("texts", default: [String]())
    _ = section.list("sizes", default: [ByteCount]())
    for entry in section.entries("entries") {
      _ = entry.optional("name", as: String.self)
      entry.end()
    }
    return try? reader.finish()
  }
}
