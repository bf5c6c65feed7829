import RegistryServer
import Testing

@testable import Console

@Suite struct ActivityTests {
  /// Entries as soon as as many as that are written.
  private func entries(_ fixture: ConsoleFixture, _ count: Int) async throws -> [Activity.Entry] {
    while true {
      let found = try fixture.console.events.latest(.main, repository: nil, limit: 1000)
      if found.count >= count { return found }
      try await Task.sleep(for: .milliseconds(2))
    }
  }

  private func event(_ kind: RegistryEvent.Kind, _ fixture: ConsoleFixture, _ repository: String = "team/app", tag: String = "1") {
    fixture.registry.events.publish(
      RegistryEvent(kind, in: fixture.registry, repository: repository, tag: tag, by: Origin(principal: "<ada>")))
  }

  @Test func whatHappensIsToldToThoseWhoSignedIn() async throws {
    let fixture = try ConsoleFixture()
    try await fixture.push("team/app", ["1"], layers: [])
    event(.delete, fixture, tag: "gone")
    while try fixture.console.events.latest(.main, repository: nil, limit: 1).first?.tag != "gone" {
      try await Task.sleep(for: .milliseconds(2))
    }
    #expect(try await fixture.get("/ui/activity").status == 303)
    let cookie = try #require(try await fixture.signIn().cookie)
    let page = try await fixture.get("/ui/activity", ["cookie": cookie])
    #expect(page.status == 200 && HTMLDocument(page.text).faults.isEmpty)
    let text = HTMLDocument(page.text).text
    #expect(text.contains("pushed") && text.contains("team/app:1") && text.contains("team/app:gone") && text.contains("<ada>"))
    let one = try await fixture.get("/ui/activity?repository=other/app", ["cookie": cookie])
    #expect(one.status == 200 && !one.text.contains("team/app"))
  }

  @Test func pullsOfTheSameImageCountOnceAMinuteAndOldEntriesGo() async throws {
    let fixture = try ConsoleFixture()
    for _ in 0..<50 { event(.pull, fixture) }
    event(.pull, fixture, tag: "2")
    event(.push, fixture)
    #expect(try await entries(fixture, 3).count == 3)
    // One of its own events, so that nothing else writes.
    let registry = try Registry(fixture.registry.store)
    let small = try Activity(registry, capacity: 5, logger: fixture.server.logger)
    for number in 0..<40 {
      registry.events.publish(
        RegistryEvent(.push, in: registry, repository: "team/app", tag: "t\(number)", by: .unknown))
      while try small.latest(.main, repository: nil, limit: 1).first?.tag != "t\(number)" {
        try await Task.sleep(for: .milliseconds(1))
      }
    }
    #expect(try small.latest(.main, repository: nil, limit: 1000).count == 5)
  }

  @Test func pagesOfActivityFollowOneAnother() async throws {
    let fixture = try ConsoleFixture()
    for number in 0..<130 { event(.push, fixture, tag: "t\(number)") }
    _ = try await entries(fixture, 130)
    let cookie = try #require(try await fixture.signIn().cookie)
    var target: String? = "/ui/activity?repository=team/app"
    var seen = 0
    while let current = target {
      let document = HTMLDocument(try await fixture.get(current, ["cookie": cookie]).text)
      seen += document.elements.filter { $0.name == "time" }.count
      target = document.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
    }
    #expect(seen == 130)
  }
}
