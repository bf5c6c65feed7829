import ImageSpec
import Signatures
import Synchronization

/// What was found out about signatures, so that a pull does not find it out again.
///
/// A verdict holds until anything in the registry changes. What one manifest of signatures says of an image holds for
/// ever, and spares the arithmetic after a change.
final class SignatureVerdicts: Sendable {
  struct Key: Hashable {
    let realm: Realm
    let repository: String
    let image: Digest
    let tags: [String]
    let stage: SignatureRule.Stage
  }

  struct CheckedRule: Sendable {
    let name: String
    let rule: SignatureRule
    let keys: [VerificationKey]
  }

  private struct Statement: Hashable {
    let holder: Digest
    let image: Digest
    let key: String
  }

  private struct State {
    var number: Int64 = -1
    var rules: [Realm: [CheckedRule]] = [:]
    var verdicts: [Key: [SignatureShortfall]] = [:]
    var statements: [Statement: Bool] = [:]

    mutating func follow(_ number: Int64) {
      guard number != self.number else { return }
      self.number = number
      rules = [:]
      verdicts = [:]
    }
  }

  private let state = Mutex(State())
  /// Rules of the server's configuration, for all realms.
  let configured = Mutex<[(name: String, rule: SignatureRule)]>([])
  private static let capacity = 16_384

  /// The rules of a realm. One whose keys cannot be read any more demands what nobody can give: it fails closed.
  func rules(
    of realm: Realm, asOf number: Int64?, _ read: () throws -> [(name: String, rule: SignatureRule)]
  ) throws -> [CheckedRule] {
    let known = state.withLock { state -> [CheckedRule]? in
      guard let number else { return nil }
      state.follow(number)
      return state.rules[realm]
    }
    if let known { return known }
    let rules = try read().map { CheckedRule(name: $0.name, rule: $0.rule, keys: (try? $0.rule.checked()) ?? []) }
    state.withLock { if $0.number == number { $0.rules[realm] = rules } }
    return rules
  }

  func verdict(_ key: Key, asOf number: Int64?) -> [SignatureShortfall]? {
    state.withLock { $0.number == number ? $0.verdicts[key] : nil }
  }

  func keep(_ shortfalls: [SignatureShortfall], _ key: Key, asOf number: Int64?) {
    state.withLock { state in
      guard state.number == number else { return }
      if state.verdicts.count >= Self.capacity { state.verdicts = [:] }
      state.verdicts[key] = shortfalls
    }
  }

  /// Those of the keys that signed `image` by the signatures in the manifest `holder`, which are read where that is not
  /// known yet.
  func signers(
    _ holder: Digest, _ image: Digest, _ keys: [VerificationKey], _ read: () throws -> [ImageSignature]
  ) throws -> Set<VerificationKey> {
    let known = state.withLock { state in
      keys.map { state.statements[Statement(holder: holder, image: image, key: $0.fingerprint)] }
    }
    if !known.contains(where: { $0 == nil }) {
      return Set(zip(keys, known).filter { $0.1 == true }.map(\.0))
    }
    let signatures = try read()
    let signers = keys.filter { key in signatures.contains { $0.isOf(image, by: key) } }
    state.withLock { state in
      if state.statements.count + keys.count > Self.capacity { state.statements = [:] }
      for key in keys where !signatures.isEmpty {
        state.statements[Statement(holder: holder, image: image, key: key.fingerprint)] = signers.contains(key)
      }
    }
    return Set(signers)
  }
}
