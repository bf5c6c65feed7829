import Foundation
import ImageSpec
import SystemPackage
import Testing

@testable import RegistryClient

@Suite struct ImagePolicyTests {
  private static let key = """
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3a0eksdCV4FS6nLYrn5ESOD18jjB
    Llvp8MCOlxLEL6medFoEmskbAFxrkr47Ytnc1Ufq0c3V2PQ0AmBdtObj9w==
    -----END PUBLIC KEY-----
    """

  private func requirements(_ json: String, _ name: String) throws -> [ImagePolicy.Requirement] {
    let path = FilePath(FileManager.default.temporaryDirectory.path).appending("policy-\(UUID()).json")
    try Data(json.utf8).write(to: URL(fileURLWithPath: path.string))
    defer { try? FileManager.default.removeItem(atPath: path.string) }
    return try ImagePolicy(path: path).requirements(for: Reference(parsing: name))
  }

  private func kind(_ requirement: ImagePolicy.Requirement) -> String {
    switch requirement {
    case .accept: "accept"
    case .reject: "reject"
    case .signed(let keys, let identity): "signed \(keys.count) \(identity)"
    }
  }

  @Test func takesTheMostSpecificScope() throws {
    let json = """
      {"default": [{"type": "reject"}], "transports": {"docker": {
        "registry.example:5000/team/app:1": [{"type": "insecureAcceptAnything"}],
        "registry.example:5000/team": [{"type": "sigstoreSigned", "keyData": "\(Data(Self.key.utf8).base64EncodedString())",
          "signedIdentity": {"type": "matchRepository"}}],
        "*.example.org": [{"type": "insecureAcceptAnything"}]}, "atomic": {"": [{"type": "insecureAcceptAnything"}]}}}
      """
    for (name, expected) in [
      ("registry.example:5000/team/app:1", "accept"), ("registry.example:5000/team/app:2", "signed 1 repository"),
      ("registry.example:5000/teams/app:2", "reject"), ("a.b.example.org:5000/x", "accept"),
      ("example.org/x", "reject"),
      ("busybox", "reject"),
    ] {
      #expect(try requirements(json, name).map(kind) == [expected], "\(name)")
    }
  }

  @Test func letsEverythingComeWithoutAPolicy() throws {
    #expect(try ImagePolicy(path: nil).requirements(for: Reference(parsing: "a")).isEmpty)
  }

  /// What cannot be checked refuses the images that it is about, and no others.
  @Test(arguments: [
    #"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/x"}"#, #"{"type":"sigstoreSigned"}"#, #"{"type":"another"}"#,
    #"{"type":"sigstoreSigned","keyPath":"/nonexistent"}"#, #"{"type":"sigstoreSigned","keyData":"!"}"#,
    #"{"type":"sigstoreSigned","fulcio":{}}"#, #"{"type":"sigstoreSigned","keyPath":"/x","rekorPublicKeyPath":"/y"}"#,
    #"{"type":"sigstoreSigned","keyPath":"/x","keyData":"eA=="}"#,
  ])
  func refusesWhatItCannotCheck(_ requirement: String) throws {
    let json =
      #"{"default":[{"type":"insecureAcceptAnything"}],"transports":{"docker":{"a.example":[\#(requirement)]}}}"#
    #expect(throws: ImagePolicyError.self) { try requirements(json, "a.example/x") }
    #expect(try requirements(json, "b.example/x").map(kind) == ["accept"])
  }

  @Test(arguments: ["", "{", "{}", #"{"default":1}"#])
  func refusesWhatIsNoPolicy(_ json: String) {
    #expect(throws: ImagePolicyError.self) { try requirements(json, "a") }
  }

  @Test func comparesIdentities() throws {
    let digest = "sha256:" + String(repeating: "ab", count: 32)
    let cases: [(ImagePolicy.Identity, String, String, Bool)] = [
      (.exact, "r.example/a:1", "r.example/a:1", true), (.exact, "r.example/a:1", "r.example/a", false),
      (.repositoryDigestOrExact, "r.example/a:1", "r.example/a:2", false),
      (.repositoryDigestOrExact, "r.example/a@\(digest)", "r.example/a:2", true),
      (.repositoryDigestOrExact, "r.example/a@\(digest)", "r.example/b:2", false),
      (.repository, "r.example/a:1", "r.example/a", true), (.repository, "r.example/a:1", "r.example/a/b", false),
      (.repository, "busybox:1", "docker.io/library/busybox", true),
      (.reference("r.example/x:1"), "mirror.example/a:1", "r.example/x:1", true),
      (.exactRepository("r.example/x"), "mirror.example/a:1", "r.example/x:7", true),
      (.exactRepository("r.example/x"), "mirror.example/a:1", "r.example/y:7", false),
      (.remapped(prefix: "mirror.example", signedPrefix: "r.example"), "mirror.example/a:1", "r.example/a:1", true),
      (
        .remapped(prefix: "mirror.example", signedPrefix: "r.example"), "mirror.example/a:1", "mirror.example/a:1",
        false
      ),
      (.remapped(prefix: "mirror.example", signedPrefix: "r.example"), "other.example/a:1", "other.example/a:1", true),
      (.repository, "r.example/a:1", "not a reference!", false),
    ]
    for (identity, name, signed, matches) in cases {
      #expect(
        identity.matches(try Reference(parsing: name), signed: signed) == matches, "\(identity) \(name) \(signed)")
    }
  }
}
