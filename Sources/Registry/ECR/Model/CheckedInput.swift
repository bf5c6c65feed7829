internal import FoundationEssentials

/// A request's body that was held against its shape: every member is known, of the right type and within its constraints.
/// Decoding throws `ECRError.invalidParameter` in AWS's words, or `DecodingError` for a wrong type.
struct CheckedInput: DecodableWithConfiguration {
  struct Configuration {
    let model: ServiceModel
    let shape: String
  }

  init(from decoder: any Decoder, configuration: Configuration) throws {
    switch configuration.model.shapes[configuration.shape] {
    case .structure(let members, let required)?:
      try Self.checkStructure(decoder, members, required, configuration.model)
    case .list(let element, let bounds)?:
      var container = try decoder.unkeyedContainer()
      let count = Int64(container.count ?? 0)
      try Self.check(count, within: bounds, "length", at: decoder.codingPath)
      while !container.isAtEnd {
        _ = try container.decode(
          CheckedInput.self, configuration: Configuration(model: configuration.model, shape: element))
      }
    case .string(let bounds, let values, let pattern)?:
      let text = try decoder.singleValueContainer().decode(String.self)
      try Self.check(Int64(text.utf16.count), within: bounds, "length", at: decoder.codingPath)
      guard values.isEmpty || values.contains(text) else {
        throw Self.failure(
          at: decoder.codingPath, "Member must satisfy enum value set: [\(values.joined(separator: ", "))]")
      }
      // Names of characters that no pattern takes are told apart before the pattern: lengths may be unbounded.
      if let pattern, text.utf8.count > 2048 || !pattern.matches(text) {
        throw Self.failure(at: decoder.codingPath, "must satisfy regular expression '\(pattern.source)'")
      }
    case .integer(let bounds)?:
      let number = try decoder.singleValueContainer().decode(Int64.self)
      try Self.check(number, within: bounds, "value", at: decoder.codingPath)
    case .boolean?: _ = try decoder.singleValueContainer().decode(Bool.self)
    case .blob(let bounds)?:
      let text = try decoder.singleValueContainer().decode(String.self)
      let padding = text.utf8.suffix(2).count { $0 == UInt8(ascii: "=") }
      try Self.check(Int64(text.utf8.count / 4 * 3 - padding), within: bounds, "length", at: decoder.codingPath)
    case nil: throw ECRError.server
    }
  }

  private struct MemberName: CodingKey {
    let stringValue: String
    init(stringValue: String) { self.stringValue = stringValue }
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
  }

  private static func checkStructure(
    _ decoder: any Decoder, _ members: [String: String], _ required: [String], _ model: ServiceModel
  ) throws {
    let container = try decoder.container(keyedBy: MemberName.self)
    // A member that is accepted and ignored would be a promise not kept.
    let unknown = container.allKeys.map(\.stringValue).filter { members[$0] == nil }.sorted()
    if let name = unknown.first {
      throw failure(
        at: decoder.codingPath + [MemberName(stringValue: String(name.prefix(80)))], "this registry does not support it"
      )
    }
    for name in required where try container.absent(MemberName(stringValue: name)) {
      throw failure(at: decoder.codingPath + [MemberName(stringValue: name)], "Member must not be null")
    }
    for key in container.allKeys where try !container.absent(key) {
      guard let shape = members[key.stringValue] else { continue }
      _ = try container.decode(
        CheckedInput.self, forKey: key, configuration: Configuration(model: model, shape: shape))
    }
  }

  private static func check(
    _ number: Int64, within bounds: ServiceModel.Bounds, _ what: String, at path: [any CodingKey]
  ) throws {
    if let least = bounds.least, number < least {
      throw failure(at: path, "Member must have \(what) greater than or equal to \(least)")
    }
    if let most = bounds.most, number > most {
      throw failure(at: path, "Member must have \(what) less than or equal to \(most)")
    }
  }

  private static func failure(at path: [any CodingKey], _ constraint: String) -> ECRError {
    let name = path.map { key in key.intValue.map { "\($0 + 1).member" } ?? key.stringValue }.joined(separator: ".")
    return .invalidParameter("Invalid parameter at '\(name)' failed to satisfy constraint: '\(constraint)'")
  }
}

extension KeyedDecodingContainer {
  /// null says the same as nothing.
  fileprivate func absent(_ key: Key) throws -> Bool { try !contains(key) || decodeNil(forKey: key) }
}
