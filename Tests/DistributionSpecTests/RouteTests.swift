import ImageSpec
import Testing

@testable import DistributionSpec

private let hex = String(repeating: "ab", count: 32)
private let digest = "sha256:\(hex)"

@Suite struct RouteTests {
  @Test(arguments: [
    ("/v2/", Route.base),
    ("/v2", .base),
    ("/v2/_catalog", .catalog),
    ("/v2/app/tags/list", .tags(name: "app")),
    ("/v2/team/app/manifests/v1.0", .manifest(name: "team/app", reference: .tag("v1.0"))),
    ("/v2/a/b/c/blobs/uploads/", .uploads(name: "a/b/c")),
    ("/v2/a/blobs/uploads", .uploads(name: "a")),
    ("/v2/a/blobs/uploads/9f-1", .upload(name: "a", id: "9f-1")),
    ("/v2/a/blobs/uploads/manifests/latest", .manifest(name: "a/blobs/uploads", reference: .tag("latest"))),
    ("/v2/a/manifests/tags/list", .tags(name: "a/manifests")),
  ])
  func parsesPath(_ path: String, _ route: Route) throws {
    #expect(try Route(parsing: path) == route)
  }

  @Test func parsesDigests() throws {
    let value = try Digest(parsing: digest)
    #expect(try Route(parsing: "/v2/app/blobs/\(digest)") == .blob(name: "app", digest: value))
    #expect(try Route(parsing: "/v2/app/blobs/sha256%3A\(hex)") == .blob(name: "app", digest: value))
    #expect(try Route(parsing: "/v2/app/manifests/\(digest)") == .manifest(name: "app", reference: .digest(value)))
    #expect(try Route(parsing: "/v2/app/referrers/\(digest)") == .referrers(name: "app", digest: value))
  }

  @Test(arguments: ["", "/", "/v1/", "v2/", "/v2/app", "/v2/app/manifests/", "/v2/app/manifests", "/v2//manifests/x/y", "/v2/a/tags/%zz"])
  func refusesUnknownPath(_ path: String) {
    #expect(throws: RouteError.self) { try Route(parsing: path) }
  }

  @Test func namesWhatIsWrong() {
    #expect(throws: RouteError.invalidName("App")) { try Route(parsing: "/v2/App/manifests/x") }
    #expect(throws: RouteError.invalidName("a/../b")) { try Route(parsing: "/v2/a/../b/tags/list") }
    #expect(throws: RouteError.invalidName("a/../b")) { try Route(parsing: "/v2/a/%2e%2e/b/tags/list") }
    #expect(throws: RouteError.invalidDigest("sha256:12")) { try Route(parsing: "/v2/a/blobs/sha256:12") }
    #expect(throws: RouteError.invalidTag("-x")) { try Route(parsing: "/v2/a/manifests/-x") }
    #expect(RouteError.invalidDigest("x").code.status == 400)
    #expect(RouteError.unknown("x").code.status == 404)
  }

  @Test(arguments: [
    "/v2/", "/v2/_catalog", "/v2/a/b/tags/list", "/v2/a/manifests/latest", "/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/x",
    "/v2/a/blobs/\(digest)", "/v2/a/referrers/\(digest)",
  ])
  func rendersWhatItParsed(_ path: String) throws {
    #expect(try Route(parsing: path).path == path)
  }

  @Test func queriesRoundTrip() {
    let query = Query([("digest", digest), ("from", "a/b"), ("empty", "")])
    #expect(Query(parsing: query.description) == query)
    #expect(Query(parsing: "n=10&last=a%2Fb+c")["last"] == "a/b c")
    #expect(Query(parsing: "")["n"] == nil)
    #expect(Query(parsing: "a=%zz")["a"] == "%zz")
  }
}
