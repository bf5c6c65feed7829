import FoundationEssentials
import Glibc
import Kernel
import RegistryClient
import SystemPackage
import TestDirectories
import Testing

extension TestDirectory {
  func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws {
    try writeFileAtomically(path.appending(name), Array(text.utf8), mode: mode)
  }
  func read(_ name: String) throws -> String { String(decoding: try readFile(path.appending(name)), as: UTF8.self) }
  func mode(_ name: String) -> UInt32 {
    var status = stat()
    stat(path.appending(name).string, &status)
    return status.st_mode & 0o777
  }
  func store() -> CredentialStore {
    .environment(["DOCKER_CONFIG": path.string, "PATH": "\(path):/usr/bin:/bin", "XDG_RUNTIME_DIR": path.appending("run").string])
  }
}

@Suite("credentials")
struct CredentialTests {
  @Test func keepsAPasswordForItsOwnerOnlyAndTheRestOfTheFile() throws {
    let folder = try TestDirectory()
    try folder.write("config.json", #"{"psFormat":"table","experimental":3,"auths":{"other:5000":{"auth":"YTpi"}}}"#, mode: 0o644)
    let store = folder.store()
    #expect(try store.store("host:5000", Credential(username: "ada", password: "a:b")) == .file(folder.path.appending("config.json")))
    #expect(try store.lookup("host:5000") == Credential(username: "ada", password: "a:b"))
    #expect(try store.lookup("other:5000") == Credential(username: "a", password: "b"))
    let text = try folder.read("config.json")
    #expect(text.contains(#""psFormat" : "table""#) && text.contains(#""experimental" : 3"#))
    #expect(folder.mode("config.json") == 0o600)
    #expect(try store.erase("host:5000"))
    #expect(try store.lookup("host:5000") == nil)
    #expect(try !store.erase("host:5000"))
  }

  @Test func knowsDockerHubByItsOldName() throws {
    let folder = try TestDirectory()
    let store = folder.store()
    try store.store("docker.io", Credential(username: "ada", password: "x"))
    #expect(try folder.read("config.json").contains(#""https://index.docker.io/v1/""#))
    #expect(try store.lookup("docker.io")?.username == "ada")
    #expect(try store.lookup("registry-1.docker.io")?.username == "ada")
  }

  @Test func readsIdentityTokensAndURLs() throws {
    let folder = try TestDirectory()
    try folder.write("config.json", #"{"auths":{"https://a.example/v2/":{"auth":"YTo=","identitytoken":"tok"}}}"#)
    #expect(try folder.store().lookup("a.example") == Credential(username: "a", secret: .identityToken("tok")))
  }

  @Test func takesTheLongestPartOfPodmansNames() throws {
    let folder = try TestDirectory()
    try makeDirectories(folder.path.appending("run").appending("containers"))
    try folder.write("run/containers/auth.json", #"{"auths":{"h.example":{"auth":"YTpi"},"h.example/team":{"auth":"Yzpk"}}}"#)
    let store = folder.store()
    #expect(try store.lookup("h.example", repository: "team/app")?.username == "c")
    #expect(try store.lookup("h.example", repository: "other/app")?.username == "a")
  }

  @Test func theEnvironmentsCredentialsWinOverFiles() throws {
    let folder = try TestDirectory()
    try folder.write("config.json", #"{"auths":{"h.example":{"auth":"YTpi"}}}"#)
    let given = try credentials(dockerConfigJSON: Array(#"{"auths":{"https://h.example/v1/":{"username":"k8s","password":"p"}}}"#.utf8))
    #expect(try folder.store().adding(given).lookup("h.example")?.username == "k8s")
  }

  /// A helper that keeps its secrets in a file beside it, as the protocol has it.
  private static let helper = """
    #!/bin/sh
    cd "$(dirname "$0")"
    case $1 in
      store) cat > secret ;;
      get) read -r server; echo "$server" > asked
        if [ -f secret ]; then cat secret; else echo "credentials not found in native keychain"; exit 1; fi ;;
      erase) rm -f secret ;;
    esac
    """

  @Test(arguments: [#"{"credsStore":"test"}"#, #"{"credHelpers":{"h.example":"test"},"credsStore":"missing"}"#])
  func asksTheHelperThatTheFileNames(_ config: String) throws {
    let folder = try TestDirectory()
    try folder.write("config.json", config)
    try folder.write("docker-credential-test", Self.helper, mode: 0o755)
    let store = folder.store()
    #expect(try store.lookup("h.example") == nil)
    #expect(try store.store("h.example", Credential(username: "ada", password: "pa\"xyz")) == .helper("test"))
    #expect(try store.lookup("h.example") == Credential(username: "ada", password: "pa\"xyz"))
    #expect(try folder.read("asked") == "h.example\n")
    #expect(try !folder.read("config.json").contains("xyz"))
    #expect(try store.erase("h.example"))
    #expect(try store.lookup("h.example") == nil)
  }

  @Test func saysWhichHelperIsMissingOrFailed() throws {
    let folder = try TestDirectory()
    try folder.write("config.json", #"{"credsStore":"nowhere"}"#)
    #expect(throws: CredentialError.helperMissing(name: "nowhere")) { try folder.store().lookup("h.example") }
    try folder.write("config.json", #"{"credsStore":"bad"}"#)
    try folder.write("docker-credential-bad", "#!/bin/sh\necho the vault is locked >&2\nexit 3\n", mode: 0o755)
    #expect(throws: CredentialError.helperFailed(name: "bad", reason: "the vault is locked")) {
      try folder.store().lookup("h.example")
    }
  }

  @Test(arguments: ["{", "[]", #"{"auths":{"h.example":{"auth":"!!"}}}"#])
  func doesNotTouchAFileThatItCannotRead(_ text: String) throws {
    let folder = try TestDirectory()
    try folder.write("config.json", text)
    #expect(throws: CredentialError.self) { try folder.store().lookup("h.example") }
    #expect(try folder.read("config.json") == text)
  }
}
