import ImageSpec
import Synchronization
import Testing

@testable import RegistryClient

/// What a registry warns of beside its answers. (distribution-spec, Warnings)
@Suite("warnings") struct WarningTests {
  @Test(arguments: [
    ("299 - \"Your token ends soon.\"", ["Your token ends soon."]),
    (#"299 - "a \"b\", c \\", 299 - "d""#, [#"a "b", c \"#, "d"]),
    // Those of caches, and of others than the registry.
    (#"110 - "stale", 299 proxy "x", 299 - "kept" "Wed, 21 Oct 2015 07:28:00 GMT", 299 - "too""#, ["kept", "too"]),
    ("299 - text", []), ("299 - \"open", []), ("", []), ("\"", []), ("299 - \"a\\", []),
  ])
  func textsAreQuotedStrings(_ value: String, _ texts: [String]) {
    #expect(Warnings.parse(value) == texts)
  }

  /// Warnings of a pull from, and of a push to, a registry that sends these with each answer.
  private func shown(_ values: [String]) async throws -> (shown: [String], host: String) {
    let machine = try Machine()
    let registry = try FakeRegistry(answer: { request, _, registry in
      var answer = registry.answer(request)
      answer.headers += values.map { ("Warning", $0) }
      return answer
    })
    try TestImage(layers: [noise(1000)]).put(in: registry, "team/app")
    let shown = Mutex<[String]>([])
    let client = machine.client { $0.onWarning = { warning in shown.withLock { $0.append(warning.description) } } }
    try await machine.with(client) { client in
      _ = try await client.pull(registry.name("team/app:1"))
      _ = try await client.push(registry.name("team/app:1"), to: registry.name("team/other:1"))
      // Nothing of it in the middle of a display.
      #expect(shown.withLock { $0.isEmpty })
    }
    return (shown.withLock { $0 }, registry.host)
  }

  @Test func eachIsShownOnceHoweverOftenItCame() async throws {
    let (shown, host) = try await shown(["299 - \"one\"", "299 - \"two\", 299 - \"one\""])
    #expect(shown == ["\(host): one", "\(host): two"])
  }

  @Test func aTerminalIsNotWrittenTo() async throws {
    let (shown, host) = try await shown(["299 - \"a\tb\u{9b}2J\u{202e}c\""])
    #expect(shown == ["\(host): a\\u{9}b\\u{9b}2J\\u{202e}c"])
    // HTTP lets no other control character through; whoever does is not relied on.
    let warnings = Warnings()
    warnings.note(["299 - \"\u{1b}[2J\r\n\""], from: "host")
    #expect(warnings.take().map(\.text) == ["\\u{1b}[2J\\u{d}\\u{a}"])
  }

  /// 4,096 bytes with one answer, and so many different ones in all.
  @Test func whatIsSentIsBounded() async throws {
    let long = "299 - \"" + String(repeating: "x", count: 4000) + "\""
    let (shown, _) = try await shown([long, "299 - \"" + String(repeating: "y", count: 4000) + "\""])
    #expect(shown.count == 1 && shown.allSatisfy { $0.hasSuffix("x") })
    let warnings = Warnings()
    for number in 0..<1000 { warnings.note(["299 - \"\(number)\""], from: "host") }
    #expect(warnings.take().count == Warnings.countLimit && warnings.take().isEmpty)
  }
}
