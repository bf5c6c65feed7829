internal import DistributionSpec
internal import FoundationEssentials
internal import HTTPTypes
internal import RegistryServer

/// Who looks at a page: by the cookie that the sign-in form gives, or by Basic as the registry's other clients.
struct SignIn {
  private let server: RegistryServer
  private let request: RegistryRequest
  private let place: RealmTable.Place

  init(_ server: RegistryServer, _ request: RegistryRequest, _ place: RealmTable.Place) {
    self.server = server
    self.request = request
    self.place = place
  }

  private var isSecure: Bool { server.baseURL(request).hasPrefix("https:") }

  /// With TLS the name itself says that no other host and no page without TLS has set the cookie. (RFC 6265bis, 4.1.3)
  private var cookieName: String { isSecure ? "__Host-clipper" : "clipper-session" }

  /// A cookie that does not hold (any more) is no cookie; a wrong password in a header throws.
  func principal() async throws -> Principal {
    if let header = request.headers[.authorization] {
      return try await server.authenticator.principal(authorization: header)
    }
    guard let session else { return .anonymous }
    return try await server.blocking { [authenticator = server.authenticator] in
      try authenticator.principal(session: session) ?? .anonymous
    }
  }

  private var session: String? {
    for header in request.headers[values: .cookie] where header.utf8.count <= 16 << 10 {
      for piece in header.split(separator: ";") {
        let pair = piece.drop { $0 == " " }
        if pair.hasPrefix("\(cookieName)=") { return String(pair.dropFirst(cookieName.count + 1)) }
      }
    }
    return nil
  }

  /// The form's answer. Passwords are checked by the `Authenticator`, one after the other.
  func enter(_ console: Console) async throws -> RegistryResponse {
    try checkOrigin()
    guard let body = try await request.collectBody(limit: 16 << 10) else { throw ConsoleError.foreignForm }
    let form = Query(parsing: String(decoding: body, as: UTF8.self))
    let (user, password) = (form["user"] ?? "", form["password"] ?? "")
    let next = form["next"].flatMap { Self.isOwn($0) ? $0 : nil } ?? ConsoleRoute.root
    let visit = Visit(server: server, request: request, place: place, principal: .anonymous, route: .signIn)
    do {
      guard !user.isEmpty, !user.contains(":") else { throw AuthenticationFailure.wrongCredentials }
      let principal = try await server.authenticator.principal(
        authorization: "Basic " + Data("\(user):\(password)".utf8).base64EncodedString())
      guard let session = try await server.blocking({ [authenticator = server.authenticator] in
        try authenticator.issueSession(for: principal, password: password)
      }) else { throw AuthenticationFailure.wrongCredentials }
      var response = Console.redirect(visit.prefix + next)
      response.headers[.setCookie] = cookie(session.value, maximumAge: session.lifetime)
      server.logger.info("signed in", metadata: ["user": "\(principal)", "remote": "\(request.remote)"])
      return response
    } catch let error as AuthenticationFailure {
      server.logger.notice("sign-in refused", metadata: ["remote": "\(request.remote)", "reason": "\(error)"])
      return console.respond(Self.page(visit, failure: error, user: user, next: next), visit)
    }
  }

  func leave() throws -> RegistryResponse {
    try checkOrigin()
    var response = Console.redirect("/\(place.prefix)ui/")
    response.headers[.setCookie] = cookie("", maximumAge: 0)
    return response
  }

  private func cookie(_ value: String, maximumAge: Int64) -> String {
    "\(cookieName)=\(value); Path=/; Max-Age=\(maximumAge); HttpOnly; SameSite=Strict" + (isSecure ? "; Secure" : "")
  }

  /// A form is taken from this registry's own pages only. Browsers say where one comes from in two ways; one of them must
  /// be there. (Fetch, Origin header; Fetch Metadata Request Headers)
  private func checkOrigin() throws {
    let site = request.headers[.fetchSite]
    if let site, site != "same-origin" { throw ConsoleError.foreignForm }
    if let origin = request.headers[.origin] {
      guard origin == Self.origin(server.baseURL(request)) else { throw ConsoleError.foreignForm }
    } else if site == nil {
      throw ConsoleError.foreignForm
    }
  }

  /// `https://registry.example:5000/path` comes from `https://registry.example:5000`.
  private static func origin(_ url: String) -> String {
    guard let scheme = url.firstRange(of: "://") else { return url }
    return String(url[..<scheme.upperBound]) + url[scheme.upperBound...].prefix { $0 != "/" }
  }

  /// Whether a target is a page of the console: what a sign-in leads back to.
  static func isOwn(_ target: String) -> Bool {
    target.hasPrefix(ConsoleRoute.root) && target.utf8.count <= 4096
      && target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "\\") }
      && !target.contains("//")
  }

  // MARK: the page

  static func page(_ visit: Visit, failure: AuthenticationFailure?, user: String = "", next: String? = nil) -> Page {
    var fields: Fields = ["next": next ?? visit.here, "name": Formats.cut(user, 128)]
    fields["failure"] = failure.map { failure in
      switch failure {
      case .tooManyChecks: "Many sign-ins are being checked at this moment. Try again."
      case .tokenExpired: "This token has expired. Fetch another one and try again."
      default: "That name and password do not belong together."
      }
    }
    let status: HTTPResponse.Status =
      switch failure {
      case nil: .ok
      case .tooManyChecks: .tooManyRequests
      default: .unauthorized
      }
    return Page("sign-in", title: "Sign in", status: status, fields: fields)
  }

  /// For who has not signed in, at a page that needs it.
  static func invite(_ console: Console, _ visit: Visit) -> RegistryResponse {
    // A strict cookie is not sent along a link from another site. The page asks for itself once more, from here.
    if visit.request.headers[.fetchSite] == "cross-site", visit.request.headers[.fetchMode] == "navigate" {
      let page = Page(
        "error", title: "One moment", refresh: 0,
        fields: ["heading": "One moment", "message": "This page is on its way."])
      return console.respond(page, visit)
    }
    return Console.redirect("\(visit.prefix)\(ConsoleRoute.signIn.path)?\(Query([("next", visit.here)]))")
  }
}
