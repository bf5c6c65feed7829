internal import AccessPolicies
internal import DistributionSpec
internal import Glibc
internal import HTTPTypes
internal import ImageSpec
internal import RegistryServer
internal import Scanning

/// One request for a page: who asks, for what, and when.
struct Visit: Sendable {
  let server: RegistryServer
  let request: RegistryRequest
  /// The realm that the request names, and how: links go on naming it so.
  let place: RealmTable.Place
  let principal: Principal
  let route: ConsoleRoute
  /// Milliseconds since 1970.
  let now: Int64

  init(
    server: RegistryServer, request: RegistryRequest, place: RealmTable.Place, principal: Principal, route: ConsoleRoute
  ) {
    self.server = server
    self.request = request
    self.place = place
    self.principal = principal
    self.route = route
    now = Int64(time(nil)) * 1000
  }

  var registry: Registry { server.registry.at(place.realm) }

  /// `registry.example:5000`: where docker signs in.
  var host: String { server.realms.endpointHost(of: place.realm, host: server.host(request)) }

  /// What the names of the realm's images begin with: the host, and the realm where the path has to name it.
  var imagePrefix: String { server.realms.imagePrefix(of: place.realm, host: server.host(request)) }

  /// What links begin with: empty, or the realm's part of the path.
  var prefix: String { place.prefix.isEmpty ? "" : "/\(place.prefix.dropLast())" }

  private var caller: Caller { Caller(principal, request) }

  func mayPull(_ name: String) throws -> Bool { try server.mayPull(caller, name, of: registry) }

  /// Those of the repositories that the caller may pull from, in the same order.
  func pullable(_ names: [String]) throws -> [String] { try server.pullable(names, by: caller, of: registry) }

  /// Whether the caller may see what ECR's operation of that name tells of a repository.
  func may(_ action: ActionName, _ name: String) throws -> Bool {
    try server.decide(caller, action, on: name, of: registry).isAllowed
  }

  func check(_ action: ActionName, _ name: String) throws {
    guard try may(action, name) else { throw principal == .anonymous ? ConsoleError.signInFirst : ConsoleError.notFound }
  }

  /// What one may not pull is not there; who has not signed in is asked to, whether it is there or not.
  func checkPull(_ name: String) throws {
    guard try mayPull(name) else { throw principal == .anonymous ? ConsoleError.signInFirst : ConsoleError.notFound }
  }

  /// What every page shows beside its own.
  func fill(_ fields: inout Fields) {
    fields["host"] = host
    fields["prefix"] = prefix
    fields["realm"] = realmName(place.realm)
    fields["hasRealms"] = server.realms.declared.count > 0
    fields["home"] = ConsoleRoute.repositories.path
    fields["activityPath"] = ConsoleRoute.activity.path
    fields["atActivity"] = route == .activity
    fields["signInPath"] = ConsoleRoute.signIn.path
    fields["signOutPath"] = ConsoleRoute.signOut.path
    fields["style"] = Asset.style.path
    fields["icon"] = Asset.icon.path
    fields["script"] = Asset.script
    fields["atRepositories"] = route != .activity && route != .signIn
    switch principal {
    case .anonymous:
      fields["signedIn"] = false
      if route != .signIn { fields["signInLink"] = "\(ConsoleRoute.signIn.path)?\(Query([("next", here)]))" }
    case .user(let name):
      fields["signedIn"] = true
      fields["user"] = name
    case .key(let key):
      fields["signedIn"] = true
      fields["user"] = "\(key.user)/\(key.id)"
    }
  }

  /// This page, to come back to.
  var here: String {
    if case .signIn = route { return request.query["next"].flatMap { SignIn.isOwn($0) ? $0 : nil } ?? ConsoleRoute.root }
    let target = request.rawQuery.isEmpty ? place.path : "\(place.path)?\(request.rawQuery)"
    return SignIn.isOwn(target) ? target : ConsoleRoute.root
  }

  func realmName(_ realm: Realm) -> String {
    "\(server.realms.account(of: realm)) · \(server.realms.regionName(of: realm))"
  }

  func age(_ time: Int64) -> Fields {
    ["text": Formats.age(time, now: now), "stamp": Formats.timestamp(time)]
  }
}

/// Why a page is not shown.
enum ConsoleError: Error, Equatable {
  case notFound
  case signInFirst
  case methodNotAllowed
  /// A form that another site's page sent.
  case foreignForm
  case tooManyChecks
  /// What takes a while is being done for somebody else.
  case busy
  case badCredentials(String)
  /// An image that no bill of materials can be made of.
  case notScannable(String)
  case failed

  /// nil for what is the registry's own trouble.
  init?(_ error: any Error) {
    switch error {
    case let error as ConsoleError: self = error
    case RegistryError.repositoryUnknown, RegistryError.manifestUnknown, RegistryError.blobUnknown,
      RegistryError.blobArchived:
      self = .notFound
    case ScanError.unsupportedImage: self = .notFound
    case let error as ScanError: self = .notScannable(error.description)
    case AuthenticationFailure.tooManyChecks: self = .tooManyChecks
    case let error as AuthenticationFailure: self = .badCredentials(error.description)
    default: return nil
    }
  }

  var status: HTTPResponse.Status {
    switch self {
    case .notFound: .notFound
    case .signInFirst, .badCredentials: .unauthorized
    case .methodNotAllowed: .methodNotAllowed
    case .foreignForm: .forbidden
    case .tooManyChecks, .busy: .tooManyRequests
    case .notScannable: .unprocessableContent
    case .failed: .internalServerError
    }
  }

  var title: String {
    switch self {
    case .notFound: "Nothing here"
    case .signInFirst: "Sign in"
    case .methodNotAllowed: "Not supported"
    case .foreignForm: "Not accepted"
    case .tooManyChecks: "Too many sign-ins"
    case .busy: "One moment"
    case .badCredentials: "Not signed in"
    case .notScannable: "Not to be looked through"
    case .failed: "Something went wrong"
    }
  }

  var message: String {
    switch self {
    case .notFound: "There is no such page, or it is not for you to see."
    case .signInFirst: "This is for those who have signed in."
    case .methodNotAllowed: "This page can be read, and nothing else."
    case .foreignForm: "This form was not sent from a page of this registry."
    case .busy: "Another image is being looked through at this moment. Try again."
    case .tooManyChecks: "Many sign-ins are being checked at this moment. Try again."
    case .badCredentials(let why): "The request's credentials were not taken: \(why)."
    case .notScannable(let why): "This image cannot be looked through: \(why)."
    case .failed: "The registry failed to make this page; its log says why."
    }
  }
}
