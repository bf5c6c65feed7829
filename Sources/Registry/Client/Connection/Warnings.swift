internal import Synchronization

/// What a registry tells its users beside an answer.
public struct RegistryWarning: Hashable, Sendable, CustomStringConvertible {
  /// `host[:port]` of the registry.
  public let host: String
  /// In one line, without characters that a terminal would act upon.
  public let text: String

  public var description: String { "\(host): \(text)" }
}

/// The warnings of a client's registries, each once, until they are shown. (distribution-spec, Warnings; RFC 7234, 5.5)
final class Warnings: Sendable {
  /// Bytes that a registry may send with one answer: what is longer is not read.
  static let answerLimit = 4096
  /// Different ones of a client: further ones are dropped.
  static let countLimit = 64

  private struct State {
    var known: Set<RegistryWarning> = []
    var fresh: [RegistryWarning] = []
  }
  private let state = Mutex(State())

  /// The values of an answer's `Warning` headers.
  func note(_ values: [String], from host: String) {
    var left = Self.answerLimit
    for value in values {
      left -= value.utf8.count
      guard left >= 0 else { return }
      for text in Self.parse(value) where !text.isEmpty {
        let warning = RegistryWarning(host: host, text: Self.printable(text))
        state.withLock { state in
          guard state.known.count < Self.countLimit, state.known.insert(warning).inserted else { return }
          state.fresh.append(warning)
        }
      }
    }
  }

  /// Those that came since this was last asked.
  func take() -> [RegistryWarning] {
    state.withLock { state in
      defer { state.fresh = [] }
      return state.fresh
    }
  }

  /// The texts of a header's value: `299 - "text"`, several between commas. Other codes speak of caches, and other agents
  /// are not the registry.
  static func parse(_ value: String) -> [String] {
    var texts: [String] = []
    var rest = value[...]
    while let open = rest.firstIndex(of: "\"") {
      let head = rest[..<open].split { $0 == " " || $0 == "\t" || $0 == "," }.suffix(2)
      rest = rest[rest.index(after: open)...]
      var text = ""
      var isClosed = false
      while let character = rest.popFirst() {
        if character == "\"" {
          isClosed = true
          break
        }
        guard character == "\\" else {
          text.append(character)
          continue
        }
        if let escaped = rest.popFirst() { text.append(escaped) }
      }
      guard isClosed else { break }
      if head == ["299", "-"] { texts.append(text) }
      // A date may follow, in quotes too. (RFC 7234, 5.5: warn-date)
      let after = rest.drop { $0 == " " || $0 == "\t" }
      if after.first == "\"" { rest = after.dropFirst().drop { $0 != "\"" }.dropFirst() }
    }
    return texts
  }

  /// Control characters, and those that turn the direction of text or break its line, by number.
  private static func printable(_ text: String) -> String {
    var shown = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
        shown += "\\u{\(String(scalar.value, radix: 16))}"
      default: shown.unicodeScalars.append(scalar)
      }
    }
    return shown
  }
}
