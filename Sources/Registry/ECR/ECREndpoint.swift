internal import FoundationEssentials
internal import HTTPTypes
internal import Logging
public import RegistryServer

/// Amazon ECR's interface over a registry's repositories: AWS JSON 1.1 by `POST /`, signed with Signature Version 4.
///
/// `aws ecr … --endpoint-url https://host:5000`, boto3 and other SDKs call it; the tokens that it gives out sign docker in.
public struct ECREndpoint: Sendable {
  public init() {}

  /// To be given to `RegistryServer`.
  public var endpoint: RegistryServer.Endpoint {
    { request, server in
      if request.method == .get || request.method == .head {
        if let download = LayerDownload(request) { return await download.respond(request, server) }
        return await PublicRegistry.Logo(request)?.respond(server)
      }
      guard request.method == .post else { return nil }
      if request.headers[.amazonTarget] != nil { return await respond(request, server) }
      if request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true {
        return await CallerIdentity().respond(request, server)
      }
      return nil
    }
  }

  private func respond(_ request: RegistryRequest, _ server: RegistryServer) async -> RegistryResponse {
    let target = request.headers[.amazonTarget] ?? ""
    do {
      let found = try? Service.find(target)
      // ECR Public has a region of its own, whatever the server's are called.
      let isPublic = found?.service.isPublic == true
      let verifier = SignatureVerifier(
        keys: server.authenticator.keys, region: isPublic ? nil : Self.onlyRegion(server))
      let claim = try verifier.claim(request, service: found?.service.signingName ?? "ecr")
      guard let found else { throw ECRError.unknownOperation(target) }
      let operation = try? found.service.operation(found.operation)
      let limit = operation?.bodyLimit ?? Operation.defaultBodyLimit
      guard let body = try await request.collectBody(limit: limit) else { throw ECRError.requestTooLarge(limit: limit) }
      let verified = try verifier.verify(claim, request, body: body)
      guard let operation else { throw ECRError.unknownOperation(found.operation) }
      if let wait = server.rateLimits.wait(principal: .key(verified.key)) {
        throw ECRError("ThrottlingException", "Rate exceeded: \(RateExceeded(wait))")
      }
      if !Self.isReading(found.operation) { try await server.checkWritable() }
      let region = verified.scope.region
      let subject = try CallSubject.parse(body)
      let realm =
        try isPublic
        ? PublicRegistry.realm(of: server.account(of: .key(verified.key)), region, server)
        : Self.realm(subject, region, verified.key, server)
      let call = Call(
        server: server, service: found.service, registry: server.registry.at(realm), caller: verified.key,
        asker: Caller(.key(verified.key), request, region: region),
        registryID: server.realms.account(of: realm), region: server.realms.region(of: realm) ?? region,
        baseURL: server.baseURL(request), imagePrefix: server.realms.imagePrefix(of: realm, host: server.host(request)))
      try await server.blocking { try call.authorize(found.operation, found.service, subject) }
      let bytes = try await operation.run(body, found.service.model, call)
      if !Self.isReading(found.operation), !found.operation.contains("Layer") {
        // A layer alone does not count before an image names it.
        try await server.blocking { try server.registry.storage.makeDurable() }
      }
      server.logger.info(
        "ecr", metadata: ["operation": "\(target)", "user": "\(verified.key.user)/\(verified.key.id)"])
      return Self.response(.ok, bytes)
    } catch is RequestBroken {
      return Self.failure(.serialization("The request's body is not whole."))
    } catch let error as ReadOnlyRefusal {
      return Self.failure(ECRError("AccessDeniedException", error.description))
    } catch let error as QuotaExceeded {
      return Self.failure(.limitExceeded(error.description))
    } catch let error as ECRError {
      server.logger.info(
        "ecr refused", metadata: ["operation": "\(target)", "remote": "\(request.remote)", "error": "\(error.id)"])
      return Self.failure(error)
    } catch {
      server.logger.error("ecr failed", metadata: ["operation": "\(target)", "error": "\(error)"])
      return Self.failure(.server)
    }
  }

  /// The realm of the account that a call names, or else of the caller's own.
  private static func realm(
    _ subject: CallSubject, _ region: String, _ key: AccessKey, _ server: RegistryServer
  ) throws -> Realm {
    let own = try server.account(of: .key(key))
    for account in [subject.account ?? own, own] {
      if let realm = server.realms.find(account: account, region: region) { return realm }
    }
    // One who has no registry here may still be let into another's, and needs a token for that.
    if let realm = server.realms.find(account: server.realms.account, region: region) { return realm }
    throw ECRError.invalidSignature("This server has no registry in the region '\(region.prefix(40))'.")
  }

  /// Whether an operation changes nothing, by the names that AWS gives.
  static func isReading(_ operation: String) -> Bool {
    ["Get", "Describe", "List", "BatchGet", "BatchCheck", "Validate"].contains { operation.hasPrefix($0) }
  }

  /// The one region that may be signed for; nil where it depends on what realms there are.
  static func onlyRegion(_ server: RegistryServer) -> String? {
    server.realms.declared.isEmpty ? server.realms.region : nil
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
