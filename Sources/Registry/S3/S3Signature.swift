internal import Crypto
internal import DistributionSpec
internal import Glibc
internal import NIOCore

/// Signature Version 4 as S3 has it: paths are taken as they are sent, and a body may stay unsigned over TLS.
/// (Amazon S3 API, Authenticating requests)
struct S3Signature: Sendable {
  let credentials: S3Credentials
  let region: String

  static let unsignedPayload = "UNSIGNED-PAYLOAD"

  /// The headers that sign a request: `host` and those of `headers`, whose names are in lower case.
  func headers(
    method: String, authority: String, path: String, query: [(String, String)], headers: [(String, String)],
    payloadHash: String, time: time_t
  ) -> [(String, String)] {
    let stamp = Self.stamp(time)
    var all = headers + [("x-amz-content-sha256", payloadHash), ("x-amz-date", stamp)]
    if let token = credentials.token { all.append(("x-amz-security-token", token)) }
    let signed = (all + [("host", authority)]).sorted { $0.0 < $1.0 }
    let names = signed.map(\.0).joined(separator: ";")
    let canonical = [
      method, path, Self.canonical(query), signed.map { "\($0.0):\($0.1)\n" }.joined(), names, payloadHash,
    ].joined(separator: "\n")
    let scope = scope(stamp)
    let authorization =
      "AWS4-HMAC-SHA256 Credential=\(credentials.id)/\(scope), SignedHeaders=\(names), Signature=\(signature(canonical, stamp))"
    return all + [("authorization", authorization)]
  }

  /// A query that lets whoever has it read the object for `seconds`.
  func presigned(authority: String, path: String, query: [(String, String)], seconds: Int, time: time_t) -> String {
    let stamp = Self.stamp(time)
    var all =
      query + [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(credentials.id)/\(scope(stamp))"),
        ("X-Amz-Date", stamp), ("X-Amz-Expires", String(seconds)), ("X-Amz-SignedHeaders", "host"),
      ]
    if let token = credentials.token { all.append(("X-Amz-Security-Token", token)) }
    let canonical = [
      "GET", path, Self.canonical(all), "host:\(authority)\n", "host", Self.unsignedPayload,
    ].joined(separator: "\n")
    return "\(Self.canonical(all))&X-Amz-Signature=\(signature(canonical, stamp))"
  }

  private func scope(_ stamp: String) -> String { "\(stamp.prefix(8))/\(region)/s3/aws4_request" }

  private func signature(_ canonicalRequest: String, _ stamp: String) -> String {
    let hash = Self.hash(Array(canonicalRequest.utf8))
    let text = "AWS4-HMAC-SHA256\n\(stamp)\n\(scope(stamp))\n\(hash)"
    var key = SymmetricKey(data: Array("AWS4\(credentials.secret)".utf8))
    for part in [String(stamp.prefix(8)), region, "s3", "aws4_request"] {
      key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
    }
    return Self.hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
  }

  /// Sorted by name, each encoded; also what is sent.
  static func canonical(_ query: [(String, String)]) -> String {
    query.map { (PercentEncoding.encode($0.0), PercentEncoding.encode($0.1)) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }

  static func hash(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

  static func hash(_ buffer: ByteBuffer) -> String {
    var hash = SHA256()
    buffer.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
    return hexadecimal(hash.finalize())
  }

  static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// `20150830T123600Z`
  private static func stamp(_ time: time_t) -> String {
    var time = time
    var fields = tm()
    gmtime_r(&time, &fields)
    func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
    return "\(fields.tm_year + 1900)" + padded(fields.tm_mon + 1) + padded(fields.tm_mday) + "T"
      + padded(fields.tm_hour) + padded(fields.tm_min) + padded(fields.tm_sec) + "Z"
  }
}
