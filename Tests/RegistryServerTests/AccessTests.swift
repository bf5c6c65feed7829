import DistributionSpec
import FoundationEssentials
import Glibc
import HTTPTypes
import ImageSpec
import Kernel
import SystemPackage
import Testing

@testable import RegistryServer

@Suite struct AccessTests {
  @Test func asksForASignIn() async throws {
    let registry = try TestRegistry(anonymous: .none)
    for path in ["/v2/", "/v2/app/tags/list", "/v2/_catalog", "/v2/not an endpoint"] {
      let answer = try await registry.send(.get, path)
      #expect(answer.status == 401 && answer.codes == ["UNAUTHORIZED"])
      #expect(answer["www-authenticate"] == #"Basic realm="http://registry.test:5000/",service="ecr.amazonaws.com""#)
      #expect(answer["docker-distribution-api-version"] == "registry/2.0")
    }
  }

  @Test func takesAPassword() async throws {
    let registry = try TestRegistry(anonymous: .none)
    for _ in 0..<2 { #expect(try await registry.send(.get, "/v2/", as: "ada:secret").status == 200) }
  }

  @Test(arguments: ["ada:wrong", "ada:", "nobody:secret", "AWS:secret", "AWS:", ":secret", "ada:secret\u{0}x"])
  func refusesWrongCredentials(_ credentials: String) async throws {
    let answer = try await TestRegistry(anonymous: .push).send(.get, "/v2/", as: credentials)
    #expect(answer.status == 401 && answer["www-authenticate"] != nil)
  }

  @Test(arguments: [
    "Basic", "Basic !!!", "Basic " + Data("nocolon".utf8).base64EncodedString(), "Bearer abc", "Digest x=y",
  ])
  func refusesWhatItCannotRead(_ header: String) async throws {
    let answer = try await TestRegistry(anonymous: .push).send(.get, "/v2/", ["authorization": header])
    #expect(answer.status == 401)
  }

  @Test func takesAnEmptyPairAsNobody() async throws {
    #expect(try await TestRegistry(anonymous: .push).send(.get, "/v2/", as: ":").status == 200)
    #expect(try await TestRegistry(anonymous: .none).send(.get, "/v2/", as: ":").status == 401)
  }

  @Test func forgetsAChangedPasswordAndARemovedUser() async throws {
    let registry = try TestRegistry(anonymous: .none)
    #expect(try await registry.send(.get, "/v2/", as: "ada:secret").status == 200)
    try registry.files.passwords.set("ada", password: "other", cost: 4)
    #expect(try await registry.send(.get, "/v2/", as: "ada:secret").status == 401)
    #expect(try await registry.send(.get, "/v2/", as: "ada:other").status == 200)
    #expect(try registry.files.passwords.remove("ada"))
    #expect(try await registry.send(.get, "/v2/", as: "ada:other").status == 401)
  }

  @Test func opensOnlyPullingToAnonymous() async throws {
    let registry = try TestRegistry(anonymous: .pull)
    _ = try registry.registry.createRepository("app")
    // docker looks for the challenge here, and sends its credentials with nothing otherwise.
    #expect(try await registry.send(.get, "/v2/").status == 401)
    #expect(try await registry.send(.get, "/v2/app/tags/list").status == 200)
    #expect(try await registry.send(.post, "/v2/app/blobs/uploads/").status == 401)
    #expect(try await registry.send(.post, "/v2/app/blobs/uploads/", as: "ada:secret").status == 202)
  }

  @Test func letsNobodyInByABrokenPasswordFile() async throws {
    let registry = try TestRegistry(anonymous: .none)
    try writeFileAtomically(registry.files.directory.appending("htpasswd"), Array("ada:plain\n".utf8))
    #expect(try await registry.send(.get, "/v2/", as: "ada:plain").status == 401)
    #expect(try await registry.send(.get, "/v2/", as: "ada:secret").status == 401)
  }

  // MARK: tokens

  @Test func takesATokenUntilItsKeyIsGone() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let token = registry.server.authenticator.issueToken(for: registry.key)
    #expect(abs(token.expires - Int64(time(nil)) - 12 * 3600) < 5)
    #expect(!token.password.contains(":"))
    #expect(try await registry.send(.get, "/v2/", as: "AWS:\(token.password)").status == 200)
    #expect(try registry.files.keys.remove(registry.key.id))
    #expect(try await registry.send(.get, "/v2/", as: "AWS:\(token.password)").status == 401)
  }

  @Test func tellsAnExpiredToken() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let token = registry.server.authenticator.issueToken(for: registry.key, lifetime: -1)
    let answer = try await registry.send(.get, "/v2/", as: "AWS:\(token.password)")
    #expect(answer.status == 403 && answer.text.contains("Your authorization token has expired"))
  }

  @Test func refusesAForgedToken() async throws {
    let registry = try TestRegistry(anonymous: .none)
    let elsewhere = try TestRegistry(anonymous: .none)
    let foreign = elsewhere.server.authenticator.issueToken(for: registry.key)
    #expect(try await registry.send(.get, "/v2/", as: "AWS:\(foreign.password)").status == 401)
    let own = registry.server.authenticator.issueToken(for: registry.key).password
    for index in [0, 5, own.count / 2, own.count - 2] {
      var characters = Array(own)
      characters[index] = characters[index] == "A" ? "B" : "A"
      #expect(try await registry.send(.get, "/v2/", as: "AWS:\(String(characters))").status == 401)
    }
  }
}

@Suite struct PasswordFileTests {
  /// `htpasswd -nbB ada secret`, `openssl`-made and libcrypt's own kinds of bcrypt.
  @Test(arguments: ["$2y$", "$2b$", "$2a$"])
  func readsEveryKindOfBcrypt(_ kind: String) throws {
    let hash = try Bcrypt.hash("secret", cost: 4)
    #expect(Bcrypt.isHash(hash))
    let other = kind + hash.dropFirst(4)
    #expect(Bcrypt.verify("secret", other) && !Bcrypt.verify("Secret", other))
  }

  @Test func checksAPublishedHash() {
    // From the test vectors of jBCrypt.
    #expect(Bcrypt.verify("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"))
    #expect(!Bcrypt.verify("abd", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"))
  }

  @Test(arguments: [
    "ada:plain", "ada:$apr1$x$y", "ada", ":$2b$04$x", "ada:$2b$31$" + String(repeating: "a", count: 53),
  ])
  func namesTheLineThatItCannotUse(_ line: String) throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    let path = directory.appending("htpasswd")
    try writeFileAtomically(path, Array("# a comment\n\n\(line)\n".utf8))
    let error = #expect(throws: AccessError.self) { try PasswordFile(path).users() }
    #expect(error?.description.contains("htpasswd:3") == true)
  }

  @Test func readsLinesThatEndAsWindowsHasIt() throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    let path = directory.appending("htpasswd")
    let hash = try Bcrypt.hash("secret", cost: 4)
    try writeFileAtomically(path, Array("# a comment\r\nada:\(hash)\r\nbob:\(hash)\r\n".utf8))
    #expect(try PasswordFile(path).users() == ["ada", "bob"])
    #expect(try PasswordFile(path).hash(of: "ada") == hash)
  }

  @Test func refusesPasswordsAndNamesThatCannotWork() throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    let file = PasswordFile(directory.appending("htpasswd"))
    for name in ["", "AWS", "a:b", "a b", "ä"] {
      #expect(throws: AccessError.self) { try file.set(name, password: "secret") }
    }
    #expect(throws: AccessError.self) { try file.set("ada", password: "") }
    // bcrypt would ignore what follows.
    #expect(throws: AccessError.self) { try file.set("ada", password: String(repeating: "x", count: 73)) }
    #expect(try file.users() == [])
    #expect(try file.remove("ada") == false)
  }

  @Test func keepsSecretsFromOthers() throws {
    let registry = try TestRegistry()
    _ = try registry.files.authority.certificate()
    for name in ["htpasswd", "keys.json", "secret", "tls/ca.key"] {
      var facts = stat()
      #expect(stat(registry.files.directory.string + "/" + name, &facts) == 0 && facts.st_mode & 0o077 == 0, "\(name)")
    }
  }

  @Test func takesManyUsersAtOnce() async throws {
    let directory = try TestRegistry.makeDirectory()
    defer { try? removeTree(directory) }
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          _ = try? PasswordFile(directory.appending("htpasswd")).set("user\(number)", password: "x", cost: 4)
        }
      }
    }
    #expect(try PasswordFile(directory.appending("htpasswd")).users().count == 8)
  }
}
