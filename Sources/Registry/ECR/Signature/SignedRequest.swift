internal import struct Crypto.HMAC
internal import struct Crypto.SHA256
internal import struct Crypto.SymmetricKey
internal import DistributionSpec

/// What a request's signature covers, in Signature Version 4's canonical form. (AWS, Create a signed AWS API request)
struct SignedRequest: Sendable {
  var method: String
  /// As it was sent, without the query, `%XX` not decoded.
  var path: String
  /// As it was sent, without the question mark.
  var query: String
  /// All headers with `host`, names in lower case, in the order they came.
  var headers: [(name: String, value: String)]
  /// The hash of the body in hexadecimal, or `UNSIGNED-PAYLOAD`.
  var payloadHash: String

  subscript(header: String) -> String? { headers.first { $0.name == header }?.value }

  func canonicalRequest(signedHeaders: [String]) -> String {
    let lines = signedHeaders.map { name in
      let values = headers.filter { $0.name == name }.map { Self.collapsed($0.value) }
      return "\(name):\(values.joined(separator: ","))\n"
    }
    return [
      method, canonicalPath, canonicalQuery, lines.joined(), signedHeaders.joined(separator: ";"), payloadHash,
    ].joined(separator: "\n")
  }

  /// Dots resolved and empty components left out; what is left is encoded once more. (Every service but S3)
  var canonicalPath: String {
    var components: [Substring] = []
    for component in path.split(separator: "/") where component != "." {
      if component == ".." { _ = components.popLast() } else { components.append(component) }
    }
    let joined = components.map { PercentEncoding.encode(String($0)) }.joined(separator: "/")
    return "/" + joined + (path.hasSuffix("/") && !components.isEmpty ? "/" : "")
  }

  /// Sorted by name, then by value, each encoded.
  var canonicalQuery: String {
    let items = query.split(separator: "&").map { piece in
      let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      // Here, unlike in a form, a plus sign is a plus sign.
      let decoded = halves.map { PercentEncoding.decode($0) ?? String($0) }
      return (
        name: PercentEncoding.encode(decoded[0]), value: PercentEncoding.encode(decoded.count == 2 ? decoded[1] : "")
      )
    }
    return items.sorted { ($0.name, $0.value) < ($1.name, $1.value) }.map { "\($0.name)=\($0.value)" }.joined(
      separator: "&")
  }

  /// Without blanks at both ends, and with one blank where several follow one another.
  private static func collapsed(_ value: String) -> String {
    value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
  }
}

/// Where and when a signature holds: `20150830/us-east-1/ecr/aws4_request`.
struct CredentialScope: Hashable, Sendable, CustomStringConvertible {
  /// `YYYYMMDD`
  let date: String
  let region: String
  let service: String

  var description: String { "\(date)/\(region)/\(service)/aws4_request" }

  /// Signature of a canonical request at `time` (`YYYYMMDDTHHMMSSZ`), in hexadecimal.
  func signature(of canonicalRequest: String, time: String, secret: String) -> String {
    let hash = hexadecimal(SHA256.hash(data: Array(canonicalRequest.utf8)))
    let text = "AWS4-HMAC-SHA256\n\(time)\n\(self)\n\(hash)"
    var key = SymmetricKey(data: Array("AWS4\(secret)".utf8))
    for part in [date, region, service, "aws4_request"] {
      key = SymmetricKey(data: HMAC<SHA256>.authenticationCode(for: Array(part.utf8), using: key))
    }
    return hexadecimal(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key))
  }
}

func payloadHash(_ bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}
