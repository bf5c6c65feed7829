internal import DistributionSpec
internal import FoundationEssentials
internal import HTTPTypes
internal import Logging
internal import RegistryServer

/// The one operation of AWS's STS that tools call before they turn to ECR: who am I? (STS, GetCallerIdentity; query
/// protocol)
struct CallerIdentity: Sendable {
  func respond(_ request: RegistryRequest, _ server: RegistryServer) async -> RegistryResponse? {
    do {
      guard let body = try await request.collectBody(limit: 64 << 10) else {
        throw ECRError.requestTooLarge(limit: 64 << 10)
      }
      guard let action = Query(parsing: String(decoding: body, as: UTF8.self))["Action"] else { return nil }
      let verifier = SignatureVerifier(keys: server.authenticator.keys, region: ECREndpoint.onlyRegion(server))
      let key = try verifier.verify(verifier.claim(request, service: "sts"), request, body: body).key
      guard action == "GetCallerIdentity" else { throw ECRError.unknownOperation(action) }
      let registryID = try server.account(of: .key(key))
      return Self.xml(
        .ok,
        """
        <GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>\
        <Arn>arn:aws:iam::\(registryID):user/\(key.user)</Arn><UserId>\(key.id)</UserId><Account>\(registryID)</Account>\
        </GetCallerIdentityResult><ResponseMetadata><RequestId>\(UUID().uuidString.lowercased())</RequestId></ResponseMetadata>\
        </GetCallerIdentityResponse>
        """)
    } catch let error as ECRError {
      return Self.failure(error)
    } catch {
      server.logger.error("sts failed", metadata: ["error": "\(error)"])
      return Self.failure(.server)
    }
  }

  private static func failure(_ error: ECRError) -> RegistryResponse {
    xml(
      HTTPResponse.Status(code: error.status == 400 ? 403 : error.status),
      """
      <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>\
      <Code>\(escaped(error.id))</Code><Message>\(escaped(error.description))</Message></Error>\
      <RequestId>\(UUID().uuidString.lowercased())</RequestId></ErrorResponse>
      """)
  }

  private static func xml(_ status: HTTPResponse.Status, _ text: String) -> RegistryResponse {
    RegistryResponse(status, contentType: "text/xml", bytes: Array(text.utf8))
  }

  private static func escaped(_ text: String) -> String {
    text.map { ["&": "&amp;", "<": "&lt;", ">": "&gt;"][$0] ?? String($0) }.joined()
  }
}
