/// What an operation answers in place of a result: an exception of the service model. (botocore, ecr/2015-09-21)
///
/// Each exception is made by a function here or beside the operations that alone throw it.
struct ECRError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A member that an exception has beside its message.
  enum Detail: Hashable, Sendable, Encodable {
    case text(String)
    case number(Int64)

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .text(let text): try container.encode(text)
      case .number(let number): try container.encode(number)
      }
    }
  }

  /// The exception's name.
  let id: String
  let description: String
  let status: Int
  let details: [String: Detail]

  init(_ id: String, _ description: String, status: Int = 400, details: [String: Detail] = [:]) {
    self.id = id
    self.description = description
    self.status = status
    self.details = details
  }
}

/// The signature and the request.
extension ECRError {
  static let missingAuthenticationToken = ECRError(
    "MissingAuthenticationTokenException", "Missing Authentication Token")
  static let unrecognizedClient = ECRError(
    "UnrecognizedClientException", "The security token included in the request is invalid.")
  static let expiredToken = ECRError(
    "ExpiredTokenException", "The security token included in the request is expired")
  static func incompleteSignature(_ why: String) -> ECRError { ECRError("IncompleteSignatureException", why) }
  static func invalidSignature(_ why: String) -> ECRError { ECRError("InvalidSignatureException", why) }
  static func unknownOperation(_ name: String) -> ECRError {
    ECRError("UnknownOperationException", "This registry does not have the operation \"\(name.prefix(120))\".")
  }
  static func serialization(_ why: String) -> ECRError { ECRError("SerializationException", why) }
  static func requestTooLarge(limit: Int) -> ECRError {
    ECRError("RequestEntityTooLargeException", "The request has more than \(limit) bytes.", status: 413)
  }
  /// `message` as a whole.
  static func invalidParameter(_ message: String) -> ECRError { ECRError("InvalidParameterException", message) }
  /// `constraint` says what the member must satisfy.
  static func invalidParameter(_ member: String, _ constraint: String) -> ECRError {
    invalidParameter("Invalid parameter at '\(member)' failed to satisfy constraint: '\(constraint)'")
  }
  static func validation(_ message: String) -> ECRError { ECRError("ValidationException", message) }
  static func limitExceeded(_ message: String) -> ECRError { ECRError("LimitExceededException", message) }
  /// The registry's own trouble; its log says what.
  static let server = ECRError(
    "ServerException", "The registry failed to do this; its log says why.", status: 500)
}

/// Repositories and images.
extension ECRError {
  static func repositoryNotFound(_ name: String, registry: String) -> ECRError {
    ECRError(
      "RepositoryNotFoundException",
      "The repository with name '\(name)' does not exist in the registry with id '\(registry)'")
  }
  static func repositoryAlreadyExists(_ name: String, registry: String) -> ECRError {
    ECRError(
      "RepositoryAlreadyExistsException",
      "The repository with name '\(name)' already exists in the registry with id '\(registry)'")
  }
  static func repositoryNotEmpty(_ name: String, registry: String) -> ECRError {
    ECRError(
      "RepositoryNotEmptyException",
      "The repository with name '\(name)' in registry with id '\(registry)' cannot be deleted because it still contains "
        + "images")
  }
  static func imageNotFound(_ image: ImageIdentifier, repository: String, registry: String) -> ECRError {
    ECRError(
      "ImageNotFoundException",
      "The image with imageId \(image) does not exist within the repository with name '\(repository)' in the registry "
        + "with id '\(registry)'")
  }
  static let tooManyTags = ECRError("TooManyTagsException", "A resource has at most 50 tags.")
  static func invalidTagParameter(_ why: String) -> ECRError { ECRError("InvalidTagParameterException", why) }
  static func kms(_ why: String) -> ECRError {
    ECRError("KmsException", why, details: ["kmsError": .text("UnsupportedOperationException")])
  }
}
