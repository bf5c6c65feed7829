import DistributionSpec
import ImageSpec
import Layers
import RegistryServer
import Testing

@testable import Console

@Suite struct CrawlTests {
  /// What would end an attribute, an element or a line, in every way that a name or a value may carry it.
  static let hostile = "\"\u{301} onmouseover=alert(1) x='<script>alert(2)</script>&lt;`\u{202e}\u{0}]]>"

  private func seed(_ fixture: ConsoleFixture) async throws {
    var config = ImageConfig(
      platform: Platform(os: "linux", architecture: "arm64"),
      history: [
        History(createdBy: Self.hostile), History(createdBy: "/bin/sh -c #(nop)  ENV A=b", emptyLayer: true),
        History(createdBy: "RUN /bin/sh -c rm -rf /var # buildkit"),
      ])
    config.author = Self.hostile
    config.config?.env = ["\(Self.hostile)=\(Self.hostile)", "PATH=/bin"]
    config.config?.cmd = [Self.hostile]
    config.config?.user = Self.hostile
    config.config?.labels = [Self.hostile: Self.hostile]
    config.config?.exposedPorts = [Self.hostile: EmptyObject()]
    let first = try ConsoleFixture.tar([
      ConsoleFixture.file("var/<script>alert(3)</script>", 10), ConsoleFixture.file("var/lib/a\"onx='1", 20),
      ConsoleFixture.file(Array("bin/".utf8) + [0xff, 0xfe, 0x22, 0x3c], 5),
      ConsoleFixture.entry(.symbolicLink, "link", link: "\"><script>alert(4)</script>"),
      ConsoleFixture.file("x/%2e%2e/y?z#w", 3), ConsoleFixture.file("dots/.../x", 1),
    ])
    let second = try ConsoleFixture.tar([
      ConsoleFixture.file("var/lib/.wh.a\"onx='1"), ConsoleFixture.file("bin/.wh..wh..opq"),
    ])
    let digest = try await fixture.push(
      "team/app", ["1.0", "latest"], layers: [first, second], config: config, annotations: [Self.hostile: Self.hostile])
    let member = try fixture.registry.storedManifest(.digest(digest), in: "team/app")
    let descriptor = Descriptor(
      mediaType: .manifest, digest: digest, size: member.size,
      platform: Platform(os: "linux", architecture: "arm64", variant: Self.hostile, osVersion: Self.hostile))
    let index = Index(manifests: [descriptor], annotations: [Self.hostile: Self.hostile])
    _ = try fixture.registry.putManifest(
      try ConsoleFixture.json(index), contentType: .index, in: "team/app", tags: ["index"])
    let blob = try await fixture.push(blob: Array("{}".utf8), to: "team/app", type: .empty)
    let artifact = Manifest(
      artifactType: "application/vnd.test.\(Self.hostile)", config: blob,
      layers: [
        Descriptor(
          mediaType: MediaType("text/\(Self.hostile)"), digest: blob.digest, size: blob.size,
          annotations: ["org.opencontainers.image.title": Self.hostile])
      ], subject: descriptor)
    _ = try fixture.registry.putManifest(
      try ConsoleFixture.json(artifact), contentType: .manifest, in: "team/app", tags: [])
    _ = try fixture.registry.createRepository(
      "team/empty", mutability: TagMutability(.immutableExcept, exclusions: ["dev*"]),
      labels: [Self.hostile: Self.hostile])
    for number in 0..<120 {
      _ = try fixture.registry.putManifest(
        try ConsoleFixture.json(index), contentType: .index, in: "team/app", tags: ["build-\(number)"])
    }
  }

  @Test func everyLinkLeadsToAPageThatIsWellFormed() async throws {
    let fixture = try ConsoleFixture()
    try await seed(fixture)
    var waiting = ["/ui/"]
    var seen: Set<String> = ["/ui/"]
    var pages = 0
    while let target = waiting.popLast(), pages < 600 {
      let answer = try await fixture.get(target)
      pages += 1
      #expect(answer.status == 200, "\(target)")
      #expect(answer["content-security-policy"]?.contains("default-src 'none'") == true, "\(target)")
      #expect(answer["x-content-type-options"] == "nosniff" && answer["x-frame-options"] == "DENY", "\(target)")
      guard answer["content-type"]?.hasPrefix("text/html") == true else { continue }
      let document = HTMLDocument(answer.text)
      #expect(document.faults.isEmpty, "\(target): \(document.faults)")
      check(document, target)
      for link in document.links where link.hasPrefix("/") {
        let bare = String(link.prefix { $0 != "#" })
        if seen.insert(bare).inserted { waiting.append(bare) }
      }
    }
    #expect(waiting.isEmpty, "the crawl came to its end")
    #expect(pages > 40)
    for part in ["/layer/1/var/lib", "/layer/2", "/wasted", "/manifest", "/config", "?view=untagged", "sort=size", "after="] {
      #expect(seen.contains { $0.contains(part) }, "\(part)")
    }
  }

  /// Nothing in a page is other than the templates have it.
  private func check(_ document: HTMLDocument, _ target: String) {
    let allowed: Set<String> = [
      "html", "head", "meta", "title", "link", "body", "a", "header", "div", "img", "span", "nav", "form", "button", "main",
      "footer", "script", "h1", "h2", "h3", "dl", "dt", "dd", "label", "input", "table", "thead", "tbody", "tr", "th", "td",
      "time", "p", "bdi", "code", "section", "svg", "rect", "details", "summary", "pre", "small", "b",
    ]
    for element in document.elements {
      #expect(allowed.contains(element.name), "\(target): <\(element.name)>")
      for (name, value) in element.attributes {
        #expect(!name.hasPrefix("on") && name != "style" && (name != "x" || element.name == "rect"), "\(target): \(name)")
        if name == "href" || name == "src" || name == "action" {
          #expect(value == "#main" || value.hasPrefix("/") && !value.hasPrefix("//"), "\(target): \(value)")
        }
      }
    }
    #expect(document.elements.filter { $0.name == "script" }.count == 1, "\(target)")
    #expect(document.elements.filter { $0.name == "h1" }.count == 1, "\(target): one heading")
    #expect(!document.text.unicodeScalars.contains("\u{202e}") && !document.text.contains("\0"), "\(target)")
    // For who cannot see: fields have labels, drawings say that they are none or what they show.
    let labels = Set(document.elements.filter { $0.name == "label" }.compactMap { $0.attributes["for"] })
    for element in document.elements where element.name == "input" && element.attributes["type"] != "hidden" {
      #expect(element.attributes["id"].map(labels.contains) == true, "\(target)")
    }
    for element in document.elements where element.name == "svg" {
      #expect(element.attributes["aria-hidden"] == "true" || element.attributes["aria-label"] != nil, "\(target)")
    }
  }

  @Test func hostileValuesAreShownAsTheyAre() async throws {
    let fixture = try ConsoleFixture()
    try await seed(fixture)
    let document = HTMLDocument(try await fixture.get("/ui/r/team/app/-/tag/1.0").text)
    let shown = Self.hostile.replacing("\u{202e}", with: "\u{fffd}").replacing("\u{0}", with: "\u{fffd}")
    #expect(document.text.contains(shown))
  }

  @Test func escapingGoesByCodePoints() {
    // As one character each, these are not the ones that a table of characters would find.
    for special in ["\"", "'", "<", ">", "&", "`"] {
      let escaped = StrictHTML.escape("\(special)\u{301}\u{fe0f}")
      #expect(!escaped.unicodeScalars.contains { special.unicodeScalars.contains($0) && $0 != "&" }, "\(special)")
      #expect(escaped.hasPrefix("&"))
    }
    #expect(StrictHTML.escape("a\u{202e}b\u{0}c\n") == "a\u{fffd}b\u{fffd}c\n")
  }
}
