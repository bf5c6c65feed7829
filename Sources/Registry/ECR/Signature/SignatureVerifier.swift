internal import HTTPTypes
internal import RegistryServer

/// Checks the signatures of requests against the registry's access keys.
struct SignatureVerifier: Sendable {
  let keys: AccessKeys
  /// nil takes any region: there is one registry here, whatever a client calls the place.
  let region: String?

  /// Seconds by which a client's clock may be wrong.
  static let skew: Int64 = 300

  struct Verified: Sendable {
    let key: AccessKey
    let scope: CredentialScope
  }

  /// What can be told before the body is read.
  struct Claim: Sendable {
    let key: AccessKey
    let scope: CredentialScope
    let signedHeaders: [String]
    let signature: String
    let time: SignatureTime
  }

  /// Who says to have signed the request, and when. Throws `ECRError`.
  func claim(_ request: RegistryRequest, service: String, now: SignatureTime = .now) throws -> Claim {
    // A signature in the query, as browsers follow it, is another one than clients of these services send.
    for name in ["X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential"] where request.query[name] != nil {
      throw ECRError.incompleteSignature("presigned requests are not supported here: sign in the Authorization header")
    }
    // Of two, one might be checked and the other one read.
    for name in Self.singular where request.headers[values: name].count > 1 {
      throw ECRError.incompleteSignature("the header \(name.canonicalName) is there more than once")
    }
    guard let header = request.headers[.authorization], !header.isEmpty else {
      throw ECRError.missingAuthenticationToken
    }
    let parameters = try Self.parameters(header)
    guard let timeText = request.headers[.amazonDate], let time = SignatureTime(parsing: timeText) else {
      throw ECRError.incompleteSignature("the header X-Amz-Date is missing or not of the form YYYYMMDDTHHMMSSZ")
    }
    let parts = parameters.credential.split(separator: "/", omittingEmptySubsequences: false).map { String($0) }
    guard parts.count == 5, parts[4] == "aws4_request" else {
      throw ECRError.incompleteSignature("Credential must have the form <key>/<date>/<region>/<service>/aws4_request")
    }
    let scope = CredentialScope(date: parts[1], region: parts[2], service: parts[3])
    var needed: Set<String> = ["host", "x-amz-date"]
    // What names the operation must be signed too: else a signed request could be made into another one.
    if request.headers[.amazonTarget] != nil { needed.insert("x-amz-target") }
    if request.headers[.amazonSecurityToken] != nil { needed.insert("x-amz-security-token") }
    for name in needed.sorted() where !parameters.signedHeaders.contains(name) {
      throw ECRError.incompleteSignature("SignedHeaders must have \(name)")
    }
    for name in parameters.signedHeaders where name != "host" {
      guard let field = HTTPField.Name(name), field.rawName == field.canonicalName, request.headers[field] != nil else {
        throw ECRError.invalidSignature("SignedHeaders has '\(name.prefix(80))', which is no header of the request")
      }
    }
    guard scope.date == time.date else {
      throw ECRError.invalidSignature(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '\(scope.date)' != '\(time.date)'."
      )
    }
    guard scope.service == service else {
      throw ECRError.invalidSignature("Credential should be scoped to correct service: '\(service)'.")
    }
    if let region, scope.region != region {
      throw ECRError.invalidSignature(
        "Credential should be scoped to a valid region, not '\(scope.region.prefix(40))'.")
    }
    if time.seconds < now.seconds - Self.skew {
      throw ECRError.invalidSignature(
        "Signature expired: \(time) is now earlier than \(now + -Self.skew) (\(now) - 5 min.)")
    }
    if time.seconds > now.seconds + Self.skew {
      throw ECRError.invalidSignature(
        "Signature not yet current: \(time) is still later than \(now + Self.skew) (\(now) + 5 min.)")
    }
    guard let key = try keys.find(parts[0]), Self.hasToken(request.headers[.amazonSecurityToken], of: key) else {
      throw ECRError.unrecognizedClient
    }
    guard !key.hasExpired else { throw ECRError.expiredToken }
    return Claim(
      key: key, scope: scope, signedHeaders: parameters.signedHeaders, signature: parameters.signature, time: time)
  }

  /// Headers that a request has once.
  private static let singular: [HTTPField.Name] = [
    .authorization, .amazonDate, .amazonTarget, .amazonContentHash, .amazonSecurityToken,
  ]

  /// A key that ends needs its session token, and one that does not has none.
  private static func hasToken(_ token: String?, of key: AccessKey) -> Bool {
    switch (token, key.sessionToken) {
    case (nil, nil): true
    case (let token?, let own?): constantTimeEqual(Array(token.utf8), Array(own.utf8))
    default: false
    }
  }

  /// Whether the claim is true. Throws `ECRError`.
  func verify(_ claim: Claim, _ request: RegistryRequest, body: [UInt8]) throws -> Verified {
    let actual = payloadHash(body)
    var stated = actual
    if let header = request.headers[.amazonContentHash] {
      switch header {
      case actual: break
      // Nothing but TLS protects such a body.
      case "UNSIGNED-PAYLOAD" where request.isSecure: stated = header
      default:
        throw ECRError.invalidSignature("The provided 'x-amz-content-sha256' header does not match what was computed.")
      }
    }
    var headers = [(name: "host", value: request.authority)]
    headers += request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
    let signed = SignedRequest(
      method: request.method.rawValue, path: request.path, query: request.rawQuery, headers: headers,
      payloadHash: stated)
    let expected = claim.scope.signature(
      of: signed.canonicalRequest(signedHeaders: claim.signedHeaders), time: claim.time.description,
      secret: claim.key.secret)
    guard constantTimeEqual(Array(expected.utf8), Array(claim.signature.utf8)) else {
      throw ECRError.invalidSignature(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
          + "and signing method. Consult the service documentation for details.")
    }
    return Verified(key: claim.key, scope: claim.scope)
  }

  /// `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`
  static func parameters(
    _ header: String
  ) throws -> (credential: String, signedHeaders: [String], signature: String) {
    let algorithm = "AWS4-HMAC-SHA256"
    guard header.hasPrefix(algorithm + " ") else {
      throw ECRError.incompleteSignature("the algorithm must be \(algorithm)")
    }
    var found: [String: String] = [:]
    for piece in header.dropFirst(algorithm.count).split(separator: ",") {
      let halves = piece.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, found.updateValue(String(halves[1]), forKey: String(halves[0])) == nil else {
        throw ECRError.incompleteSignature(
          "'\(piece.prefix(80))' not a valid key=value pair (missing equal-sign) in Authorization header.")
      }
    }
    for name in ["Credential", "SignedHeaders", "Signature"] where found[name]?.isEmpty ?? true {
      throw ECRError.incompleteSignature("Authorization header requires '\(name)' parameter.")
    }
    let signedHeaders = (found["SignedHeaders"] ?? "").split(separator: ";", omittingEmptySubsequences: false).map {
      String($0)
    }
    guard signedHeaders == signedHeaders.sorted(), Set(signedHeaders).count == signedHeaders.count else {
      throw ECRError.incompleteSignature("SignedHeaders must be sorted, each once")
    }
    return (found["Credential"] ?? "", signedHeaders, found["Signature"] ?? "")
  }
}

extension HTTPField.Name {
  static let amazonDate = known("x-amz-date")
  static let amazonTarget = known("x-amz-target")
  static let amazonContentHash = known("x-amz-content-sha256")
  static let amazonSecurityToken = known("x-amz-security-token")
  static let amazonRequestID = known("x-amzn-requestid")
  static let amazonErrorType = known("x-amzn-errortype")

  /// A name of the protocol's own, which is known to be well formed.
  private static func known(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is not a header's name") }
    return field
  }
}
