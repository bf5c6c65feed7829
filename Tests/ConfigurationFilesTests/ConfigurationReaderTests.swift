import Glibc
import Kernel
import SystemPackage
import TestDirectories
import Testing

@testable import ConfigurationFiles

@Suite struct ConfigurationReaderTests {
  private enum Mode: String, CaseIterable, ConfigurationValue { case auto, off }

  private struct Settings: Equatable {
    var mode: String, names: [String], idle: TimeSpan, size: ByteCount, secret: String?, hooks: [String]
  }

  private func read(
    _ text: String, environment: [String: String] = [:], flags: [ConfigurationReader.Flag] = []
  ) throws -> (Settings, EffectiveConfiguration) {
    let reader = try ConfigurationReader(Array(text.utf8), name: "r.yaml", environment: environment, flags: flags)
    let tls = reader.section("tls")
    var settings = Settings(
      mode: tls.value("mode", default: Mode.auto).rawValue, names: tls.list("names"),
      idle: tls.value("idle", default: .seconds(60), in: .seconds(1)...(.seconds(100)), isLive: true),
      size: tls.value("size", default: ByteCount(1024)), secret: tls.secret("key"), hooks: [])
    for entry in reader.section("hooks").entries("endpoints") {
      settings.hooks.append(entry.value("url", default: ""))
      entry.end()
    }
    return (settings, try reader.finish())
  }

  private func problems(
    _ text: String, environment: [String: String] = [:], flags: [ConfigurationReader.Flag] = []
  ) -> [String] {
    do {
      _ = try read(text, environment: environment, flags: flags)
      return []
    } catch {
      return (error as? ConfigurationProblems)?.problems.map(\.description) ?? ["\(error)"]
    }
  }

  @Test func hasDefaults() throws {
    #expect(
      try read("").0
        == Settings(mode: "auto", names: [], idle: .seconds(60), size: ByteCount(1024), secret: nil, hooks: []))
    #expect(try read("# nothing\ntls:\nhooks:\n").0.mode == "auto")
  }

  @Test func flagsComeBeforeTheEnvironmentAndThatBeforeTheFile() throws {
    let file = "tls: {mode: off, names: [a, b], idle: 5s}"
    let environment = ["CLIPPER_REGISTRY_TLS_MODE": "auto", "CLIPPER_REGISTRY_TLS_NAMES": "c, d", "HOME": "/"]
    let flags = [ConfigurationReader.Flag("tls.names", "--name", ["e"]), .init("tls.names", "--name", ["f"])]
    #expect(try read(file).0.names == ["a", "b"] && read(file).0.mode == "off")
    #expect(try read(file, environment: environment).0.names == ["c", "d"])
    let (settings, effective) = try read(file, environment: environment, flags: flags)
    #expect(settings.names == ["e", "f"] && settings.mode == "auto" && settings.idle == .seconds(5))
    #expect(
      effective.settings.prefix(3).map(\.place) == ["the environment's CLIPPER_REGISTRY_TLS_MODE", "--name", "r.yaml:1"])
  }

  @Test func tellsAllThatIsWrongWithItsPlace() {
    let file = """
      tls:
        mode: maybe
        size: 3 apples
        idle: 5h
        names: {a: b}
        modes: off
      server:
        x: 1
      hooks:
        endpoints:
          - url: x
            secret: y
      """
    #expect(
      problems(file, environment: ["CLIPPER_REGISTRY_TLS_NAME": "x"], flags: [.init("tls.what", "--set", ["1"])]) == [
        "r.yaml:2: tls.mode: \"maybe\" is not auto or off",
        "r.yaml:5: tls.names: it is a mapping, not a value",
        "r.yaml:4: tls.idle: it must be from 1s to 100s",
        "r.yaml:3: tls.size: \"3 apples\" is not a number of bytes such as 512, 64KiB or 10GB",
        "r.yaml:12: hooks.endpoints[0].secret: no such key; there are url",
        "r.yaml:7: server: no such section; there are hooks, tls",
        "r.yaml:6: tls.modes: no such key; there are idle, key, key-file, mode, names, size",
        "the environment's CLIPPER_REGISTRY_TLS_NAME: no setting is called so",
        "--set: tls.what: no such setting",
      ])
  }

  @Test(arguments: [
    ("a: [", "r.yaml:"), ("tls: 1\ntls: 2\n", "r.yaml:"), ("[a]", "r.yaml:1: it is a list"), ("a: b\n---\nc: d", "more than one"),
    ("tls: &x {mode: off}\nhooks: *x\n", "anchors"), ("tls: 5", "r.yaml:1: tls: it is a value, not a mapping"),
    ("tls: {mode: [auto, off]}", "it is a list, not a value"), ("tls: {names: [[a]]}", "an entry of it is a list"),
    ("hooks: {endpoints: x}", "it is a value, not a list"), ("tls: {key: \"\"}", "it is empty"), ("? [a]\n: b\n", "a key is not a word"),
  ])
  func refusesWhatIsNoConfiguration(_ text: String, _ part: String) {
    let found = problems(text)
    #expect(found.contains { $0.contains(part) }, "\(found)")
  }

  @Test func boundsItsInput() {
    #expect(problems(String(repeating: "#", count: 2 << 20)) == ["r.yaml: it is larger than 1 MiB"])
    // Nine aliases of nine aliases, and so on: as a key they would be compared word by word.
    let levels = Array("abcdefghijklmnopqrstuvwxyz")
    let bomb = levels.indices.dropFirst().map { index in
      let nine = Array(repeating: "*\(levels[index - 1])", count: 9).joined(separator: ",")
      return "\(levels[index]): &\(levels[index]) [\(nine)]\n"
    }
    #expect(problems("a: &a x\n" + bomb.joined() + "? *z\n: 1\n").contains { $0.contains("anchors") })
    // Texts may look like that.
    let texts = Array(repeating: "\"a &y *y\"", count: 10).joined(separator: ", ")
    #expect(problems("tls: {names: [\(texts)]}").isEmpty)
    let deep = "tls: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
    #expect(problems(deep).contains { $0.contains("deeper than 16") })
  }

  @Test func readsAVariableByItsOtherName() throws {
    func read(_ environment: [String: String]) throws -> String? {
      let reader = try ConfigurationReader([], name: "", environment: environment, flags: [])
      let section = reader.section("cluster")
      section.also("database", "CLIPPER_REGISTRY_DATABASE")
      let value = section.secret("database")
      _ = try reader.finish()
      return value
    }
    #expect(try read(["CLIPPER_REGISTRY_DATABASE": "a"]) == "a")
    #expect(try read(["CLIPPER_REGISTRY_DATABASE": "a", "CLIPPER_REGISTRY_CLUSTER_DATABASE": "b"]) == "b")
    #expect(try read(["CLIPPER_REGISTRY_DATABASE": ""]) == nil)
  }

  @Test func readsSecretsFromFilesAndShowsNone() throws {
    let directory = try makeTestDirectory("configuration-test")
    defer { try? removeTree(directory) }
    let path = directory.appending("key")
    try writeFileAtomically(path, Array("hush: hush\n".utf8))
    #expect(try read("tls: {key-file: \(path)}").0.secret == "hush: hush")
    let (settings, effective) = try read("tls: {key: s3cret}")
    #expect(settings.secret == "s3cret")
    #expect(!effective.text().contains("s3cret") && effective.text().contains("  key: \"********\"  # r.yaml:1\n"))
    #expect(problems("tls: {key: a, key-file: \(path)}").contains { $0.contains("not both") })
    #expect(problems("tls: {key-file: \(path).none}").contains { $0.contains("cannot read") })
  }

  @Test func showsWhatItWouldReadAgain() throws {
    let (settings, effective) = try read("tls: {mode: off, names: ['[::1]:5', \"a: #b\", '*x', '-'], size: 10GB}")
    #expect(try read(effective.text()).0 == settings)
    #expect(effective.text().contains("  size: 10GB  # r.yaml:1\n"))
  }

  @Test func tellsWhichChangesNeedARestart() throws {
    let before = try read("tls: {mode: off, idle: 5s}").1
    let changes = try read("tls: {idle: 6s, size: 7}").1.changes(from: before)
    #expect(changes.live == ["tls.idle"] && changes.restart == ["tls.mode", "tls.size"])
  }

  /// What Kubernetes says of a service called clipper-registry.
  @Test func leavesVariablesOfServicesAlone() {
    #expect(
      problems(
        "",
        environment: [
          "CLIPPER_REGISTRY_SERVICE_HOST": "10.0.0.1", "CLIPPER_REGISTRY_PORT": "tcp://10.0.0.1:5000",
          "CLIPPER_REGISTRY_PORT_5000_TCP_ADDR": "10.0.0.1", "CLIPPER_REGISTRY_SERVICE_PORT_HTTPS": "443",
        ]) == [])
  }

  @Test(arguments: [
    ("0", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("12h", 43_200_000), ("7d", 604_800_000),
  ])
  func readsTimes(_ text: String, _ milliseconds: Int64) throws {
    let span = try #require(TimeSpan(configuration: text))
    #expect(span.milliseconds == milliseconds && span.configurationText == text)
  }

  @Test(arguments: ["", "5", "-1s", "1.5h", "s", "99999999999999999d", "5 s", "1w"])
  func refusesOtherTimes(_ text: String) { #expect(TimeSpan(configuration: text) == nil) }

  @Test(arguments: [("0", 0), ("512", 512), ("64KiB", 65536), ("10GB", 10_000_000_000), ("2TiB", 2 << 40), ("7B", 7)])
  func readsSizes(_ text: String, _ bytes: Int64) { #expect(ByteCount(configuration: text)?.bytes == bytes) }

  @Test(arguments: ["", "KiB", "-1", "1.5GB", "9999999999TiB", "1 MB"])
  func refusesOtherSizes(_ text: String) { #expect(ByteCount(configuration: text) == nil) }
}
