import Glibc
import Kernel
import SystemPackage
import TestDirectories
import Testing

@testable import S3Storage

@Suite struct S3LocationTests {
  @Test func readsAURL() throws {
    let plain = try S3Location(parsing: "s3://images")
    #expect(plain.prefix == "" && plain.region == "us-east-1" && plain.authority == "images.s3.us-east-1.amazonaws.com")
    #expect(plain.path("a b/c+d") == "/a%20b/c%2Bd" && plain.path(nil) == "/")
    let full = try S3Location(
      parsing:
        "s3://images/team//a/?endpoint=http://[::1]:9000&region=eu-1&sse=aws:kms&kms-key=k%2F1&redirect=on&ca=/c.pem")
    #expect(full.prefix == "team/a/" && full.region == "eu-1" && full.redirects && full.certificateFile == "/c.pem")
    #expect(full.usesPathStyle && full.authority == "[::1]:9000" && full.path("x") == "/images/x")
    #expect(full.encryption == .kms(key: "k/1"))
    let virtual = try S3Location(parsing: "s3://images?endpoint=https://s3.example:443&style=virtual")
    #expect(virtual.authority == "images.s3.example")
  }

  @Test(arguments: [
    "http://bucket", "s3://", "s3://A", "s3://ab", "s3://-ab", "s3://abc/../d", "s3://abc/a b", "s3://abc?what=1",
    "s3://abc?region", "s3://abc?region=a&region=b", "s3://abc?endpoint=ftp://h", "s3://abc?endpoint=http://h/path",
    "s3://abc?endpoint=http://u:p@h", "s3://abc?style=dns", "s3://abc?sse=none", "s3://abc?kms-key=k",
    "s3://abc?redirect=yes",
    "s3://abc?region=a%0d%0ab", "s3://abc?region=%zz",
  ])
  func refusesWhatItCannotHonour(_ url: String) {
    #expect(throws: S3Error.self) { try S3Location(parsing: url) }
  }

  @Test func findsCredentials() throws {
    let directory = try makeTestDirectory("s3-test")
    defer { try? removeTree(directory) }
    let file = directory.appending("credentials")
    let text =
      "# keys\n[default]\naws_access_key_id = A\naws_secret_access_key=B=\n[other]\r\naws_access_key_id = C\naws_secret_access_key = D\naws_session_token = T\n"
    try writeFileAtomically(file, Array(text.utf8))
    let location = try S3Location(parsing: "s3://abc?credentials=\(file)")
    let found = try S3Credentials.find(location, environment: ["AWS_ACCESS_KEY_ID": "X", "AWS_SECRET_ACCESS_KEY": "Y"])
    #expect(found.id == "A" && found.secret == "B=" && found.token == nil)
    let plain = try S3Location(parsing: "s3://abc?profile=other")
    let other = try S3Credentials.find(plain, environment: ["AWS_SHARED_CREDENTIALS_FILE": file.string])
    #expect(other.id == "C" && other.secret == "D" && other.token == "T")
    let fromEnvironment = try S3Credentials.find(
      S3Location(parsing: "s3://abc"), environment: ["AWS_ACCESS_KEY_ID": "X", "AWS_SECRET_ACCESS_KEY": "Y"])
    #expect(fromEnvironment.id == "X")
    #expect(throws: S3Error.self) { try S3Credentials.find(S3Location(parsing: "s3://abc"), environment: [:]) }
  }

  /// The example of Amazon's documentation: "Example: GET Object", and its presigned form.
  @Test func signsAsDocumented() throws {
    let signature = S3Signature(
      credentials: S3Credentials(
        id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", token: nil), region: "us-east-1"
    )
    let time: time_t = 1_369_353_600
    let headers = signature.headers(
      method: "GET", authority: "examplebucket.s3.amazonaws.com", path: "/test.txt", query: [],
      headers: [("range", "bytes=0-9")], payloadHash: S3Signature.hash([]), time: time)
    let authorization = headers.first { $0.0 == "authorization" }?.1 ?? ""
    #expect(authorization.hasSuffix("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"))
    let query = signature.presigned(
      authority: "examplebucket.s3.amazonaws.com", path: "/test.txt", query: [], seconds: 86400, time: time)
    #expect(query.hasSuffix("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))
  }

  @Test func readsAnswers() throws {
    let text = """
      <?xml version="1.0"?>
      <ListResult xmlns="http://s3"><Key>a &amp;amp; &lt;b&gt;</Key><Empty/><Item><N>1</N></Item><Item><N>2</N></Item></ListResult>
      """
    let document = try #require(S3XML(parsing: Array(text.utf8)))
    #expect(document.name == "ListResult" && document["Key"]?.text == "a &amp; <b>" && document["Empty"]?.text == "")
    #expect(document.all("Item").map { $0["N"]?.text } == ["1", "2"])
  }

  @Test(arguments: [
    "", "text", "<a>", "<a></b>", "<a/><b/>", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "<a", "</a>",
    String(repeating: "<a>", count: 1000),
  ])
  func refusesWhatIsNoAnswer(_ text: String) { #expect(S3XML(parsing: Array(text.utf8)) == nil) }
}
