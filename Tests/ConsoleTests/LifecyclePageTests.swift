import RegistryServer
import Testing

@testable import Console

@Suite struct LifecyclePageTests {
  @Test func aPolicyIsShownWithWhatItWouldDo() async throws {
    let fixture = try ConsoleFixture()
    for number in 0..<3 {
      let layer = try ConsoleFixture.tar([ConsoleFixture.file("n\(number)", number + 1)])
      try await fixture.push("team/app", ["build-\(number)"], layers: [layer])
    }
    let target = "/ui/r/team/app/-/lifecycle"
    // Who may pull may not read the policy for that.
    #expect(try await fixture.get(target).status == 303)
    let cookie = ["cookie": try #require(try await fixture.signIn().cookie)]
    #expect(try await fixture.get(target, cookie).text.contains("No lifecycle policy"))
    let policy = """
      {"rules": [{"rulePriority": 1, "description": "<b>few</b>", "selection": {"tagStatus": "tagged", "tagPrefixList": ["build-"],
      "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}}]}
      """
    try fixture.registry.setLifecyclePolicy(policy, of: "team/app")
    let answer = try await fixture.get(target, cookie)
    let page = HTMLDocument(answer.text)
    #expect(answer.status == 200 && page.faults.isEmpty)
    for part in ["all but the newest 1", "<b>few</b>", "build-0", "build-1", "would be deleted"] {
      #expect(page.text.contains(part), "\(part)")
    }
    #expect(page.links.filter { $0.contains("/-/image/") }.count == 2)
    // Looking changes nothing.
    #expect(try fixture.registry.tags("team/app", limit: 10).count == 3)
  }
}
