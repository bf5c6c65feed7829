internal import FoundationEssentials
internal import HTTPTypes
internal import Logging
public import RegistryServer

/// Amazon ECR's interface over a registry's repositories: AWS JSON 1.1 by `POST /`, signed with Signature Version 4.
///
/// `aws ecr … --endpoint-url https://host:5000`, boto3 and other SDKs call it; the tokens that it gives out sign docker in.
public struct ECREndpoint: Sendable {
  /// Twelve digits: the account that ARNs and answers name.
  public let registryID: String
  /// nil takes the region that a client signs for.
  public let region: String?

  public static let defaultRegistryID = "000000000000"

  /// nil where `registryID` is not twelve digits.
  public init?(registryID: String = ECREndpoint.defaultRegistryID, region: String? = nil) {
    guard registryID.utf8.count == 12, registryID.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    self.registryID = registryID
    self.region = region
  }

  /// Largest request in bytes. The operations here name things, and carry none.
  static let bodyLimit = 1 << 20

  /// To be given to `RegistryServer`.
  public var endpoint: RegistryServer.Endpoint {
    { request, server in
      guard request.method == .post else { return nil }
      if request.headers[.amazonTarget] != nil { return await respond(request, server) }
      if request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true {
        return await CallerIdentity(registryID: registryID, region: region).respond(request, server)
      }
      return nil
    }
  }

  private func respond(_ request: RegistryRequest, _ server: RegistryServer) async -> RegistryResponse {
    let target = request.headers[.amazonTarget] ?? ""
    do {
      let verifier = SignatureVerifier(keys: server.authenticator.keys, region: region)
      let claim = try verifier.claim(request, service: "ecr")
      guard let body = try await request.collectBody(limit: Self.bodyLimit) else {
        throw ECRError.requestTooLarge(limit: Self.bodyLimit)
      }
      let verified = try verifier.verify(claim, request, body: body)
      let call = Call(
        registry: server.registry, authenticator: server.authenticator, caller: verified.key, registryID: registryID,
        region: region ?? verified.scope.region, baseURL: server.baseURL(request))
      let operation = try Self.operation(target)
      let bytes = try await server.blocking { try operation(body, call) }
      server.logger.info(
        "ecr", metadata: ["operation": "\(target)", "user": "\(verified.key.user)/\(verified.key.id)"])
      return Self.response(.ok, bytes)
    } catch let error as ECRError {
      server.logger.info(
        "ecr refused", metadata: ["operation": "\(target)", "remote": "\(request.remote)", "error": "\(error.id)"])
      return Self.failure(error)
    } catch {
      server.logger.error("ecr failed", metadata: ["operation": "\(target)", "error": "\(error)"])
      return Self.failure(.server)
    }
  }

  private typealias Operation = @Sendable (_ body: [UInt8], _ call: Call) throws -> [UInt8]

  /// What a target names: `AmazonEC2ContainerRegistry_V20150921.<operation>`.
  private static func operation(_ target: String) throws(ECRError) -> Operation {
    let prefix = "AmazonEC2ContainerRegistry_V20150921."
    guard target.hasPrefix(prefix) else { throw .unknownOperation(target) }
    let name = String(target.dropFirst(prefix.count))
    return switch name {
    case "GetAuthorizationToken": { try encoded(GetAuthorizationToken.parse($0).run($1)) }
    case "CreateRepository": { try encoded(CreateRepository.parse($0).run($1)) }
    case "DescribeRepositories": { try encoded(DescribeRepositories.parse($0).run($1)) }
    case "DeleteRepository": { try encoded(DeleteRepository.parse($0).run($1)) }
    case "PutImageTagMutability": { try encoded(PutImageTagMutability.parse($0).run($1)) }
    case "TagResource": { try encoded(TagResource.parse($0).run($1)) }
    case "UntagResource": { try encoded(UntagResource.parse($0).run($1)) }
    case "ListTagsForResource": { try encoded(ListTagsForResource.parse($0).run($1)) }
    case "ListImages": { try encoded(ListImages.parse($0).run($1)) }
    case "DescribeImages": { try encoded(DescribeImages.parse($0).run($1)) }
    case "BatchGetImage": { try encoded(BatchGetImage.parse($0).run($1)) }
    case "BatchDeleteImage": { try encoded(BatchDeleteImage.parse($0).run($1)) }
    default: throw .unknownOperation(name)
    }
  }

  private static func encoded(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  private struct Failure: Encodable {
    let __type: String
    let message: String
  }

  static func failure(_ error: ECRError) -> RegistryResponse {
    let body = (try? encoded(Failure(__type: error.id, message: error.description))) ?? []
    var response = response(HTTPResponse.Status(code: error.status), body)
    response.headers[.amazonErrorType] = error.id
    return response
  }

  private static func response(_ status: HTTPResponse.Status, _ bytes: [UInt8]) -> RegistryResponse {
    var response = RegistryResponse(status, contentType: "application/x-amz-json-1.1", bytes: bytes)
    response.headers[.amazonRequestID] = UUID().uuidString.lowercased()
    return response
  }
}
