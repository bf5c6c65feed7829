public import ConfigurationFiles
internal import Kernel
public import RegistryServer
internal import SystemPackage

/// Policies about signatures beside those of `clipper registry signature-policy`, of every realm. They change while the
/// server runs.
struct SignaturesSection: Sendable {
  let policies: [(name: String, rule: SignatureRule)]

  init(_ section: ConfigurationReader.Section) {
    var policies: [(name: String, rule: SignatureRule)] = []
    for entry in section.entries("policies") {
      let name = entry.value("name", default: "", isLive: true)
      let repositories: [String] = entry.list("repositories", isLive: true)
      let files: [String] = entry.list("keys", isLive: true)
      let required = entry.value("required", default: 1, isLive: true)
      let exemptTags: [String] = entry.list("exempt-tags", isLive: true)
      let stages: [SignatureRule.Stage] = entry.list("at", default: SignatureRule.Stage.allCases, isLive: true)
      let mode = entry.value("mode", default: SignatureRule.Mode.enforce, isLive: true)
      entry.end()
      do {
        let rule = SignatureRule(
          repositories: repositories, keys: try files.map(Self.key), required: required, exemptTags: exemptTags,
          stages: Set(stages), mode: mode)
        _ = try rule.checked()
        if name.isEmpty { entry.refuse("name", "a policy needs a name") }
        if policies.contains(where: { $0.name == name }) { entry.refuse("name", "two policies are called \"\(name)\"") }
        policies.append((name, rule))
      } catch {
        entry.refuse("keys", "\(error)")
      }
    }
    self.policies = policies
  }

  /// `[NAME=]FILE`: a public key in PEM; its name is the file's where none is given.
  static func key(_ text: String) throws -> SignatureRule.Key {
    let halves = text.split(separator: "=", maxSplits: 1)
    let path = FilePath(halves.last.map { String($0) } ?? "")
    let name = halves.count == 2 ? String(halves[0]) : path.lastComponent?.string ?? text
    do {
      return SignatureRule.Key(name: name, pem: String(decoding: try readFile(path, limit: 64 << 10), as: UTF8.self))
    } catch {
      throw Failure("cannot read the key \(path): \(error)")
    }
  }
}

extension SignatureRule.Stage: ConfigurationValue {}
extension SignatureRule.Mode: ConfigurationValue {}
