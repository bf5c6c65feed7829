import HTTPTypes
import RegistryServer
import Testing

@testable import Console

@Suite struct SignInTests {
  private let origin = ["origin": "https://registry.test:5000"]

  @Test func thoseWhoMayNotPullSeeNothing() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    _ = try fixture.registry.createRepository("team/secret")
    let there = try await fixture.get("/ui/r/team/secret")
    let absent = try await fixture.get("/ui/r/team/absent")
    #expect(there.status == 303 && absent.status == 303)
    #expect(there["location"] == "/ui/sign-in?next=%2Fui%2Fr%2Fteam%2Fsecret")
    #expect(try await fixture.get("/ui/").status == 303)
    #expect(try await !fixture.get("/ui/sign-in").text.contains("secret\""))
  }

  @Test func theFormGivesASessionThatOnlyThisHostReads() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    _ = try fixture.registry.createRepository("team/app")
    let answer = try await fixture.signIn(next: "%2Fui%2Fr%2Fteam%2Fapp")
    #expect(answer.status == 303 && answer["location"] == "/ui/r/team/app")
    let header = try #require(answer["set-cookie"])
    for part in ["__Host-clipper=", "HttpOnly", "SameSite=Strict", "Secure", "Path=/"] { #expect(header.contains(part)) }
    let cookie = try #require(answer.cookie)
    let page = try await fixture.get("/ui/r/team/app", ["cookie": "a=b; \(cookie)"])
    #expect(page.status == 200 && page.text.contains("ada") && page.text.contains("Sign out"))
    #expect(page["cache-control"] == "private, no-cache" && page["vary"]?.contains("Cookie") == true)
  }

  @Test func withoutTLSTheCookieHasAnotherName() async throws {
    let fixture = try ConsoleFixture()
    let answer = try await fixture.send(
      .post, "/ui/sign-in", ["origin": "http://registry.test:5000"], body: "user=ada&password=secret", isSecure: false)
    #expect(answer["set-cookie"]?.hasPrefix("clipper-session=") == true && answer["set-cookie"]?.contains("Secure") == false)
  }

  @Test func wrongPasswordsAndUnknownUsersAreToldTheSame() async throws {
    let fixture = try ConsoleFixture()
    let wrong = try await fixture.signIn("ada", "wrong")
    let unknown = try await fixture.signIn("bob", "wrong")
    #expect(wrong.status == 401 && unknown.status == 401 && wrong.cookie == nil && unknown.cookie == nil)
    #expect(wrong.text.replacing("ada", with: "bob") == unknown.text)
  }

  @Test(arguments: [
    [:], ["origin": "https://evil.example"], ["origin": "null"], ["sec-fetch-site": "cross-site"],
    ["origin": "https://registry.test:5000", "sec-fetch-site": "cross-site"], ["origin": "http://registry.test:5000"],
  ])
  func aFormOfAnotherSiteIsRefused(_ headers: [String: String]) async throws {
    let fixture = try ConsoleFixture()
    let answer = try await fixture.signIn(headers: headers)
    #expect(answer.status == 403 && answer.cookie == nil)
    #expect(try await fixture.send(.post, "/ui/sign-out", headers).status == 403)
  }

  @Test(arguments: [
    "https%3A%2F%2Fevil.example%2Fui%2F", "%2F%2Fevil.example", "%2Fui%2F%2F..%2F%2Fevil.example", "%2Fui%2F%0d%0aset-cookie:x",
    "javascript:alert(1)", "%2Fui%2F%5Cevil",
  ])
  func theWayBackStaysHere(_ next: String) async throws {
    let fixture = try ConsoleFixture()
    #expect(try await fixture.signIn(next: next)["location"] == "/ui/")
  }

  @Test func aSessionDiesWithThePasswordTheUserAndTheSecret() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    let cookie = try #require(try await fixture.signIn().cookie)
    #expect(try await fixture.get("/ui/", ["cookie": cookie]).status == 200)
    try fixture.files.passwords.set("ada", password: "other", cost: 4)
    #expect(try await fixture.get("/ui/", ["cookie": cookie]).status == 303)
    let second = try #require(try await fixture.signIn("ada", "other").cookie)
    #expect(try await fixture.get("/ui/", ["cookie": second]).status == 200)
    _ = try fixture.files.passwords.remove("ada")
    #expect(try await fixture.get("/ui/", ["cookie": second]).status == 303)
    let elsewhere = try ConsoleFixture(anonymous: .none)
    let foreign = try #require(try await elsewhere.signIn().cookie)
    #expect(try await fixture.get("/ui/", ["cookie": foreign]).status == 303)
  }

  @Test func aSessionOfAKeyDiesWithTheKeyAndWithItsToken() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    let key = try fixture.files.keys.create(user: "bob")
    let token = fixture.server.authenticator.issueToken(for: key, lifetime: 100)
    let answer = try await fixture.signIn("AWS", token.password)
    let cookie = try #require(answer.cookie)
    let age = try #require(answer["set-cookie"]?.split(separator: "Max-Age=").last?.prefix { $0.isNumber })
    #expect((1...100).contains(try #require(Int(age))))
    #expect(try await fixture.get("/ui/", ["cookie": cookie]).text.contains(key.id))
    _ = try fixture.files.keys.remove(key.id)
    #expect(try await fixture.get("/ui/", ["cookie": cookie]).status == 303)
  }

  @Test func anAlteredOrEndedSessionIsNone() async throws {
    let fixture = try ConsoleFixture()
    let authenticator = fixture.server.authenticator
    let session = try #require(try authenticator.issueSession(for: .user("ada"), password: "secret"))
    #expect(try authenticator.principal(session: session.value) == .user("ada"))
    let letters = Array(session.value)
    for index in letters.indices {
      var altered = letters
      altered[index] = altered[index] == "A" ? "B" : "A"
      #expect(try authenticator.principal(session: String(altered)) == nil, "letter \(index)")
    }
    for text in ["", "AQ", String(session.value.dropLast()), session.value + "A", String(repeating: "A", count: 4000)] {
      #expect(try authenticator.principal(session: text) == nil)
    }
    let ended = try #require(try authenticator.issueSession(for: .user("ada"), password: "secret", lifetime: -1))
    #expect(try authenticator.principal(session: ended.value) == nil)
    #expect(try authenticator.issueSession(for: .anonymous, password: "") == nil)
    #expect(try authenticator.issueSession(for: .user("nobody"), password: "") == nil)
    // Neither kind of secret stands for the other.
    let key = try fixture.files.keys.create(user: "bob")
    #expect(try authenticator.principal(session: authenticator.issueToken(for: key).password) == nil)
  }

  @Test func basicWorksBesideAndAWrongOneIsToldSo() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    #expect(try await fixture.get("/ui/", ["authorization": "Basic YWRhOnNlY3JldA=="]).status == 200)
    #expect(try await fixture.get("/ui/", ["authorization": "Basic YWRhOndyb25n"]).status == 401)
  }

  @Test func policiesOfRepositoriesDecideWhatIsShown() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    for name in ["open/app", "closed/app"] { try await fixture.push(name, ["1"], layers: []) }
    let deny = #"{"Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage"}"#
    try fixture.registry.setRepositorySetting(
      .repositoryPolicy, of: "closed/app", #"{"Version": "2012-10-17", "Statement": [\#(deny)]}"#)
    let cookie = ["cookie": try #require(try await fixture.signIn().cookie)]
    let list = HTMLDocument(try await fixture.get("/ui/", cookie).text).links
    #expect(list.contains("/ui/r/open/app") && !list.contains("/ui/r/closed/app"))
    #expect(try await fixture.get("/ui/r/open/app", cookie).status == 200)
    for page in ["", "/-/tag/1", "/-/settings", "/-/lifecycle"] {
      #expect(try await fixture.get("/ui/r/closed/app\(page)", cookie).status == 404, "\(page)")
    }
    #expect(try await !fixture.get("/ui/activity", cookie).text.contains("closed"))
    let secret = #"{"Effect": "Deny", "Principal": "*", "Action": ["ecr:GetRepositoryPolicy", "ecr:GetLifecyclePolicy"]}"#
    try fixture.registry.setRepositorySetting(
      .repositoryPolicy, of: "open/app", #"{"Version": "2012-10-17", "Statement": [\#(secret)]}"#)
    let settings = try await fixture.get("/ui/r/open/app/-/settings", cookie)
    #expect(settings.status == 200 && !settings.text.contains("GetRepositoryPolicy") && !settings.text.contains("/-/lifecycle"))
    #expect(try await fixture.get("/ui/r/open/app/-/lifecycle", cookie).status == 404)
  }

  @Test func signingOutTakesTheCookieAway() async throws {
    let fixture = try ConsoleFixture()
    let answer = try await fixture.send(.post, "/ui/sign-out", origin)
    #expect(answer.status == 303 && answer["set-cookie"]?.contains("Max-Age=0") == true)
  }

  @Test func aLinkFromAnotherSiteIsFollowedOnceMoreFromHere() async throws {
    let fixture = try ConsoleFixture(anonymous: .none)
    let answer = try await fixture.get("/ui/r/team/app", ["sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"])
    #expect(answer.status == 200 && answer.text.contains("http-equiv=\"refresh\""))
    #expect(try await fixture.get("/ui/r/team/app", ["sec-fetch-site": "same-origin"]).status == 303)
  }
}
