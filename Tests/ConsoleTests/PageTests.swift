import Content
import DistributionSpec
import HTTPTypes
import ImageSpec
import Layers
import RegistryServer
import Testing

@testable import Console

@Suite struct PageTests {
  @Test func browsersAreLedToThePageAndOtherClientsAreLeftAlone() async throws {
    let fixture = try ConsoleFixture()
    let answer = try await fixture.get("/")
    #expect(answer.status == 302 && answer["location"] == "/ui/")
    // POST / is ECR's.
    #expect(try await fixture.send(.post, "/").status == 404)
    #expect(try await fixture.get("/v2/").text == "{}")
    #expect(try await fixture.send(.post, "/ui/").status == 405)
    #expect(try await fixture.send(.delete, "/ui/r/team/app").status == 405)
  }

  @Test(arguments: [
    "/ui/r/", "/ui/r/team//app", "/ui/r/../x", "/ui/r/team/app/-/", "/ui/r/team/app/-/image/sha256:00", "/ui/x",
    "/ui/r/team/app/-/tag/a%2fb", "/ui/assets/../../etc/passwd", "/ui/r/TEAM", "/ui/r/team/app/-/layer/1", "/ui/sign-out",
  ])
  func whatIsNoPageIsNotFound(_ target: String) async throws {
    let fixture = try ConsoleFixture()
    _ = try fixture.registry.createRepository("team/app")
    #expect(try await fixture.get(target).status == 404)
  }

  @Test func routesAndPathsAreEachOthersInverse() throws {
    let digest = try Digest(parsing: "sha256:" + String(repeating: "a", count: 64))
    let routes: [ConsoleRoute] = [
      .repositories, .activity, .signIn, .signOut, .asset("style-1.css"), .repository("a/b"), .settings("a"),
      .tag("a", "1.0"), .image("a", digest), .manifest("a/b/c", digest), .config("a", digest), .wasted("a", digest),
      .layer("a", digest, number: 3, path: []),
      .layer("a", digest, number: 3, path: [Array("x y".utf8), [0xff, 0x25, 0x3f], Array("...".utf8), Array("..a".utf8)]),
    ]
    for route in routes { #expect(ConsoleRoute(parsing: route.path) == route) }
    #expect(ConsoleRoute(parsing: "/ui/r/a/-/image/\(digest)/layer/1/a%2Fb") == nil)
    #expect(ConsoleRoute(parsing: "/ui/r/a/-/image/\(digest)/layer/1/a%00") == nil)
  }

  @Test func samePagesAreAnsweredWithoutABody() async throws {
    let fixture = try ConsoleFixture()
    _ = try fixture.registry.createRepository("team/app")
    let first = try await fixture.get("/ui/sign-in")
    let tag = try #require(first["etag"])
    let again = try await fixture.get("/ui/sign-in", ["if-none-match": tag])
    #expect(again.status == 304 && again.body.isEmpty)
    let style = try #require(HTMLDocument(first.text).links.first { $0.hasSuffix(".css") })
    #expect(try await fixture.get(style)["cache-control"]?.contains("immutable") == true)
    #expect(first.text.utf8.count < 8000)
  }

  @Test func pagesAreCompressedForThoseWhoTakeIt() async throws {
    let fixture = try ConsoleFixture()
    for number in 0..<40 { _ = try fixture.registry.createRepository("team/r\(number)") }
    let plain = try await fixture.get("/ui/")
    let packed = try await fixture.get("/ui/", ["accept-encoding": "br;q=1.0, gzip;q=0.8"])
    #expect(packed["content-encoding"] == "gzip" && packed.body.count < plain.body.count / 3)
    #expect(packed["etag"] != plain["etag"] && plain["content-encoding"] == nil)
    let decompressor = try Decompressor(.gzip)
    var bytes: [UInt8] = []
    try packed.body.withUnsafeBytes { try decompressor.write($0) { bytes.append(contentsOf: $0) } }
    try decompressor.finish { bytes.append(contentsOf: $0) }
    #expect(bytes == plain.body)
    for refusing in ["gzip;q=0", "gzip; q=0.0", "identity", "br"] { #expect(!Gzip.isTaken(refusing)) }
  }

  /// Walks along the links to the next page.
  private func tags(_ fixture: ConsoleFixture, from start: String) async throws -> [String] {
    var target: String? = start
    var tags: [String] = []
    while let current = target {
      let document = HTMLDocument(try await fixture.get(current).text)
      let found = document.links.filter { $0.contains("/-/tag/") }.map { String($0.split(separator: "/").last ?? "") }
      #expect(found.count <= 50)
      tags += found
      target = document.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
    }
    return tags
  }

  @Test func pagesOfTagsHaveEachTagOnce() async throws {
    let fixture = try ConsoleFixture()
    let digest = try await fixture.push("team/app", layers: [try ConsoleFixture.tar([ConsoleFixture.file("a", 1)])])
    let manifest = try fixture.registry.store.read(digest)
    let names = (0..<173).map { "v\($0)" }
    // At once, so that many have the same time.
    _ = try fixture.registry.putManifest(manifest, contentType: .manifest, in: "team/app", tags: names)
    _ = try fixture.registry.putManifest(manifest, contentType: .manifest, in: "team/app", tags: ["other"])
    let newest = try await tags(fixture, from: "/ui/r/team/app")
    #expect(newest.count == 174 && Set(newest).count == 174)
    #expect(try await tags(fixture, from: "/ui/r/team/app?sort=name") == (names + ["other"]).sorted())
    #expect(try await tags(fixture, from: "/ui/r/team/app?q=v17") == names.filter { $0.hasPrefix("v17") }.sorted())
    #expect(try await tags(fixture, from: "/ui/r/team/app?q=none").isEmpty)
    #expect(try await fixture.get("/ui/r/team/app?after=x&sort=newest").status == 200)
  }

  @Test func repositoriesAreSearchedSortedAndPaged() async throws {
    let fixture = try ConsoleFixture()
    for number in 100..<170 { _ = try fixture.registry.createRepository("team/r\(number)") }
    try await fixture.push("big/one", ["1"], layers: [try ConsoleFixture.tar([ConsoleFixture.file("a", 90_000)])])
    func names(_ target: String) async throws -> [String] {
      HTMLDocument(try await fixture.get(target).text).links.filter { $0.hasPrefix("/ui/r/") }
    }
    let first = try await names("/ui/")
    let second = try await names("/ui/?page=2")
    #expect(first.count == 50 && second.count == 21 && Set(first + second).count == 71)
    #expect(try await names("/ui/?q=R16").count == 10)
    #expect(try await names("/ui/?sort=size").first == "/ui/r/big/one")
    #expect(try await names("/ui/?sort=pushed").first == "/ui/r/big/one")
    #expect(try await names("/ui/?page=99").count == 21)
  }

  @Test func aRegistryWithManyRepositoriesIsLeafedThroughByName() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    let names = (0..<1300).map { "team\($0 % 2)/r\(10_000 + $0)" }.sorted()
    for name in names { _ = try fixture.registry.createRepository(name) }
    let cookie = ["cookie": try #require(try await fixture.signIn().cookie)]
    func leaf(_ target: String) async throws -> (names: [String], next: String?) {
      let answer = try await fixture.get(target, cookie)
      #expect(answer.status == 200 && !answer.text.contains("sort="))
      let links = HTMLDocument(answer.text).links
      return (
        links.filter { $0.hasPrefix("/ui/r/") }.map { String($0.dropFirst(6)) }, links.last { $0.contains("after=") }
      )
    }
    func all(_ start: String) async throws -> (names: [String], pages: Int) {
      var found: [String] = []
      var pages = 0
      var target: String? = start
      while let next = target {
        let page = try await leaf(next)
        found += page.names
        pages += 1
        target = page.next
      }
      return (found, pages)
    }
    #expect(try await leaf("/ui/").names == Array(names.prefix(50)))
    let (found, pages) = try await all("/ui/")
    #expect(found == names && pages == 26)
    let odd = try await all("/ui/?q=TEAM1/")
    #expect(odd.names == names.filter { $0.hasPrefix("team1/") })
    for search in ["%25", "_", "%5C", "none"] { #expect(try await all("/ui/?q=\(search)").names.isEmpty) }
    // Somebody who may pull from one, and list none, finds it, in pages that each look at so many names.
    try fixture.files.identities.set("ada", account: nil, policies: [])
    let pull =
      #"{"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]}"#
    try fixture.registry.setRepositorySetting(
      .repositoryPolicy, of: names[1200], #"{"Version": "2012-10-17", "Statement": [\#(pull)]}"#)
    let first = try await leaf("/ui/")
    #expect(first.names.isEmpty && first.next?.contains("r1") == true)
    let one = try await all("/ui/")
    #expect(one.names == [names[1200]] && one.pages == 2)
  }

  @Test func stepsAreJoinedWithLayers() async throws {
    let fixture = try ConsoleFixture()
    let layers = [
      try ConsoleFixture.tar([ConsoleFixture.file("a", 10_000)]), try ConsoleFixture.tar([ConsoleFixture.file("b", 30_000)]),
    ]
    let config = ImageConfig(
      platform: Platform(os: "linux", architecture: "amd64"),
      history: [
        History(createdBy: "/bin/sh -c #(nop) ADD file:1 in / "), History(createdBy: "ENV A=b", emptyLayer: true),
        History(createdBy: "RUN /bin/sh -c make # buildkit"),
      ])
    let digest = try await fixture.push("team/app", ["1"], layers: layers, config: config)
    let page = try await fixture.get("/ui/r/team/app/-/image/\(digest)").text
    let (add, env, run) = (
      try #require(page.firstRange(of: ">ADD</span> file:1 in /")), try #require(page.firstRange(of: ">ENV</span> A=b")),
      try #require(page.firstRange(of: ">RUN</span> make<"))
    )
    let (one, two) = (try #require(page.firstRange(of: "/layer/1\"")), try #require(page.firstRange(of: "/layer/2\"")))
    #expect(one.lowerBound < add.lowerBound && add.lowerBound < env.lowerBound)
    #expect(env.lowerBound < two.lowerBound && two.lowerBound < run.lowerBound)
  }

  @Test func commandsNameTheRegistryAsTheBrowserDoes() async throws {
    let fixture = try ConsoleFixture()
    try await fixture.push("team/app", ["1"], layers: [])
    let text = HTMLDocument(try await fixture.get("/ui/r/team/app").text).text
    #expect(text.contains("docker pull registry.test:5000/team/app:1"))
    #expect(text.contains("aws ecr get-login-password --endpoint-url https://registry.test:5000 | docker login"))
  }

  @Test func realmsHavePagesOfTheirOwn() async throws {
    let realm = try #require(Realm(account: "123456789012", region: "eu-west-1"))
    let table = try #require(RealmTable(account: "000000000000", declared: [realm]))
    let fixture = try ConsoleFixture(realms: table)
    _ = try fixture.registry.createRepository("here/app")
    _ = try fixture.registry.at(realm).createRepository("there/app")
    let main = HTMLDocument(try await fixture.get("/ui/").text)
    let other = HTMLDocument(try await fixture.get("/123456789012/eu-west-1/ui/").text)
    #expect(main.links.contains("/ui/r/here/app") && !main.links.contains { $0.contains("there") })
    #expect(other.links.contains("/123456789012/eu-west-1/ui/r/there/app") && !other.links.contains { $0.contains("here/app") && !$0.contains("there") })
    #expect(main.links.contains("https://registry.test:5000/123456789012/eu-west-1/ui/"))
    let page = try await fixture.get("/123456789012/eu-west-1/ui/r/there/app")
    #expect(page.status == 200 && page.text.contains("registry.test:5000/123456789012/eu-west-1/there/app:TAG"))
    #expect(try await fixture.get("/ui/r/there/app").status == 404)
  }

  @Test func rawBytesAreGivenAsTheyWerePushedAndRunNothing() async throws {
    let fixture = try ConsoleFixture()
    let digest = try await fixture.push("team/app", ["1"], layers: [])
    let answer = try await fixture.get("/ui/r/team/app/-/image/\(digest)/manifest")
    #expect(answer.body == (try fixture.registry.store.read(digest)))
    #expect(answer["content-security-policy"] == "default-src 'none'; sandbox")
  }

  @Test func whatPeopleReadIsRounded() {
    #expect([0, 999, 1000, 1234, 99_949, 999_949, 999_950, 1_500_000_000].map { Formats.size($0) } == [
      "0 B", "999 B", "1.0 kB", "1.2 kB", "99.9 kB", "1000 kB", "1.0 MB", "1.5 GB",
    ])
    #expect(Formats.count(1_234_567) == "1,234,567" && Formats.count(999) == "999")
    #expect(Formats.age(0, now: 59_000) == "just now" && Formats.age(0, now: 7_200_000) == "2 hours ago")
    #expect(Formats.percent(1, of: 3) == "33.3%" && Formats.percent(0, of: 0) == "0%")
    #expect(Formats.timestamp(1_764_115_200_000) == "2025-11-26T00:00:00Z")
    #expect(Formats.parse("2025-11-26T00:00:00Z") == 1_764_115_200_000)
    #expect(Formats.parse("2025-11-26T02:00:00.123456+02:00") == 1_764_115_200_000)
    for text in ["", "2025", "yesterday, at noon or so", "2025-13-01T00:00:00Z", "2025-11-26T00:00:00+0"] {
      #expect(Formats.parse(text) == nil, "\(text)")
    }
    #expect(ReadableJSON.format(Array(#"{"a":[1,{"b":"x, {y}"}],"c":{}}"#.utf8)) == """
      {
        "a": [
          1,
          {
            "b": "x, {y}"
          }
        ],
        "c": {}
      }
      """)
    #expect(ReadableJSON.format([UInt8](repeating: UInt8(ascii: "["), count: 100)) == nil)
  }
}
