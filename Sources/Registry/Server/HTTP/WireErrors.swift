import Content
import DistributionSpec
import FoundationEssentials
import HTTPTypes
import Kernel
import Metadata
import SystemPackage

/// The one table from errors to answers under `/v2/`. (distribution-spec, Error codes)
extension RegistryResponse {
  static func failure(_ error: any Error) -> RegistryResponse {
    switch error {
    case let error as RegistryError:
      var response = json(status(of: error) ?? HTTPResponse.Status(code: error.code.status), error.body)
      if case .uploadOutOfOrder(_, let received) = error {
        response.headers[.range] = UploadRange(received: received).description
      }
      return response
    case let error as RouteError: return failure(error.code, error.description)
    case AuthenticationFailure.tokenExpired:
      return failure(.denied, AuthenticationFailure.tokenExpired.description)
    case AuthenticationFailure.tooManyChecks:
      var response = failure(.tooManyRequests, AuthenticationFailure.tooManyChecks.description)
      response.headers[.retryAfter] = "1"
      return response
    case let error as ReadOnlyRefusal: return failure(.unsupported, error.description)
    case let error as QuotaExceeded: return failure(.denied, error.description)
    case let error as RateExceeded: return tooMany(error, isAWS: false)
    case let error as AuthenticationFailure: return failure(.unauthorized, error.description)
    case EndpointError.methodNotAllowed(let method, let allowed):
      var response = failure(.unsupported, "\(method) is not supported here")
      response.headers[.allow] = allowed.map(\.rawValue).joined(separator: ", ")
      return response
    case is RequestBroken: return failure(.sizeInvalid, "the request's body is not whole")
    case let error as UpstreamError: return failure(error.code, error.description)
    case let error as EndpointError: return failure(error.code, error.description, status: error.status)
    case ContentError.system(_, _, .noSpace), ContentError.system(_, _, .diskQuotaExceeded), is StorageFull,
      MetadataError.full:
      return failure(.unavailable, "the registry's disk is full", status: .insufficientStorage)
    case ContentError.system(_, _, .readOnlyFileSystem):
      return failure(.unavailable, "the registry's disk is read-only at the moment")
    case ContentError.ingestBusy:
      return failure(.blobUploadInvalid, "another request is writing to this upload", status: .conflict)
    case MetadataError.unavailable:
      return failure(.unavailable, "the registry cannot write at the moment; try again")
    // What is left is the registry's own trouble: the log has it, paths and all; the client gets no more than the fact.
    default: return failure(.unknown, "the registry failed to do this; its log says why")
    }
  }

  /// Clients of the aws CLI's kind look for the error's name. (botocore, retries/standard.py, ThrottlingException)
  static func tooMany(_ error: RateExceeded, isAWS: Bool) -> RegistryResponse {
    var response =
      isAWS
      ? json(
        .badRequest, ["__type": "ThrottlingException", "message": "Rate exceeded"],
        contentType: "application/x-amz-json-1.1")
      : failure(.tooManyRequests, error.description)
    response.headers[.retryAfter] = String(error.seconds)
    return response
  }

  private static func status(of error: RegistryError) -> HTTPResponse.Status? {
    switch error {
    case .manifestTooLarge: .contentTooLarge
    case .conditionFailed: .preconditionFailed
    case .repositoryExists, .uploadBusy: .conflict
    default: nil
    }
  }

  static func failure(_ code: ErrorCode, _ message: String, status: HTTPResponse.Status? = nil) -> RegistryResponse {
    json(status ?? HTTPResponse.Status(code: code.status), ErrorBody(code, message: message))
  }

  static func json(
    _ status: HTTPResponse.Status, _ value: some Encodable, contentType: String = "application/json"
  ) -> RegistryResponse {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return RegistryResponse(.internalServerError) }
    return RegistryResponse(status, contentType: contentType, bytes: Array(data))
  }
}

/// What a request announces does not fit.
struct StorageFull: Error {}

extension HTTPResponse.Status {
  /// RFC 4918, section 11.5.
  static let insufficientStorage = HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
}

/// What is wrong with a request itself.
enum EndpointError: Error {
  case methodNotAllowed(String, allowed: [HTTPRequest.Method])
  case digestMissing
  case digestAlgorithmUnknown(String)
  case rangeMalformed(String)
  case pageSizeMalformed(String)
  case denied(String)
  case notAcceptable(String)
  case tooManyTags(limit: Int)

  var code: ErrorCode {
    switch self {
    case .methodNotAllowed: .unsupported
    case .digestMissing, .digestAlgorithmUnknown: .digestInvalid
    case .rangeMalformed: .rangeInvalid
    case .pageSizeMalformed: .paginationNumberInvalid
    case .denied: .denied
    case .notAcceptable: .manifestUnknown
    case .tooManyTags: .tagInvalid
    }
  }

  var status: HTTPResponse.Status? {
    switch self {
    case .rangeMalformed: .badRequest
    case .tooManyTags: .uriTooLong
    default: nil
    }
  }

  var description: String {
    switch self {
    case .methodNotAllowed(let method, _): "\(method) is not supported here"
    case .digestAlgorithmUnknown(let name):
      "the digest algorithm \"\(name.prefix(40))\" is not supported; sha256 and sha512 are"
    case .digestMissing: "the query must have digest=<algorithm>:<hash>"
    case .rangeMalformed(let text): "Content-Range \"\(text.prefix(80))\" is not of the form <first>-<last>"
    case .pageSizeMalformed(let text): "n=\"\(text.prefix(40))\" is not a number of entries"
    case .denied(let what): "requested access to the resource is denied: \(what)"
    case .tooManyTags(let limit): "a push gives at most \(limit) tags at once"
    case .notAcceptable(let type): "the manifest is of type \(type), which the request's Accept leaves out"
    }
  }
}
