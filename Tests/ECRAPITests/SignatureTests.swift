import Testing

@testable import ECRAPI

/// AWS's published examples: key AKIDEXAMPLE, 30 August 2015, 12:36 UTC. (Signature Version 4 test suite)
@Suite struct SignatureTests {
  private static let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
  private static let time = "20150830T123600Z"

  private func request(
    _ method: String, _ path: String, query: String = "", headers: [(name: String, value: String)] = [],
    body: String = ""
  ) -> SignedRequest {
    SignedRequest(
      method: method, path: path, query: query,
      headers: [(name: "host", value: "example.amazonaws.com"), (name: "x-amz-date", value: Self.time)] + headers,
      payloadHash: payloadHash(Array(body.utf8)))
  }

  private func signature(_ request: SignedRequest) -> String {
    let names = Set(request.headers.map(\.name)).sorted()
    return CredentialScope(date: "20150830", region: "us-east-1", service: "service")
      .signature(of: request.canonicalRequest(signedHeaders: names), time: Self.time, secret: Self.secret)
  }

  @Test func signsPlainRequests() {
    #expect(signature(request("GET", "/")) == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    #expect(signature(request("POST", "/")) == "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")
  }

  @Test func sortsTheQuery() {
    #expect(
      signature(request("GET", "/", query: "Param2=value2&Param1=value1"))
        == "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
  }

  @Test func coversTheBody() {
    let form = request(
      "POST", "/", headers: [(name: "content-type", value: "application/x-www-form-urlencoded")], body: "Param1=value1")
    #expect(signature(form) == "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")
  }

  @Test func collapsesBlanksOfHeaders() {
    let padded = request(
      "GET", "/", headers: [(name: "my-header1", value: " value1"), (name: "my-header2", value: " \"a   b   c\"")])
    #expect(signature(padded) == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736")
  }

  @Test func joinsHeadersOfOneName() {
    let several = request(
      "GET", "/",
      headers: [
        (name: "my-header1", value: "value2"), (name: "my-header1", value: "value2"),
        (name: "my-header1", value: "value1"),
      ])
    #expect(several.canonicalRequest(signedHeaders: ["my-header1"]).contains("my-header1:value2,value2,value1\n"))
  }

  @Test(arguments: [
    ("/", "/"), ("//", "/"), ("/./example", "/example"), ("/example/..", "/"), ("/a/b/../..", "/"),
    ("//example//", "/example/"),
    ("/../..", "/"), ("/%E1%88%B4", "/%25E1%2588%25B4"), ("/example%20space/", "/example%2520space/"), ("", "/"),
  ])
  func normalisesThePath(_ path: String, _ canonical: String) {
    #expect(request("GET", path).canonicalPath == canonical)
  }

  /// The worked example of AWS's documentation: IAM, ListUsers.
  @Test func agreesWithTheDocumentation() {
    let listUsers = SignedRequest(
      method: "GET", path: "/", query: "Action=ListUsers&Version=2010-05-08",
      headers: [
        (name: "host", value: "iam.amazonaws.com"), (name: "x-amz-date", value: Self.time),
        (name: "content-type", value: "application/x-www-form-urlencoded; charset=utf-8"),
      ], payloadHash: payloadHash([]))
    let canonical = listUsers.canonicalRequest(signedHeaders: ["content-type", "host", "x-amz-date"])
    #expect(
      payloadHash(Array(canonical.utf8)) == "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59")
    #expect(
      CredentialScope(date: "20150830", region: "us-east-1", service: "iam")
        .signature(of: canonical, time: Self.time, secret: Self.secret)
        == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
  }

  @Test func readsTimes() throws {
    let time = try #require(SignatureTime(parsing: Self.time))
    #expect(time.seconds == 1_440_938_160 && time.description == Self.time && time.date == "20150830")
    for text in [
      "", "20150830", "20150830T123600", "20151330T123600Z", "20150230T123600Z", "2015-08-30T12:36Z",
      "20150830t123600z",
    ] {
      #expect(SignatureTime(parsing: text) == nil)
    }
  }
}
