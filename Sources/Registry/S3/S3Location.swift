internal import DistributionSpec
internal import FoundationEssentials

/// A place in object storage, and how it is spoken to.
public struct S3Location: Sendable {
  public let bucket: String
  /// Before every key; empty, or ends with a slash.
  public let prefix: String
  let endpoint: Endpoint
  public let region: String
  /// `https://host/bucket/key` in place of `https://bucket.host/key`.
  let usesPathStyle: Bool
  let encryption: Encryption?
  /// Where blobs are sent from: by a redirect to the storage, or through the registry.
  public let redirects: Bool
  /// Of PEM certificates that are believed in place of the system's.
  let certificateFile: String?
  /// In the AWS CLI's format; with the profile's name.
  let credentialFile: String?
  let profile: String?

  struct Endpoint: Sendable {
    let isSecure: Bool
    /// With the port where it is not the scheme's own.
    let authority: String

    var url: String { "\(isSecure ? "https" : "http")://\(authority)" }
  }

  /// Encryption by the storage. (Amazon S3 API, x-amz-server-side-encryption)
  enum Encryption: Hashable, Sendable {
    case aes256
    case kms(key: String?)
  }

  /// Parses `s3://bucket/prefix?endpoint=…&region=…&style=path|virtual&sse=AES256|aws:kms&kms-key=…&redirect=on|off
  /// &ca=FILE&credentials=FILE&profile=NAME`. What is left out: Amazon's endpoint of the region, us-east-1, path style with
  /// an endpoint and virtual hosts without, no encryption header, no redirects, the system's CAs, the environment.
  public init(parsing text: String) throws(S3Error) {
    guard text.hasPrefix("s3://") else { throw .malformedURL("it begins with s3://") }
    let halves = text.dropFirst(5).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let place = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    bucket = String(place[0])
    guard Self.isBucket(bucket) else {
      throw .malformedURL("\"\(bucket.prefix(80))\" is no bucket's name: 3 to 63 of a-z, 0-9, dots and hyphens")
    }
    let components = place.count == 2 ? place[1].split(separator: "/").map(String.init) : []
    guard components.allSatisfy({ $0 != "." && $0 != ".." && $0.utf8.allSatisfy(Self.isSafe) }) else {
      throw .malformedURL("a prefix has letters, digits and . _ - between slashes")
    }
    prefix = components.map { $0 + "/" }.joined()
    var settings = try Self.settings(halves.count == 2 ? String(halves[1]) : "")
    region = settings.removeValue(forKey: "region") ?? "us-east-1"
    guard !region.isEmpty, region.utf8.allSatisfy(Self.isSafe) else { throw .malformedURL("region \"\(region)\"") }
    let custom = settings.removeValue(forKey: "endpoint")
    endpoint = try custom.map(Self.endpoint) ?? Endpoint(isSecure: true, authority: "s3.\(region).amazonaws.com")
    usesPathStyle = try Self.choice(&settings, "style", ["path", "virtual"]).map { $0 == "path" } ?? (custom != nil)
    redirects = try Self.choice(&settings, "redirect", ["on", "off"]) == "on"
    let key = settings.removeValue(forKey: "kms-key")
    switch try Self.choice(&settings, "sse", ["AES256", "aws:kms"]) {
    case "AES256"?: encryption = .aes256
    case "aws:kms"?: encryption = .kms(key: key)
    default: encryption = nil
    }
    if key != nil {
      guard case .kms? = encryption else { throw .malformedURL("kms-key goes with sse=aws:kms") }
    }
    certificateFile = settings.removeValue(forKey: "ca")
    credentialFile = settings.removeValue(forKey: "credentials")
    profile = settings.removeValue(forKey: "profile")
    if let unknown = settings.keys.sorted().first {
      throw .malformedURL("there is no setting \"\(unknown.prefix(80))\"")
    }
  }

  private static func settings(_ query: String) throws(S3Error) -> [String: String] {
    var settings: [String: String] = [:]
    for piece in query.split(separator: "&") {
      let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, let value = PercentEncoding.decode(halves[1]), !value.isEmpty else {
        throw .malformedURL("\"\(piece.prefix(80))\" is not of the form name=value")
      }
      guard settings.updateValue(value, forKey: String(halves[0])) == nil else {
        throw .malformedURL("\(halves[0].prefix(80)) stands there twice")
      }
    }
    return settings
  }

  private static func choice(
    _ settings: inout [String: String], _ name: String, _ values: [String]
  ) throws(S3Error) -> String? {
    guard let value = settings.removeValue(forKey: name) else { return nil }
    guard values.contains(value) else {
      throw .malformedURL("\(name) is one of \(values.joined(separator: ", ")), not \"\(value.prefix(80))\"")
    }
    return value
  }

  private static func endpoint(_ text: String) throws(S3Error) -> Endpoint {
    guard let url = URL(string: text), let host = url.host(), !host.isEmpty, url.path().isEmpty || url.path() == "/",
      url.user() == nil, url.query() == nil, url.scheme == "http" || url.scheme == "https"
    else { throw .malformedURL("endpoint is https://HOST or http://HOST, with a port where needed") }
    let isSecure = url.scheme == "https"
    let name = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    let port = url.port.flatMap { $0 == (isSecure ? 443 : 80) ? nil : ":\($0)" } ?? ""
    return Endpoint(isSecure: isSecure, authority: name + port)
  }

  /// (Amazon S3, Bucket naming rules)
  private static func isBucket(_ name: String) -> Bool {
    (3...63).contains(name.utf8.count) && name.first != "-" && name.first != "." && name.last != "-"
      && name.last != "." && !name.contains("..")
      && name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2d || $0 == 0x2e }
  }

  private static func isSafe(_ byte: UInt8) -> Bool {
    (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte)
      || ".-_".utf8.contains(byte)
  }

  /// `host[:port]` of a request, as its signature covers it.
  var authority: String { usesPathStyle ? endpoint.authority : "\(bucket).\(endpoint.authority)" }

  /// Of an object; of the bucket where `key` is nil.
  func path(_ key: String?) -> String {
    let object = key.map {
      "/"
        + $0.split(separator: "/", omittingEmptySubsequences: false).map(PercentEncoding.encode).joined(separator: "/")
    }
    return usesPathStyle ? "/\(bucket)\(object ?? "")" : object ?? "/"
  }

  /// To be shown.
  public var shown: String { "s3://\(bucket)/\(prefix) at \(endpoint.url)" }
}
