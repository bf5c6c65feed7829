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

  /// A token for docker: base64 of `AWS:` and a password that holds for twelve hours. It is good for every registry that
  /// its key may use; each has its own place to sign in.
  func run(_ call: Call) throws -> Output {
    let realms = try (registryIds ?? [call.registryID]).map { id in
      if id == call.registryID { return call.registry.realm }
      guard let realm = call.server.realms.find(account: id, region: call.region) else {
        throw ECRError.invalidParameter(
          "registryIds", "this server has no registry with the id '\(id)' in \(call.region)")
      }
      return realm
    }
    let token = call.authenticator.issueToken(for: call.caller)
    let text = Data("AWS:\(token.password)".utf8).base64EncodedString()
    return Output(
      authorizationData: realms.map { realm in
        Output.Authorization(
          authorizationToken: text, expiresAt: Double(token.expires), proxyEndpoint: call.endpoint(of: realm))
      })
  }
}

extension Operation {
  static let authorization = [Operation(GetAuthorizationToken.self)]
}
