internal import Crypto
internal import FoundationEssentials
internal import HTTPTypes
internal import RegistryServer

extension HTTPField.Name {
  /// A name of the protocol's own, which is known to be well formed.
  private static func known(_ name: String) -> HTTPField.Name {
    guard let field = HTTPField.Name(name) else { preconditionFailure("\(name) is not a header's name") }
    return field
  }

  static let vary = known("vary")
  static let frameOptions = known("x-frame-options")
  static let referrerPolicy = known("referrer-policy")
  static let openerPolicy = known("cross-origin-opener-policy")
  static let resourcePolicy = known("cross-origin-resource-policy")
  static let permissionsPolicy = known("permissions-policy")
  static let fetchSite = known("sec-fetch-site")
  static let fetchMode = known("sec-fetch-mode")
}

/// What pages are sent with.
enum Headers {
  /// One script, named by its hash, a style from here, and nothing from anywhere else: what a hostile name might
  /// smuggle into a page would neither run nor call home. (Content Security Policy Level 3)
  static let policy =
    "default-src 'none'; script-src '\(Asset.scriptHash)'; style-src 'self'; img-src 'self'; form-action 'self'; "
    + "base-uri 'none'; frame-ancestors 'none'"

  static func protect(_ response: inout RegistryResponse) {
    if response.headers[.contentSecurityPolicy] == nil { response.headers[.contentSecurityPolicy] = policy }
    response.headers[.xContentTypeOptions] = "nosniff"
    response.headers[.frameOptions] = "DENY"
    // Not `no-referrer`: with it, browsers send forms without their origin.
    response.headers[.referrerPolicy] = "same-origin"
    response.headers[.openerPolicy] = "same-origin"
    response.headers[.resourcePolicy] = "same-origin"
    response.headers[.permissionsPolicy] = "camera=(), microphone=(), geolocation=()"
  }

  /// A page with its validator: the same page again costs a few bytes.
  static func page(_ html: String, _ status: HTTPResponse.Status, _ request: RegistryRequest) -> RegistryResponse {
    let bytes = Array(html.utf8)
    let packed =
      bytes.count >= Gzip.least && Gzip.isTaken(request.headers[.acceptEncoding]) ? Gzip.compress(bytes) : nil
    var response = RegistryResponse(status, contentType: "text/html; charset=utf-8", bytes: packed ?? bytes)
    protect(&response)
    if packed != nil { response.headers[.contentEncoding] = "gzip" }
    response.headers[.vary] = "Cookie, Authorization, Accept-Encoding"
    guard status == .ok else {
      response.headers[.cacheControl] = "no-store"
      return response
    }
    let hash = SHA256.hash(data: bytes).prefix(12)
    // Other bytes, another validator. (RFC 9110, section 8.8.3)
    let tag = "\"\(Data(hash).base64EncodedString())\(packed == nil ? "" : "-gzip")\""
    response.headers[.cacheControl] = "private, no-cache"
    response.headers[.eTag] = tag
    if isCurrent(request.headers[.ifNoneMatch], tag) {
      response.status = .notModified
      response.body = .none
      response.headers[.contentType] = nil
      response.headers[.contentEncoding] = nil
    }
    return response
  }

  static func isCurrent(_ header: String?, _ tag: String) -> Bool {
    guard let header else { return false }
    return header.split(separator: ",").contains { piece in
      let bare = piece.drop { $0 == " " }
      return (bare.hasPrefix("W/") ? bare.dropFirst(2) : bare) == tag
    }
  }
}
