import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Kernel
import Metadata
import TestServices
import Testing

@testable import RegistryServer

@Suite struct RealmTests {
  private static func table(_ domain: String? = nil, port: UInt16? = nil) throws -> (RealmTable, Realm) {
    let other = try #require(Realm(account: "111122223333", region: "eu-west-1"))
    let ports = port.map { [$0: other] } ?? [:]
    return (
      try #require(RealmTable(account: "000000000000", declared: [other], ports: ports, domain: domain)), other
    )
  }

  @Test func aPathNamesARealmAndLinksInTheAnswerNameItToo() async throws {
    let (table, other) = try Self.table()
    let test = try TestRegistry(realms: table)
    let image = try await test.push(image: "one", to: "111122223333/eu-west-1/team/app", tag: "v1")
    #expect(try test.registry.at(other).tags("team/app", limit: 10) == ["v1"])
    #expect(try test.registry.repositories(limit: 10).isEmpty)
    let start = try await test.send(.post, "/v2/111122223333/eu-west-1/team/app/blobs/uploads/")
    let location = try #require(start["location"])
    #expect(location.hasPrefix("/v2/111122223333/eu-west-1/team/app/blobs/uploads/"))
    let status = try await test.send(.get, location)
    #expect(status.status == 204)
    // The same upload is unknown by another realm's name.
    let elsewhere = try await test.send(.get, location.replacing("111122223333/eu-west-1/", with: ""))
    #expect(elsewhere.status == 404)
    let page = try await test.send(.get, "/v2/111122223333/eu-west-1/team/app/manifests/\(image.digest)")
    #expect(page.body == image.bytes)
  }

  @Test func aHostOfAWSsShapeNamesARealm() async throws {
    let (table, other) = try Self.table()
    let test = try TestRegistry(realms: table)
    try await test.push(image: "two", to: "111122223333/eu-west-1/app", tag: "v2")
    for host in [
      "111122223333.dkr.ecr.eu-west-1.amazonaws.com", "111122223333.dkr-ecr.eu-west-1.on.aws:5000",
      "111122223333.dkr.ecr-fips.eu-west-1.registry.test",
    ] {
      #expect(try await test.send(.get, "/v2/app/manifests/v2", host: host).status == 200, "\(host)")
    }
    let unknown = try await test.send(
      .get, "/v2/app/manifests/v2", host: "999999999999.dkr.ecr.eu-west-1.amazonaws.com")
    #expect(unknown.status == 404)
    #expect(try test.registry.at(other).repositoryExists("app"))
  }

  @Test func theMainRealmTakesItsOwnNameInAnyRegion() throws {
    let (table, other) = try Self.table()
    #expect(table.find(account: "000000000000", region: "us-east-1") == .main)
    #expect(table.find(account: "111122223333", region: "eu-west-1") == other)
    #expect(table.find(account: "111122223333", region: "us-east-1") == nil)
  }

  @Test func imagesAreNamedAsTheClientCanReachThem() throws {
    let (plain, other) = try Self.table()
    #expect(plain.imagePrefix(of: .main, host: "r.test:5000") == "r.test:5000")
    #expect(plain.imagePrefix(of: other, host: "r.test:5000") == "r.test:5000/111122223333/eu-west-1")
    #expect(
      plain.imagePrefix(of: other, host: "000000000000.dkr.ecr.eu-north-1.amazonaws.com")
        == "111122223333.dkr.ecr.eu-west-1.amazonaws.com")
    let (byPort, _) = try Self.table(port: 5001)
    #expect(byPort.imagePrefix(of: other, host: "r.test:5000") == "r.test:5001")
    let (shaped, _) = try Self.table("amazonaws.com")
    #expect(shaped.imagePrefix(of: other, host: "r.test") == "111122223333.dkr.ecr.eu-west-1.amazonaws.com")
  }

  @Test func anotherRealmsRepositoryOfTheSameNameIsAnother() async throws {
    let (table, other) = try Self.table()
    let test = try TestRegistry(realms: table)
    let here = try await test.push(image: "here", to: "app", tag: "latest")
    let there = try await test.push(image: "there", to: "111122223333/eu-west-1/app", tag: "latest")
    #expect(try await test.send(.get, "/v2/app/manifests/latest").body == here.bytes)
    #expect(try await test.send(.get, "/v2/111122223333/eu-west-1/app/manifests/latest").body == there.bytes)
    _ = try test.registry.at(other).deleteRepository("app", force: true)
    #expect(try await test.send(.get, "/v2/app/manifests/latest").body == here.bytes)
    #expect(try await test.send(.get, "/v2/111122223333/eu-west-1/app/manifests/latest").status == 404)
    // Nor does a collection take what the one that is left has.
    _ = try test.store.collect()
    #expect(try await test.send(.get, "/v2/app/manifests/latest").body == here.bytes)
  }
}

@Suite struct SchemaTests {
  @Test(.enabled(if: !TestDatabase.usesPostgres, "PostgreSQL never had that state")) func whatAStoreHadBeforeThereWereRealmsIsInTheMainOne() async throws {
    let root = try TestRegistry.makeDirectory()
    defer { try? removeTree(root) }
    do {
      let store = try ContentStore.open(root)
      let old = SQLiteMetadata(store)
      try old.migrate("registry", [Schema.steps[0]])
      let manifest = try store.write(Array("{}".utf8), mediaType: .manifest)
      try old.write { session in
        try session.execute("INSERT INTO registry_repository (id, name, created) VALUES (7, 'app', 1)")
        try session.execute(
          """
          INSERT INTO registry_manifest (id, repository, digest, media_type, size, content_size, pushed)
          VALUES (9, 7, ?1, ?2, 2, 0, 1)
          """, [manifest.digest.description, manifest.mediaType.rawValue])
        try session.execute("INSERT INTO registry_tag (repository, name, manifest, updated) VALUES (7, 'v1', 9, 1)")
        try session.execute("INSERT INTO registry_reference (manifest, digest, kind) VALUES (9, 'sha256:x', 'blob')")
        try session.execute("INSERT INTO registry_blob (repository, digest, size, linked) VALUES (7, 'sha256:x', 1, 1)")
        try session.execute("INSERT INTO registry_upload (id, repository, started, updated) VALUES ('u', 'app', 1, 1)")
      }
    }
    let test = try TestRegistry(root: root)
    #expect(try await test.send(.get, "/v2/app/manifests/v1").text == "{}")
    // Push order goes on where it was.
    try await test.push(image: "new", to: "app", tag: "v2")
    #expect(try test.registry.manifests(in: "app", limit: 5).map(\.id) == [9, 10])
    _ = try test.registry.deleteRepository("app", force: true)
    #expect(try test.registry.metadata.read { try $0.exists("SELECT 1 FROM registry_reference", []) } == false)
  }
}

@Suite struct SettingTests {
  private static let kind = SettingKind("test")

  @Test func settingsAreARealmsOwn() throws {
    let test = try TestRegistry()
    let other = test.registry.at(try #require(Realm(account: "111122223333", region: "eu-west-1")))
    try test.registry.setSetting(Self.kind, "a", ["x"])
    try test.registry.setSetting(Self.kind, "b", ["y"])
    #expect(try other.setting(Self.kind, "a", as: [String].self) == nil)
    #expect(try test.registry.settings(Self.kind, as: [String].self).map(\.name) == ["a", "b"])
    #expect(try test.registry.settings(Self.kind, after: "a", as: [String].self).map(\.value) == [["y"]])
    #expect(try test.registry.removeSetting(Self.kind, "a"))
    #expect(try !test.registry.removeSetting(Self.kind, "a"))
  }

  @Test func aRepositorysSettingsGoWithIt() throws {
    let test = try TestRegistry()
    _ = try test.registry.createRepository("app")
    try test.registry.setRepositorySetting(Self.kind, of: "app", 5)
    #expect(try test.registry.repositorySetting(Self.kind, of: "app", as: Int.self) == 5)
    _ = try test.registry.deleteRepository("app")
    _ = try test.registry.createRepository("app")
    #expect(try test.registry.repositorySetting(Self.kind, of: "app", as: Int.self) == nil)
    #expect(throws: RegistryError.repositoryUnknown("none")) {
      try test.registry.setRepositorySetting(Self.kind, of: "none", 1)
    }
  }

  @Test func everyChangeRaisesTheNumberThatCachesCompare() throws {
    let test = try TestRegistry()
    let before = try test.registry.changeNumber()
    try test.registry.setSetting(Self.kind, "a", 1)
    #expect(try test.registry.changeNumber() > before)
  }
}
