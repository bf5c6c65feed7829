/// What an operation of ECR answers in place of a result. One table: id, message, HTTP status. (botocore, ecr/2015-09-21)
enum ECRError: Error, Hashable, Sendable, CustomStringConvertible {
  // The signature
  case missingAuthenticationToken
  case incompleteSignature(String)
  case unrecognizedClient
  case invalidSignature(String)
  // The request
  case unknownOperation(String)
  case serialization(String)
  case invalidParameter(String)
  case requestTooLarge(limit: Int)
  // Repositories and images
  case repositoryNotFound(String, registry: String)
  case repositoryAlreadyExists(String, registry: String)
  case repositoryNotEmpty(String, registry: String)
  case imageNotFound(ImageIdentifier, repository: String, registry: String)
  case tooManyTags
  case invalidTagParameter(String)
  /// The registry's own trouble; its log says what.
  case server

  /// The exception's name.
  var id: String {
    switch self {
    case .missingAuthenticationToken: "MissingAuthenticationTokenException"
    case .incompleteSignature: "IncompleteSignatureException"
    case .unrecognizedClient: "UnrecognizedClientException"
    case .invalidSignature: "InvalidSignatureException"
    case .unknownOperation: "UnknownOperationException"
    case .serialization: "SerializationException"
    case .invalidParameter: "InvalidParameterException"
    case .requestTooLarge: "RequestEntityTooLargeException"
    case .repositoryNotFound: "RepositoryNotFoundException"
    case .repositoryAlreadyExists: "RepositoryAlreadyExistsException"
    case .repositoryNotEmpty: "RepositoryNotEmptyException"
    case .imageNotFound: "ImageNotFoundException"
    case .tooManyTags: "TooManyTagsException"
    case .invalidTagParameter: "InvalidTagParameterException"
    case .server: "ServerException"
    }
  }

  var status: Int {
    switch self {
    case .server: 500
    case .requestTooLarge: 413
    default: 400
    }
  }

  var description: String {
    switch self {
    case .missingAuthenticationToken: "Missing Authentication Token"
    case .incompleteSignature(let why), .invalidSignature(let why), .serialization(let why), .invalidParameter(let why),
      .invalidTagParameter(let why):
      why
    case .unrecognizedClient: "The security token included in the request is invalid."
    case .unknownOperation(let name): "This registry does not have the operation \"\(name.prefix(120))\"."
    case .requestTooLarge(let limit): "The request has more than \(limit) bytes."
    case .repositoryNotFound(let name, let registry):
      "The repository with name '\(name)' does not exist in the registry with id '\(registry)'"
    case .repositoryAlreadyExists(let name, let registry):
      "The repository with name '\(name)' already exists in the registry with id '\(registry)'"
    case .repositoryNotEmpty(let name, let registry):
      "The repository with name '\(name)' in registry with id '\(registry)' cannot be deleted because it still contains images"
    case .imageNotFound(let image, let repository, let registry):
      "The image with imageId \(image) does not exist within the repository with name '\(repository)' in the registry with "
        + "id '\(registry)'"
    case .tooManyTags: "A resource has at most 50 tags."
    case .server: "The registry failed to do this; its log says why."
    }
  }
}
