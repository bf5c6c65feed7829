internal import FoundationEssentials
internal import RegistryServer

/// One call of an operation: who calls, and what is asked.
struct Call: Sendable {
  let registry: Registry
  let authenticator: Authenticator
  let caller: AccessKey
  /// The account, twelve digits.
  let registryID: String
  let region: String
  /// Where clients reach the registry: `https://host:port`.
  let baseURL: String

  /// The host part of image names.
  var host: String { String(baseURL.drop { $0 != "/" }.drop { $0 == "/" }) }

  func arn(_ repository: String) -> String { "arn:aws:ecr:\(region):\(registryID):repository/\(repository)" }
}

/// The input of an operation: an object of JSON, all of whose members are known here.
///
/// A member that is accepted and ignored would be a promise not kept, such as a key to encrypt with.
protocol OperationInput: Decodable {
  associatedtype CodingKeys: CodingKey & CaseIterable
}

extension OperationInput {
  static func parse(_ body: [UInt8]) throws -> Self {
    guard JSONDepth.isWithin(32, body) else { throw ECRError.serialization("The request's JSON is nested too deep.") }
    let data = Data(body.isEmpty ? Array("{}".utf8) : body)
    do {
      let present = try JSONDecoder().decode(MemberNames.self, from: data).names
      let known = Set(CodingKeys.allCases.map(\.stringValue))
      if let unknown = present.subtracting(known).sorted().first {
        throw ECRError.invalidParameter(
          "Invalid parameter at '\(unknown.prefix(80))': this registry does not support it")
      }
      return try JSONDecoder().decode(Self.self, from: data)
    } catch let error as DecodingError {
      switch error {
      case .keyNotFound(let key, _):
        throw ECRError.invalidParameter(
          "Invalid parameter at '\(key.stringValue)' failed to satisfy constraint: 'must not be null'")
      case .typeMismatch(_, let context), .valueNotFound(_, let context):
        throw ECRError.serialization(
          "Wrong type at '\(context.codingPath.map(\.stringValue).joined(separator: "."))'")
      default: throw ECRError.serialization("The request is not an object of JSON.")
      }
    }
  }
}

private struct MemberNames: Decodable {
  let names: Set<String>

  private struct AnyKey: CodingKey {
    let stringValue: String
    init(stringValue: String) { self.stringValue = stringValue }
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    names = Set(try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue))
  }
}

/// Times are numbers of seconds since 1970.
func seconds(_ milliseconds: Int64) -> Double { Double(milliseconds) / 1000 }

/// The part of a listing that a call asks for, and the token that leads to the next.
struct Page: Sendable {
  let limit: Int

  /// `maxResults` of a call: 1 to 1000, 100 where it is left out.
  init(_ maxResults: Int?) throws {
    guard let maxResults else {
      limit = 100
      return
    }
    guard (1...1000).contains(maxResults) else {
      throw ECRError.invalidParameter(
        "Invalid parameter at 'maxResults' failed to satisfy constraint: 'must be between 1 and 1000'")
    }
    limit = maxResults
  }

  /// Where a listing goes on, as a client gives it back: nothing for it to read.
  static func token(_ position: String) -> String { Data(position.utf8).base64EncodedString() }

  static func position(_ token: String?) throws -> String? {
    guard let token else { return nil }
    guard let data = Data(base64Encoded: token), let position = String(validating: data, as: UTF8.self) else {
      throw ECRError.invalidParameter("Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'")
    }
    return position
  }
}
