internal import FoundationEssentials
internal import RegistryServer

/// One call of an operation: who calls, and what is asked.
struct Call: Sendable {
  let server: RegistryServer
  let service: Service
  /// The registry of the realm that is called.
  let registry: Registry
  let caller: AccessKey
  /// The same as policies see it.
  let asker: Caller
  /// The account, twelve digits.
  let registryID: String
  let region: String
  /// Where clients reach the registry: `https://host:port`.
  let baseURL: String
  /// What stands before a repository's name in an image's.
  let imagePrefix: String

  /// Whether public repositories alone are meant.
  var isPublic: Bool { service.isPublic }

  var authenticator: Authenticator { server.authenticator }

  /// Where docker signs in to a realm's registry: `https://host:port`. Some clients take only a name of AWS's shape, which
  /// the server's settings may ask for.
  func endpoint(of realm: Realm) -> String {
    let parts = baseURL.split(separator: "/", omittingEmptySubsequences: false)
    return "\(parts[0])//\(server.realms.endpointHost(of: realm, host: String(parts[2])))"
  }

  func arn(_ repository: String) -> String { "arn:aws:ecr:\(region):\(registryID):repository/\(repository)" }
}

/// Times are numbers of seconds since 1970.
func seconds(_ milliseconds: Int64) -> Double { Double(milliseconds) / 1000 }

/// The part of a listing that a call asks for, and the token that leads to the next.
struct Page: Sendable {
  let limit: Int

  /// `maxResults` of a call, within the bounds that the model gives it; `standard` where it is left out.
  init(_ maxResults: Int?, standard: Int = 100) { limit = maxResults ?? standard }

  /// Where a listing goes on, as a client gives it back: nothing for it to read.
  static func token(_ position: String) -> String { Data(position.utf8).base64EncodedString() }

  static func position(_ token: String?) throws -> String? {
    guard let token else { return nil }
    guard let data = Data(base64Encoded: token), let position = String(validating: data, as: UTF8.self) else {
      throw invalidToken
    }
    return position
  }

  /// The same of a listing in the order of rows' numbers.
  static func row(_ token: String?) throws -> Int64? {
    try position(token).map { text in
      guard let number = Int64(text) else { throw invalidToken }
      return number
    }
  }

  static var invalidToken: ECRError { .invalidParameter("nextToken", "Invalid token") }

  /// Of `found`, for which one more than `limit` was asked, the page, and the token that leads to what is left.
  func cut<Found>(_ found: [Found], at position: (Found) -> String) -> (shown: ArraySlice<Found>, next: String?) {
    let shown = found.prefix(limit)
    return (shown, found.count > limit ? shown.last.map { Self.token(position($0)) } : nil)
  }

  /// Who names what he wants has no pages of it.
  static func checkNone(besides member: String, _ nextToken: String?, _ maxResults: Int?) throws {
    guard nextToken == nil, maxResults == nil else {
      throw ECRError.invalidParameter(member, "without nextToken and maxResults")
    }
  }
}
