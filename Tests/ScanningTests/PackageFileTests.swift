import Testing

@testable import Scanning

@Suite struct PackageFileTests {
  private func found(_ path: String, _ text: String) throws -> [String] {
    let file = try #require(PackageFile(path), "\(path) is a file of interest")
    return file.packages(Array(text.utf8), path: path).map { "\($0.name) \($0.version)" }.sorted()
  }

  @Test func readsDpkgAndKnowsSources() throws {
    let packages = SystemDatabases.dpkg(
      Array(
        """
        Package: libssl3
        Status: install ok installed
        Maintainer: Debian OpenSSL Team <pkg-openssl-devel@alioth-lists.debian.net>
        Architecture: amd64
        Source: openssl (3.0.15-1)
        Version: 3.0.15-1~deb12u1
        Description: Secure Sockets Layer toolkit
         This package is part of the OpenSSL project.
         .
         It contains libssl.

        Package: removed
        Status: deinstall ok config-files
        Version: 1

        Package: tzdata
        Status: hold ok installed
        Version: 2024b-0+deb12u1
        """.utf8))
    #expect(packages.map(\.name) == ["libssl3", "tzdata"])
    #expect(packages[0].source == .init(name: "openssl", version: "3.0.15-1"))
    #expect(packages[0].architecture == "amd64")
    #expect(packages[1].source == nil)
  }

  @Test func readsApk() throws {
    let packages = SystemDatabases.apk(
      Array(
        "C:Q1=\nP:libcrypto3\nV:3.3.2-r4\nA:x86_64\nL:Apache-2.0\no:openssl\nF:lib\nR:x\n\nP:musl\nV:1.2.5-r1\no:musl\n"
          .utf8))
    #expect(packages.map { "\($0.name) \($0.version)" } == ["libcrypto3 3.3.2-r4", "musl 1.2.5-r1"])
    #expect(packages[0].source?.name == "openssl" && packages[0].licenses == ["Apache-2.0"])
    #expect(packages[1].source == nil)
  }

  @Test func readsNpmLocksOfEveryVersion() throws {
    let first =
      #"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}},"#
      + #""c":{"version":"npm:d@3.0.0"},"e":{"version":"git+ssh://x/y.git#1"}}}"#
    #expect(try found("app/package-lock.json", first) == ["a 1.0.0", "b 2.0.0", "d 3.0.0"])
    let third =
      #"{"lockfileVersion":3,"packages":{"":{"name":"app"},"node_modules/@s/a":{"version":"1.0.0"},"#
      + #""node_modules/@s/a/node_modules/b":{"version":"2.0.0"},"node_modules/l":{"link":true},"w":{"name":"w","version":"0.1.0"}}}"#
    #expect(try found("npm-shrinkwrap.json", third) == ["@s/a 1.0.0", "b 2.0.0", "w 0.1.0"])
    #expect(PackageFile("node_modules/x/package-lock.json") == nil)
    #expect(
      try found("node_modules/@s/x/package.json", #"{"name":"@s/x","version":"1.2.3","license":"MIT"}"#) == [
        "@s/x 1.2.3"
      ])
  }

  @Test func readsYarnAndPnpm() throws {
    let classic =
      "# yarn lockfile v1\n\n\"@babel/core@^7.0.0\", \"@babel/core@^7.1.0\":\n  version \"7.2.0\"\n  dependencies:\n    version \"^1\"\n\nms@2.0.0:\n  version \"2.0.0\"\n"
    #expect(try found("yarn.lock", classic) == ["@babel/core 7.2.0", "ms 2.0.0"])
    let berry =
      "__metadata:\n  version: 6\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n\n\"ms@npm:^2.1.1\":\n  version: 2.1.2\n"
    #expect(try found("yarn.lock", berry) == ["ms 2.1.2"])
    let pnpm =
      "lockfileVersion: '6.0'\n\npackages:\n\n  /@babel/core@7.2.0(x@1.0.0):\n    resolution: {integrity: x}\n  /ms/2.0.0:\n    dev: true\n  'is@9.1.0':\n    a: b\n\nsnapshots:\n  ms@8.0.0: {}\n"
    #expect(try found("pnpm-lock.yaml", pnpm) == ["@babel/core 7.2.0", "is 9.1.0", "ms 2.0.0"])
  }

  @Test func readsPythonsFiles() throws {
    #expect(
      try found(
        "requirements.txt",
        "# x\nDjango==4.2.1 ; python_version > '3'\nreq[socks] == 2.0 --hash=sha256:x\nopen>=1\n-r x.txt\nz==1.*\n")
        == ["django 4.2.1", "req 2.0"])
    #expect(
      try found("Pipfile.lock", #"{"default":{"A_b":{"version":"==1.0"}},"develop":{"c":{"version":"==2"}}}"#) == [
        "a-b 1.0", "c 2",
      ])
    #expect(
      try found(
        "poetry.lock",
        "[[package]]\nname = \"x\"\nversion = \"1.0\"\n\n[package.dependencies]\nversion = \"9\"\n\n[[package]]\nname='y'\nversion='2'\n"
      )
        == ["x 1.0", "y 2"])
    #expect(
      try found(
        "usr/lib/python3/dist-packages/Jinja2-3.1.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: Jinja2\nVersion: 3.1\nLicense: BSD\n\nName: other\n")
        == ["jinja2 3.1"])
  }

  @Test func readsTheOtherLocks() throws {
    #expect(
      try found(
        "Gemfile.lock",
        "GEM\n  remote: https://rubygems.org/\n  specs:\n    rack (2.2.3)\n      x (>= 1)\n    nokogiri (1.15.0-x86_64-linux)\n\nPLATFORMS\n    ruby (1)\n"
      )
        == ["nokogiri 1.15.0", "rack 2.2.3"])
    #expect(
      try found("usr/lib/ruby/gems/3.1.0/specifications/net-http-persistent-4.0.1.gemspec", "") == [
        "net-http-persistent 4.0.1"
      ])
    #expect(
      try found("go.sum", "golang.org/x/net v0.1.0 h1:x\ngolang.org/x/net v0.1.0/go.mod h1:y\n") == [
        "golang.org/x/net v0.1.0"
      ])
    #expect(
      try found(
        "go.mod",
        "module m // x\n\ngo 1.22\n\nrequire a.b/c v1.0.0\nrequire (\n\td.e/f v2.0.0 // indirect\n)\nreplace (\n\tx v1\n)\n"
      )
        == ["a.b/c v1.0.0", "d.e/f v2.0.0"])
    #expect(
      try found(
        "Cargo.lock",
        "[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n"
      )
        == ["serde 1.0.0"])
    #expect(
      try found(
        "composer.lock",
        #"{"packages":[{"name":"a/b","version":"v1.2.0","license":["MIT"]}],"packages-dev":[{"name":"c/d","version":"2"}]}"#
      )
        == ["a/b v1.2.0", "c/d 2"])
    #expect(
      try found(
        "Package.resolved",
        #"{"pins":[{"location":"https://github.com/apple/swift-nio.git","state":{"version":"2.1.0"}}],"version":2}"#)
        == ["github.com/apple/swift-nio 2.1.0"])
  }

  @Test(arguments: [
    "{", "[[[[", "\u{0}", "{\"packages\":7}", "{\"packages\":{\"node_modules/\":{\"version\":\"1\"}}}", "[[package]]",
    "GEM\n    (", "==",
  ])
  func takesBrokenFilesAsEmpty(_ text: String) throws {
    for path in [
      "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "requirements.txt", "Pipfile.lock", "poetry.lock",
      "Gemfile.lock",
      "go.sum", "go.mod", "Cargo.lock", "composer.lock", "Package.resolved", "var/lib/dpkg/status",
      "lib/apk/db/installed",
    ] { #expect(try found(path, text) == [], "\(path)") }
  }

  @Test func refusesDeepJSON() {
    #expect(throws: JSONFailure.self) { try JSON(parsing: Array(repeating: UInt8(ascii: "["), count: 10_000)) }
    #expect(throws: JSONFailure.self) { try JSON(parsing: Array("{\"a\":1} x".utf8)) }
    // Each value takes many times its text.
    let many = Array("[".utf8) + Array(repeatElement("1,".utf8, count: JSON.valueLimit).joined()) + Array("1]".utf8)
    #expect(throws: JSONFailure.self) { try JSON(parsing: many) }
    #expect(throws: JSONFailure.self) { try JSON(parsing: Array("\"\u{1}\"".utf8)) }
  }

  @Test func readsJSON() throws {
    let text = #" {"a":[1,-2.5e3,true,false,null],"b":"\u00e9\ud83d\ude00\ud83d\n\"\/"} "#
    let value = try JSON(parsing: Array(text.utf8))
    #expect(value["a"] == .array([.number("1"), .number("-2.5e3"), .bool(true), .bool(false), .null]))
    #expect(value["b"]?.string == "é😀\u{fffd}\n\"/")
  }

  @Test(arguments: [
    ("ID=debian\nVERSION_ID=\"12\"\n", "Debian:12"), ("ID=alpine\nVERSION_ID=3.20.1\n", "Alpine:v3.20"),
    ("ID=debian\nVERSION_CODENAME=trixie\n", "Debian:13"),
    ("ID=\"rhel\"\nVERSION_ID=\"9.4\"", "Red Hat:enterprise_linux:9"),
    ("ID=ubuntu\nVERSION_ID=\"22.04\"", "Ubuntu:22.04"),
    ("ID='sles'\nVERSION_ID='15.5'", "SUSE:Linux Enterprise Server 15 SP5"),
    ("ID=wolfi", "Wolfi"),
  ])
  func namesTheEcosystemOfASystem(_ text: String, _ ecosystem: String) throws {
    #expect(try #require(OperatingSystem(parsing: Array(text.utf8))).ecosystem == ecosystem)
  }
}
