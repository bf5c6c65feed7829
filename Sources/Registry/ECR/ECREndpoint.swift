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

  /// To be given to `RegistryServer`.
  public var endpoint: RegistryServer.Endpoint {
    { request, server in
      if request.method == .get || request.method == .head {
        return await LayerDownload(request)?.respond(request, server)
      }
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
      let found = try? Service.find(target)
      let claim = try verifier.claim(request, service: found?.service.signingName ?? "ecr")
      guard let found else { throw ECRError.unknownOperation(target) }
      let operation = try? found.service.operation(found.operation)
      let limit = operation?.bodyLimit ?? Operation.defaultBodyLimit
      guard let body = try await request.collectBody(limit: limit) else { throw ECRError.requestTooLarge(limit: limit) }
      let verified = try verifier.verify(claim, request, body: body)
      guard let operation else { throw ECRError.unknownOperation(found.operation) }
      let call = Call(
        server: server, caller: verified.key, registryID: registryID, region: region ?? verified.scope.region,
        baseURL: server.baseURL(request))
      let bytes = try await operation.run(body, found.service.model, call)
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

  static func failure(_ error: ECRError) -> RegistryResponse {
    var members = error.details
    members["__type"] = .text(error.id)
    members["message"] = .text(error.description)
    var response = response(HTTPResponse.Status(code: error.status), (try? Operation.encoded(members)) ?? [])
    response.headers[.amazonErrorType] = error.id
    return response
  }

  private static func response(_ status: HTTPResponse.Status, _ bytes: [UInt8]) -> RegistryResponse {
    var response = RegistryResponse(status, contentType: "application/x-amz-json-1.1", bytes: bytes)
    response.headers[.amazonRequestID] = UUID().uuidString.lowercased()
    return response
  }
}
