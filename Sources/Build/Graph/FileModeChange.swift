/// What `--chmod` says: an octal mode, or symbolic changes of the mode that a file has. (chmod(1))
public enum FileModeChange: Hashable, Sendable {
  case octal(UInt32)
  case symbolic([Clause])

  public struct Clause: Hashable, Sendable {
    enum Operator: UInt8 { case add, remove, set }

    /// Bits of u, g and o that it is about.
    var who: UInt32
    var op: Operator
    var permissions: UInt32
    /// `X`: x for directories, and for files that have one.
    var conditionalExecute: Bool
  }

  /// nil where the text is neither.
  public init?(_ text: String) {
    if !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x37).contains($0) }) {
      guard let mode = UInt32(text, radix: 8), mode <= 0o7777 else { return nil }
      self = .octal(mode)
      return
    }
    var clauses: [Clause] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let parsed = Self.clauses(part) else { return nil }
      clauses += parsed
    }
    self = .symbolic(clauses)
  }

  private static func clauses(_ text: Substring) -> [Clause]? {
    var rest = text.utf8[...]
    var who: UInt32 = 0
    while let byte = rest.first {
      switch byte {
      case UInt8(ascii: "u"): who |= 0o4700
      case UInt8(ascii: "g"): who |= 0o2070
      case UInt8(ascii: "o"): who |= 0o1007
      case UInt8(ascii: "a"): who |= 0o7777
      default:
        if who == 0 { who = 0o7777 }
        return actions(rest, who)
      }
      rest = rest.dropFirst()
    }
    return nil
  }

  private static func actions(_ text: Substring.UTF8View, _ who: UInt32) -> [Clause]? {
    var clauses: [Clause] = []
    for byte in text {
      switch byte {
      case UInt8(ascii: "+"): clauses.append(Clause(who: who, op: .add, permissions: 0, conditionalExecute: false))
      case UInt8(ascii: "-"): clauses.append(Clause(who: who, op: .remove, permissions: 0, conditionalExecute: false))
      case UInt8(ascii: "="): clauses.append(Clause(who: who, op: .set, permissions: 0, conditionalExecute: false))
      default:
        guard !clauses.isEmpty else { return nil }
        switch byte {
        case UInt8(ascii: "r"): clauses[clauses.count - 1].permissions |= 0o444
        case UInt8(ascii: "w"): clauses[clauses.count - 1].permissions |= 0o222
        case UInt8(ascii: "x"): clauses[clauses.count - 1].permissions |= 0o111
        case UInt8(ascii: "X"): clauses[clauses.count - 1].conditionalExecute = true
        case UInt8(ascii: "s"): clauses[clauses.count - 1].permissions |= 0o6000
        case UInt8(ascii: "t"): clauses[clauses.count - 1].permissions |= 0o1000
        default: return nil
        }
      }
    }
    return clauses.isEmpty ? nil : clauses
  }

  /// The permission bits of a file that had `mode`.
  public func applied(to mode: UInt32, isDirectory: Bool) -> UInt32 {
    switch self {
    case .octal(let octal): return octal
    case .symbolic(let clauses):
      var mode = mode & 0o7777
      for clause in clauses {
        var bits = clause.permissions
        if clause.conditionalExecute, isDirectory || mode & 0o111 != 0 { bits |= 0o111 }
        bits &= clause.who
        switch clause.op {
        case .add: mode |= bits
        case .remove: mode &= ~bits
        // A directory keeps set-user-ID and set-group-ID that nobody named, as chmod(1) does.
        case .set: mode = mode & ~(clause.who & (isDirectory ? 0o1777 : 0o7777)) | bits
        }
      }
      return mode
    }
  }

  /// For the cache key: the same for spellings of one mode only where that is plain.
  var keyText: String {
    switch self {
    case .octal(let mode): String(mode, radix: 8)
    case .symbolic(let clauses):
      clauses.map { "\($0.who) \($0.op) \($0.permissions) \($0.conditionalExecute)" }.joined(separator: ",")
    }
  }
}
