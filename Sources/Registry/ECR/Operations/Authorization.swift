internal import FoundationEssentials
internal import RegistryServer

struct GetAuthorizationToken: OperationInput {
  var registryIds: [String]?

  enum CodingKeys: String, CodingKey, CaseIterable { case registryIds }

  struct Output: Encodable {
    struct Authorization: Encodable {
      let authorizationToken: String
      let expiresAt: Double
      let proxyEndpoint: String
    }
    let authorizationData: [Authorization]
  }

  /// A token for docker: base64 of `AWS:` and a password that holds for twelve hours.
  func run(_ call: Call) throws -> Output {
    let registries = registryIds ?? [call.registryID]
    for id in registries where id != call.registryID {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'registryIds': the registry here has the id '\(call.registryID)'")
    }
    let token = call.authenticator.issueToken(for: call.caller)
    let authorization = Output.Authorization(
      authorizationToken: Data("AWS:\(token.password)".utf8).base64EncodedString(), expiresAt: Double(token.expires),
      proxyEndpoint: call.baseURL)
    return Output(authorizationData: registries.map { _ in authorization })
  }
}

extension Operation {
  static let authorization = [Operation(GetAuthorizationToken.self)]
}
