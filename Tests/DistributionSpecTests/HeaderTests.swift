import FoundationEssentials
import Testing

@testable import DistributionSpec

@Suite struct ChallengeTests {
  @Test func readsBearer() {
    let header = #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull,push""#
    let found = Challenge.parse([header])
    #expect(found.count == 1)
    #expect(found[0].scheme == "bearer")
    #expect(found[0]["realm"] == "https://auth.docker.io/token")
    #expect(found[0]["scope"] == "repository:library/debian:pull,push")
    #expect(found[0].description == header)
  }

  @Test func ignoresCaseAndSpaces() {
    let found = Challenge.parse([#"BEARER  Realm = "x" , SERVICE=gcr.io"#])
    #expect(found == [.bearer(realm: "x", service: "gcr.io")])
  }

  @Test func readsQuotedEscapes() {
    #expect(Challenge.parse([#"Basic realm="a \"b\", c=d""#]) == [.basic(realm: #"a "b", c=d"#)])
    #expect(Challenge.basic(realm: #"a"\b"#).description == #"Basic realm="a\"\\b""#)
    // A quote that bears an accent is one all the same.
    let accented = Challenge.basic(realm: "a\"\u{301}b")
    #expect(Challenge.parse([accented.description]) == [accented])
  }

  @Test func readsSeveralInOneHeaderAndSeveralHeaders() {
    let found = Challenge.parse([#"Basic realm="r", Bearer realm="t",error="insufficient_scope""#, "Negotiate"])
    #expect(found.map(\.scheme) == ["basic", "bearer", "negotiate"])
    #expect(found[1]["error"] == "insufficient_scope")
    #expect(found[2].parameters.isEmpty)
  }

  @Test(arguments: ["", ",,,", "Bearer realm=\"open", "=x", "Basic realm=\"a\\", "\u{7f}\u{0}", "Negotiate abc=="])
  func survivesGarbage(_ text: String) {
    _ = Challenge.parse([text])
  }

  @Test func scopesRoundTrip() {
    let scope = AccessScope(parsing: "repository:host:5000/a/b:push,pull")
    #expect(scope == AccessScope(name: "host:5000/a/b", actions: ["pull", "push"]))
    #expect(scope?.description == "repository:host:5000/a/b:pull,push")
    #expect(AccessScope(parsing: "nothing") == nil)
  }
}

@Suite struct LinkTests {
  @Test func findsTheNextPage() {
    #expect(LinkHeader.next([#"</v2/a/tags/list?n=2&last=b>; rel="next""#]) == "/v2/a/tags/list?n=2&last=b")
    #expect(LinkHeader.next([#"<x>; rel=prev, <y?a=1,2>; title="a, b"; REL=next"#]) == "y?a=1,2")
    #expect(LinkHeader.next(["<x>"]) == nil)
    #expect(LinkHeader.next(["garbage", "<unclosed"]) == nil)
    #expect(LinkHeader.next(["<x>;;;rel"]) == nil)
    #expect(LinkHeader.next([LinkHeader(target: "/z").description]) == "/z")
  }
}

@Suite struct RangeTests {
  @Test func readsUploadRanges() {
    #expect(UploadRange(parsing: "0-1023")?.received == 1024)
    #expect(UploadRange(parsing: "bytes=0-1023")?.received == 1024)
    #expect(UploadRange(parsing: "bytes 5-9/100")?.count == 5)
    #expect(UploadRange(parsing: "0-0")?.received == 0)
    #expect(UploadRange(parsing: "0--1")?.received == 0)
    #expect(UploadRange(received: 0).description == "0-0")
    #expect(UploadRange(first: 10, count: 5).description == "10-14")
  }

  @Test(arguments: ["", "-", "a-b", "5-3", "-1-2", "0-99999999999999999999", "1", "+1-2"])
  func refusesMalformedUploadRange(_ text: String) {
    #expect(UploadRange(parsing: text) == nil)
  }

  @Test func readsByteRanges() {
    #expect(ByteRange.parse("bytes=0-99, 100-, -5") == [.bounded(first: 0, last: 99), .from(100), .suffix(5)])
    #expect(ByteRange.parse("items=0-1") == nil)
    #expect(ByteRange.parse("bytes=5-1") == nil)
    #expect(ByteRange.parse("bytes=-") == nil)
    #expect(ByteRange.bounded(first: 5, last: 99).resolved(size: 10) == 5..<10)
    #expect(ByteRange.from(10).resolved(size: 10) == nil)
    #expect(ByteRange.suffix(50).resolved(size: 10) == 0..<10)
    // Together more bytes than there are numbers: the whole.
    let many = Array(repeating: [ByteRange.from(9), .bounded(first: 0, last: 3)], count: 16).flatMap { $0 }
    #expect(ByteRange.resolve(many, size: (1 << 62) - 1) == nil)
    #expect(ByteRange.suffix(0).resolved(size: 10) == nil)
    #expect(ByteRange.from(7).description == "bytes=7-")
  }

  @Test func readsContentRanges() {
    #expect(ContentRange(parsing: "bytes 0-99/1000") == .bytes(0..<100, size: 1000))
    #expect(ContentRange(parsing: "bytes 0-99/*") == .bytes(0..<100, size: nil))
    #expect(ContentRange(parsing: "bytes */7") == .unsatisfied(size: 7))
    #expect(ContentRange(parsing: "bytes 0-7/7") == nil)
    #expect(ContentRange(parsing: "bytes */*") == nil)
    #expect(ContentRange.bytes(3..<5, size: 9).description == "bytes 3-4/9")
    #expect(ContentRange.unsatisfied(size: 9).description == "bytes */9")
  }
}

@Suite struct BodyTests {
  @Test func errorsRoundTrip() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let body = ErrorBody(.manifestUnknown, detail: .object(["Tag": "v1"]))
    let text = String(decoding: try encoder.encode(body), as: UTF8.self)
    #expect(text == #"{"errors":[{"code":"MANIFEST_UNKNOWN","detail":{"Tag":"v1"},"message":"manifest unknown to registry"}]}"#)
    #expect(try JSONDecoder().decode(ErrorBody.self, from: Data(text.utf8)) == body)
  }

  @Test func readsForeignErrors() throws {
    let text = #"{"errors":[{"code":"TEAPOT","message":"no","detail":[1,null,true,{"a":"b"}]},{"code":"DENIED"}]}"#
    let body = try JSONDecoder().decode(ErrorBody.self, from: Data(text.utf8))
    #expect(body.errors[0].known == nil)
    #expect(body.errors[1].known == .denied)
  }

  @Test(arguments: ErrorCode.allCases)
  func everyCodeHasAStatusAndAMessage(_ code: ErrorCode) {
    #expect((400...599).contains(code.status))
    #expect(!code.message.isEmpty)
  }

  @Test func readsNullListings() throws {
    let tags = try JSONDecoder().decode(TagList.self, from: Data(#"{"name":"a","tags":null}"#.utf8))
    #expect(tags == TagList(name: "a", tags: []))
    #expect(try JSONDecoder().decode(Catalog.self, from: Data("{}".utf8)).repositories == [])
  }

  @Test func readsEitherNameOfTheToken() throws {
    let docker = try JSONDecoder().decode(TokenResponse.self, from: Data(#"{"token":"a","expires_in":300}"#.utf8))
    let azure = try JSONDecoder().decode(TokenResponse.self, from: Data(#"{"access_token":"b","token":""}"#.utf8))
    #expect(docker.value == "a" && docker.expiresIn == 300)
    #expect(azure.value == "b" && azure.expiresIn == nil)
  }
}
