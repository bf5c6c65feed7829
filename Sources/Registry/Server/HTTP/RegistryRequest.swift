public import DistributionSpec
public import HTTPTypes
public import HummingbirdCore
public import NIOCore

/// A request as the registry's endpoints see it.
public struct RegistryRequest: Sendable {
  public let method: HTTPRequest.Method
  /// As it was sent, without the query, `%XX` not decoded; in handlers without the part that names a realm.
  public internal(set) var path: String
  /// As it was sent, without the question mark.
  public let rawQuery: String
  public let query: Query
  public let headers: HTTPFields
  /// The `Host` header: where the client believes to be.
  public let authority: String
  public let isSecure: Bool
  /// The client's address, as far as the connection and trusted proxies tell it.
  public let remote: String
  /// The port that the request came to; 0 where it came by none.
  public let localPort: UInt16
  /// True where it came by the store's own socket, whose other end is the store's owner.
  public let isFromOwner: Bool
  /// What logs and events call the request by.
  public let identity: RequestIdentity
  /// The user that the client's certificate names; nil where it showed none.
  public let certificateUser: String?
  public let body: RequestBody

  public init(
    method: HTTPRequest.Method, target: String, headers: HTTPFields = [:], authority: String = "",
    isSecure: Bool = false,
    remote: String = "", localPort: UInt16 = 0, isFromOwner: Bool = false, identity: RequestIdentity? = nil,
    certificateUser: String? = nil, body: RequestBody = RequestBody(buffer: ByteBuffer())
  ) {
    self.method = method
    let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    path = halves.first.map(String.init) ?? "/"
    rawQuery = halves.count == 2 ? String(halves[1]) : ""
    query = Query(parsing: rawQuery)
    self.headers = headers
    self.authority = authority
    self.isSecure = isSecure
    self.remote = remote
    self.localPort = localPort
    self.isFromOwner = isFromOwner
    self.identity = identity ?? RequestIdentity(headers)
    self.certificateUser = certificateUser
    self.body = body
  }

  /// Bytes of the body where the request says it.
  public var contentLength: Int64? { headers[.contentLength].flatMap { Int64($0) } }

  /// The whole body; nil where it is larger than `limit` bytes.
  public func collectBody(limit: Int) async throws -> [UInt8]? {
    if let contentLength, contentLength > limit { return nil }
    var bytes: [UInt8] = []
    do {
      for try await buffer in body {
        guard bytes.count + buffer.readableBytes <= limit else { return nil }
        buffer.withUnsafeReadableBytes { bytes.append(contentsOf: $0) }
      }
    } catch { throw RequestBroken.when(error) }
    guard contentLength == nil || contentLength == Int64(bytes.count) else { throw RequestBroken() }
    return bytes
  }
}

/// A body ended before it was whole, or is none that HTTP has. Mostly nobody is left to be told.
public struct RequestBroken: Error {
  /// What an error of reading a body means: the sender's, unless the server itself gives up.
  static func when(_ error: any Error) -> any Error { error is CancellationError ? error : RequestBroken() }
}

extension RegistryRequest {
  /// Whether more of a body may follow than is worth reading only to go on with the connection.
  var hasLargeBody: Bool { headers[.transferEncoding] != nil || (contentLength ?? 0) > 256 << 10 }
}

/// What an endpoint answers.
public struct RegistryResponse: Sendable {
  public enum Body: Sendable {
    case none
    case bytes(ByteBuffer)
    case file(BlobFile, Range<Int64>)
    case parts(BlobFile, MultipartRanges)
    /// What is still on its way here.
    case arriving(ArrivingBlob)

    var count: Int64 {
      switch self {
      case .none: 0
      case .parts(_, let parts): parts.count
      case .arriving(let blob): blob.blob.size
      case .bytes(let buffer): Int64(buffer.readableBytes)
      case .file(_, let range): Int64(range.count)
      }
    }
  }

  public var status: HTTPResponse.Status
  public var headers: HTTPFields
  public var body: Body

  public init(_ status: HTTPResponse.Status, _ headers: HTTPFields = [:], body: Body = .none) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public init(_ status: HTTPResponse.Status, _ headers: HTTPFields = [:], contentType: String, bytes: [UInt8]) {
    self.init(status, headers, body: .bytes(ByteBuffer(bytes: bytes)))
    self.headers[.contentType] = contentType
  }
}

extension HTTPField.Name {
  /// A name of the protocol's own, which is known to be well formed.
  static func known(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is not a header's name") }
    return field
  }

  static let dockerContentDigest = known(Header.dockerContentDigest)
  static let dockerUploadUUID = known(Header.dockerUploadUUID)
  static let dockerAPIVersion = known(Header.dockerAPIVersion)
  static let ociSubject = known(Header.ociSubject)
  static let ociFiltersApplied = known(Header.ociFiltersApplied)
  static let ociTag = known(Header.ociTag)
  static let link = known("link")
  static let warning = known("warning")
}
