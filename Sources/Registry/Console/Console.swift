internal import DistributionSpec
internal import FoundationEssentials
internal import Glibc
internal import HTTPTypes
internal import ImageSpec
public import Logging
internal import Mustache
public import RegistryServer
internal import Synchronization
public import SystemPackage

/// The registry's web page: what a browser sees at `/ui/`, rendered here and readable without script.
///
/// It changes nothing in the registry, and shows to each what the registry's policy lets it pull.
public final class Console: Sendable {
  let layers: LayerIndex
  let list = RepositoryList()
  let facts = ImageFacts()
  let events: Activity
  /// Held while a bill of materials is made: it takes a processor, and pushes and pulls come first.
  let billing = Mutex(())
  private let templates: MustacheLibrary

  /// `cache` is a directory of its own, for what layers have in them; it may be deleted at any time.
  public init(_ registry: Registry, cache: FilePath, logger: Logger) throws {
    try registry.prepareListings()
    events = try Activity(registry, logger: logger)
    layers = LayerIndex(cache)
    templates = try Templates.library()
  }

  /// To be given to `RegistryServer`.
  public var endpoint: RegistryServer.Endpoint {
    { request, server in await self.respond(request, server) }
  }

  private func respond(_ request: RegistryRequest, _ server: RegistryServer) async -> RegistryResponse? {
    let isReading = request.method == .get || request.method == .head
    guard let place = server.realms.place(request) else { return nil }
    if place.path == "/" || place.path == "/ui" {
      return isReading ? Self.redirect("/\(place.prefix)ui/", .found) : nil
    }
    guard place.path.hasPrefix(ConsoleRoute.root) else { return nil }
    let route = ConsoleRoute(parsing: place.path)
    let signIn = SignIn(server, request, place)
    func visit(_ principal: Principal) -> Visit {
      Visit(server: server, request: request, place: place, principal: principal, route: route ?? .repositories)
    }
    if case .asset(let name) = route, isReading {
      return Asset.response(name) ?? failure(ConsoleError.notFound, visit(.anonymous))
    }
    do {
      switch route {
      case .signIn where request.method == .post: return try await signIn.enter(self)
      case .signOut where request.method == .post: return try signIn.leave()
      case _ where !isReading: throw ConsoleError.methodNotAllowed
      default: break
      }
      let principal = try await signIn.principal()
      guard let route, route != .signOut else { throw ConsoleError.notFound }
      return try await answer(route, visit(principal))
    } catch {
      return failure(error, visit((try? await signIn.principal()) ?? .anonymous))
    }
  }

  // MARK: pages

  private func answer(_ route: ConsoleRoute, _ visit: Visit) async throws -> RegistryResponse {
    if route == .signIn { return respond(SignIn.page(visit, failure: nil), visit) }
    // Reading a layer for the first time takes a moment or a minute: the page comes when it is there, or tells how far it is.
    let patience = ContinuousClock.now + .milliseconds(1500)
    while true {
      let content = try await visit.server.blocking { try self.content(route, visit) }
      guard case .waiting(let page) = content else { return try respond(content, visit) }
      if ContinuousClock.now >= patience { return respond(page, visit) }
      try await Task.sleep(for: .milliseconds(40))
    }
  }

  /// What a page consists of. Blocks.
  private func content(_ route: ConsoleRoute, _ visit: Visit) throws -> Content {
    if let name = route.repositoryName { try visit.checkPull(name) }
    return switch route {
    case .repositories: .page(try repositories(visit))
    case .repository(let name): .page(try repository(name, visit))
    case .settings(let name): .page(try settings(name, visit))
    case .tag(let name, let tag): .page(try image(name, .tag(tag), visit))
    case .image(let name, let digest): .page(try image(name, .digest(digest), visit))
    case .manifest(let name, let digest): try manifest(name, digest, visit)
    case .config(let name, let digest): try config(name, digest, visit)
    case .layer(let name, let digest, let number, let path): try layer(name, digest, number, path, visit)
    case .wasted(let name, let digest): try wasted(name, digest, visit)
    case .lifecycle(let name): .page(try lifecycle(name, visit))
    case .findings(let name, let digest): .page(try findings(name, digest, visit))
    case .bill(let name, let digest, let format): try bill(name, digest, format, visit)
    case .activity: .page(try activity(visit))
    case .signIn, .signOut, .asset: throw ConsoleError.notFound
    }
  }

  // MARK: answers

  private func respond(_ content: Content, _ visit: Visit) throws -> RegistryResponse {
    switch content {
    case .page(let page), .waiting(let page): return respond(page, visit)
    case .file(let bytes, let type, let name):
      var response = RegistryResponse(.ok, contentType: type, bytes: bytes)
      response.headers[.contentDisposition] = "inline; filename=\"\(name)\""
      // The bytes are whatever was pushed: nothing in them may run as a page of this registry.
      response.headers[.contentSecurityPolicy] = "default-src 'none'; sandbox"
      Headers.protect(&response)
      return response
    }
  }

  func respond(_ page: Page, _ visit: Visit) -> RegistryResponse {
    var fields = page.fields
    fields["title"] = page.title
    fields["template"] = page.template
    visit.fill(&fields)
    if let seconds = page.refresh { fields["refresh"] = seconds }
    let html = templates.render(fields, withTemplate: page.template) ?? ""
    return Headers.page(html, page.status, visit.request)
  }

  private func failure(_ error: any Error, _ visit: Visit) -> RegistryResponse {
    let known = ConsoleError(error)
    if case .signInFirst = known { return SignIn.invite(self, visit) }
    if known == nil {
      visit.server.logger.error("a page failed", metadata: ["path": "\(visit.request.path)", "error": "\(error)"])
    }
    let shown = known ?? .failed
    let page = Page(
      "error", title: shown.title, status: shown.status, fields: ["message": shown.message, "heading": shown.title])
    return respond(page, visit)
  }

  static func redirect(_ target: String, _ status: HTTPResponse.Status = .seeOther) -> RegistryResponse {
    var response = RegistryResponse(status, [.location: target, .cacheControl: "no-store"])
    Headers.protect(&response)
    return response
  }
}

/// What a template shows, by name.
typealias Fields = [String: any Sendable]

/// What a request gets.
enum Content: Sendable {
  case page(Page)
  /// What the page is about is not there yet.
  case waiting(Page)
  /// `name` is what a browser saves it as.
  case file([UInt8], type: String, name: String)
}

/// A page before it is text: the template and what it shows. Values are escaped as they go in.
struct Page: Sendable {
  let template: String
  let title: String
  var status: HTTPResponse.Status = .ok
  var fields: Fields
  /// After as many seconds a browser asks again.
  var refresh: Int?

  init(
    _ template: String, title: String, status: HTTPResponse.Status = .ok, refresh: Int? = nil, fields: Fields
  ) {
    self.template = template
    self.title = title
    self.status = status
    self.refresh = refresh
    self.fields = fields
  }
}
