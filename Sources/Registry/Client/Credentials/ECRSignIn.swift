internal import struct Crypto.HMAC
internal import struct Crypto.SHA256
internal import struct Crypto.SymmetricKey
internal import DistributionSpec
internal import FoundationEssentials
internal import Glibc
internal import NIOCore
internal import NIOHTTP1

/// A key for AWS's interfaces.
public struct AWSAccessKey: Hashable, Sendable {
  public let id: String
  public let secret: String

  /// nil where `id` is no access key's.
  public init?(id: String, secret: String) {
    let letters = id.dropFirst(4).utf8
    guard id.hasPrefix("AKIA") || id.hasPrefix("ASIA"), (12...124).contains(letters.count),
      letters.allSatisfy({ (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) })
    else { return nil }
    self.id = id
    self.secret = secret
  }
}

extension RegistryClient {
  /// A sign-in for an Amazon ECR registry, as its GetAuthorizationToken gives it for an access key, and its end in seconds
  /// since 1970. `api` is the `host[:port]` of the interface. (AWS, Signature Version 4)
  public func ecrSignIn(
    api: String, region: String, key: AWSAccessKey
  ) async throws -> (credential: Credential, expires: Int64) {
    let what = "an authorization token"
    let host = Host(api)
    var request = HTTPRequest(.POST, try await base(host), what: what)
    request.address.target = "/"
    let body = "{}"
    let signing = SignedCall(
      host: request.address.authority, target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", body: body,
      time: SignedCall.now())
    for (name, value) in signing.headers { request.headers.add(name: name, value: value) }
    request.body = { .bytes(ByteBuffer(string: body)) }
    let sent = request
    let answer = try await transport.retrying(host: host.name, what: what) {
      let answer = try await self.transport.bare(sent, authorization: signing.authorization(key, region: region))
      if let failure = await Transport.transient(answer) { throw failure }
      return answer
    }
    let bytes = try await answer.collect(limit: 1 << 20) ?? []
    guard answer.status == 200 else {
      throw RegistryClientError.unauthorized(
        host: host.name, reason: String(decoding: bytes.prefix(400), as: UTF8.self))
    }
    struct Answer: Decodable {
      struct Token: Decodable {
        let authorizationToken: String
        let expiresAt: Double
      }
      let authorizationData: [Token]
    }
    let decoded = try decode(Answer.self, bytes, host: host, what: what)
    guard let token = decoded.authorizationData.first, let data = Data(base64Encoded: token.authorizationToken),
      let text = String(validating: data, as: UTF8.self), let colon = text.firstIndex(of: ":")
    else { throw RegistryClientError.malformed(host: host.name, what: what, reason: "it is no token") }
    let credential = Credential(username: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
    return (credential, Int64(token.expiresAt))
  }
}

/// A call of AWS JSON 1.1 in Signature Version 4's form.
private struct SignedCall: Sendable {
  let headers: [(name: String, value: String)]
  private let canonical: String
  private let time: String

  private static let signedHeaders = "content-type;host;x-amz-date;x-amz-target"

  init(host: String, target: String, body: String, time: String) {
    self.time = time
    let type = "application/x-amz-json-1.1"
    headers = [("content-type", type), ("x-amz-date", time), ("x-amz-target", target)]
    canonical = """
      POST
      /

      content-type:\(type)
      host:\(host)
      x-amz-date:\(time)
      x-amz-target:\(target)

      \(Self.signedHeaders)
      \(Self.hexadecimal(SHA256.hash(data: Array(body.utf8))))
      """
  }

  /// `YYYYMMDDTHHMMSSZ`
  static func now() -> String {
    var seconds = time_t(Glibc.time(nil))
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
    return "\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))"
      + "T\(two(parts.tm_hour))\(two(parts.tm_min))\(two(parts.tm_sec))Z"
  }

  func authorization(_ key: AWSAccessKey, region: String) -> String {
    let date = String(time.prefix(8))
    let scope = "\(date)/\(region)/ecr/aws4_request"
    let text =
      "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n" + Self.hexadecimal(SHA256.hash(data: Array(canonical.utf8)))
    var signing = SymmetricKey(data: Array("AWS4\(key.secret)".utf8))
    for part in [date, region, "ecr", "aws4_request"] {
      signing = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: signing))
    }
    let signature = Self.hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: signing))
    return "AWS4-HMAC-SHA256 Credential=\(key.id)/\(scope), SignedHeaders=\(Self.signedHeaders), Signature=\(signature)"
  }

  private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
