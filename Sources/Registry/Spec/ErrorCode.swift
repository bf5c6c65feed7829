/// What went wrong, in the registry's words. (distribution-spec, Error codes; the rest are docker distribution's)
public enum ErrorCode: String, Sendable, CaseIterable, Codable {
  case blobUnknown = "BLOB_UNKNOWN"
  case blobUploadInvalid = "BLOB_UPLOAD_INVALID"
  case blobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
  case digestInvalid = "DIGEST_INVALID"
  case manifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
  case manifestInvalid = "MANIFEST_INVALID"
  case manifestUnknown = "MANIFEST_UNKNOWN"
  case manifestUnverified = "MANIFEST_UNVERIFIED"
  case nameInvalid = "NAME_INVALID"
  case nameUnknown = "NAME_UNKNOWN"
  case sizeInvalid = "SIZE_INVALID"
  case tagInvalid = "TAG_INVALID"
  case rangeInvalid = "RANGE_INVALID"
  case paginationNumberInvalid = "PAGINATION_NUMBER_INVALID"
  case unauthorized = "UNAUTHORIZED"
  case denied = "DENIED"
  case unsupported = "UNSUPPORTED"
  case tooManyRequests = "TOOMANYREQUESTS"
  case unavailable = "UNAVAILABLE"
  /// A path that no endpoint has.
  case unknownEndpoint = "NOT_FOUND"
  /// The registry's own failure.
  case unknown = "UNKNOWN"

  /// HTTP status of a response that carries this error alone.
  public var status: Int {
    switch self {
    case .blobUnknown, .blobUploadUnknown, .manifestUnknown, .nameUnknown, .unknownEndpoint: 404
    case .blobUploadInvalid, .digestInvalid, .manifestBlobUnknown, .manifestInvalid, .manifestUnverified, .nameInvalid,
      .sizeInvalid, .tagInvalid, .paginationNumberInvalid:
      400
    case .rangeInvalid: 416
    case .unauthorized: 401
    case .denied: 403
    case .unsupported: 405
    case .tooManyRequests: 429
    case .unavailable: 503
    case .unknown: 500
    }
  }

  public var message: String {
    switch self {
    case .blobUnknown: "blob unknown to registry"
    case .blobUploadInvalid: "blob upload invalid"
    case .blobUploadUnknown: "blob upload unknown to registry"
    case .digestInvalid: "provided digest did not match uploaded content"
    case .manifestBlobUnknown: "manifest references a manifest or blob unknown to registry"
    case .manifestInvalid: "manifest invalid"
    case .manifestUnknown: "manifest unknown to registry"
    case .manifestUnverified: "manifest failed signature verification"
    case .nameInvalid: "invalid repository name"
    case .nameUnknown: "repository name not known to registry"
    case .sizeInvalid: "provided length did not match content length"
    case .tagInvalid: "manifest tag did not match URI"
    case .rangeInvalid: "invalid content range"
    case .paginationNumberInvalid: "invalid number of results requested"
    case .unauthorized: "authentication required"
    case .denied: "requested access to the resource is denied"
    case .unsupported: "the operation is unsupported"
    case .tooManyRequests: "too many requests"
    case .unavailable: "service unavailable"
    case .unknownEndpoint: "page not found"
    case .unknown: "unknown error"
    }
  }
}

/// The body of a response that reports errors: `{"errors":[{"code","message","detail"}]}`.
public struct ErrorBody: Hashable, Sendable, Codable, Error {
  public struct Entry: Hashable, Sendable, Codable {
    /// An `ErrorCode`, or a code of the registry's own.
    public var code: String
    public var message: String?
    public var detail: ErrorDetail?

    public init(_ code: ErrorCode, message: String? = nil, detail: ErrorDetail? = nil) {
      self.code = code.rawValue
      self.message = message ?? code.message
      self.detail = detail
    }

    public var known: ErrorCode? { ErrorCode(rawValue: code) }
  }

  public var errors: [Entry]

  public init(errors: [Entry]) { self.errors = errors }

  public init(_ code: ErrorCode, message: String? = nil, detail: ErrorDetail? = nil) {
    errors = [Entry(code, message: message, detail: detail)]
  }
}

/// The free part of an error: any JSON value.
public indirect enum ErrorDetail: Hashable, Sendable, Codable, ExpressibleByStringLiteral {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case array([ErrorDetail])
  case object([String: ErrorDetail])

  public init(stringLiteral value: String) { self = .string(value) }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .string(value)
    } else if let value = try? container.decode([ErrorDetail].self) {
      self = .array(value)
    } else {
      self = .object(try container.decode([String: ErrorDetail].self))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .null: try container.encodeNil()
    case .bool(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .string(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }
}
