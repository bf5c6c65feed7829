internal import FoundationEssentials
internal import RegistryServer

/// The input of an operation: an object of JSON, all of whose members are known here.
protocol MessageInput: Decodable, Sendable {
  associatedtype CodingKeys: CodingKey & CaseIterable
}

/// The members of an input that has none.
enum NoMembers: CodingKey, CaseIterable {}

/// An operation that reads and writes this registry alone; it runs on a thread that may block. Its type's name is its own.
protocol OperationInput: MessageInput {
  associatedtype Output: Encodable & Sendable
  func run(_ call: Call) throws -> Output
}

/// An operation that waits for others: another registry, an upload's turn.
protocol AsyncOperationInput: MessageInput {
  associatedtype Output: Encodable & Sendable
  func run(_ call: Call) async throws -> Output
}

/// One operation of a service, as its table has it.
struct Operation: Sendable {
  let name: String
  /// The members of its input that it honours or refuses by name.
  let members: Set<String>
  /// Largest request in bytes.
  let bodyLimit: Int
  let run: @Sendable (_ body: [UInt8], _ model: ServiceModel, _ call: Call) async throws -> [UInt8]

  /// Most operations name things, and carry none.
  static let defaultBodyLimit = 1 << 20

  init<Input: OperationInput>(_ type: Input.Type, bodyLimit: Int = Self.defaultBodyLimit) {
    self.init(type, bodyLimit) { input, call in try await call.server.blocking { try input.run(call) } }
  }

  init<Input: AsyncOperationInput>(_ type: Input.Type, bodyLimit: Int = Self.defaultBodyLimit) {
    self.init(type, bodyLimit) { input, call in try await input.run(call) }
  }

  private init<Input: MessageInput>(
    _ type: Input.Type, _ bodyLimit: Int, _ run: @escaping @Sendable (Input, Call) async throws -> some Encodable
  ) {
    let name = String(describing: type)
    self.name = name
    self.bodyLimit = bodyLimit
    members = Set(Input.CodingKeys.allCases.map(\.stringValue))
    self.run = { body, model, call in
      try Self.encoded(await run(Self.parse(body, name, model), call))
    }
  }

  static func encoded(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  private static func parse<Input: MessageInput>(_ body: [UInt8], _ name: String, _ model: ServiceModel) throws -> Input
  {
    guard let operation = model.operations[name] else { throw ECRError.unknownOperation(name) }
    guard JSONDepth.isWithin(32, body) else { throw ECRError.serialization("The request's JSON is nested too deep.") }
    let data = Data(body.isEmpty ? Array("{}".utf8) : body)
    do {
      _ = try JSONDecoder().decode(
        CheckedInput.self, from: data, configuration: .init(model: model, shape: operation.input))
      return try JSONDecoder().decode(Input.self, from: data)
    } catch let error as DecodingError {
      switch error {
      case .keyNotFound(let key, _):
        throw ECRError.invalidParameter(
          "Invalid parameter at '\(key.stringValue)' failed to satisfy constraint: 'Member must not be null'")
      case .typeMismatch(_, let context), .valueNotFound(_, let context):
        throw ECRError.serialization(
          "Wrong type at '\(context.codingPath.map(\.stringValue).joined(separator: "."))'")
      default: throw ECRError.serialization("The request is not an object of JSON.")
      }
    }
  }
}
