/// A regular expression as service models write them, matched against the whole of a text.
///
/// Time grows with the product of both lengths at most: some of these patterns would keep an engine that backtracks busy
/// for years. It knows what the models use: literals, classes, `\w \d`, groups, `|`, `? * +` and `{m,n}`; `^` and `$`
/// say what holds anyway.
struct Pattern: Sendable {
  let source: String
  private let states: [State]

  private enum State: Sendable {
    case match
    case character(CharacterSet, next: Int)
    case split(Int, Int)
  }

  private struct CharacterSet: Sendable {
    var ranges: [ClosedRange<Unicode.Scalar>] = []
    func contains(_ scalar: Unicode.Scalar) -> Bool { ranges.contains { $0.contains(scalar) } }
  }

  private indirect enum Tree {
    case empty
    case characters(CharacterSet)
    case sequence([Tree])
    case choice([Tree])
    case repeated(Tree, least: Int, most: Int?)
  }

  init(parsing source: String) {
    self.source = source
    var parser = Parser(Array(source.unicodeScalars))
    let tree = parser.choice()
    var builder = Builder()
    let start = builder.add(tree, next: 0)
    // A split that leads nowhere else marks where to begin.
    builder.states.append(.split(start, start))
    states = builder.states
  }

  func matches(_ text: String) -> Bool {
    var current = Set<Int>()
    var stack: [Int] = []
    follow(states.count - 1, &current, &stack)
    for scalar in text.unicodeScalars {
      var next = Set<Int>()
      for index in current {
        if case .character(let set, let target) = states[index], set.contains(scalar) { follow(target, &next, &stack) }
      }
      if next.isEmpty { return false }
      current = next
    }
    return current.contains(0)
  }

  private func follow(_ start: Int, _ reached: inout Set<Int>, _ stack: inout [Int]) {
    stack.append(start)
    while let index = stack.popLast() {
      guard reached.insert(index).inserted else { continue }
      if case .split(let left, let right) = states[index] { stack += [left, right] }
    }
  }

  private struct Builder {
    var states: [State] = [.match]

    /// States that match `tree` and then go on at `next`; returns the first of them.
    mutating func add(_ tree: Tree, next: Int) -> Int {
      switch tree {
      case .empty: return next
      case .characters(let set):
        states.append(.character(set, next: next))
        return states.count - 1
      case .sequence(let parts): return parts.reversed().reduce(next) { add($1, next: $0) }
      case .choice(let parts):
        return parts.dropLast().reversed().reduce(add(parts.last ?? .empty, next: next)) { other, part in
          let first = add(part, next: next)
          states.append(.split(first, other))
          return states.count - 1
        }
      case .repeated(let part, let least, let most):
        var after = next
        if let most {
          for _ in least..<max(least, most) {
            let first = add(part, next: after)
            states.append(.split(first, next))
            after = states.count - 1
          }
        } else {
          states.append(.split(next, next))
          let loop = states.count - 1
          let first = add(part, next: loop)
          states[loop] = .split(first, next)
          after = loop
        }
        return (0..<least).reduce(after) { target, _ in add(part, next: target) }
      }
    }
  }

  private struct Parser {
    let scalars: [Unicode.Scalar]
    var index = 0

    init(_ scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var peek: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard peek == scalar else { return false }
      index += 1
      return true
    }

    mutating func choice() -> Tree {
      var parts = [sequence()]
      while take("|") { parts.append(sequence()) }
      return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() -> Tree {
      var parts: [Tree] = []
      while let next = peek, next != "|", next != ")" {
        if let part = item() { parts.append(quantified(part)) }
      }
      return parts.isEmpty ? .empty : .sequence(parts)
    }

    /// nil for what matches no character.
    private mutating func item() -> Tree? {
      let scalar = scalars[index]
      index += 1
      switch scalar {
      case "^", "$": return nil
      case "(":
        if take("?") { _ = take(":") }
        let inner = choice()
        _ = take(")")
        return inner
      case "[": return .characters(characterClass())
      case ".": return .characters(CharacterSet(ranges: ["\u{0}"..."\u{10FFFF}"]))
      case "\\": return .characters(escape())
      default: return .characters(CharacterSet(ranges: [scalar...scalar]))
      }
    }

    private mutating func quantified(_ part: Tree) -> Tree {
      if take("?") { return .repeated(part, least: 0, most: 1) }
      if take("*") { return .repeated(part, least: 0, most: nil) }
      if take("+") { return .repeated(part, least: 1, most: nil) }
      guard take("{") else { return part }
      let least = number() ?? 0
      let most = take(",") ? number() : least
      _ = take("}")
      return .repeated(part, least: least, most: most)
    }

    private mutating func number() -> Int? {
      var value: Int?
      while let digit = peek, ("0"..."9").contains(digit) {
        value = (value ?? 0) * 10 + Int(digit.value - 48)
        index += 1
      }
      return value
    }

    private mutating func escape() -> CharacterSet {
      let scalar = scalars[index]
      index += 1
      return switch scalar {
      case "w": CharacterSet(ranges: ["a"..."z", "A"..."Z", "0"..."9", "_"..."_"])
      case "d": CharacterSet(ranges: ["0"..."9"])
      default: CharacterSet(ranges: [scalar...scalar])
      }
    }

    private mutating func characterClass() -> CharacterSet {
      var set = CharacterSet()
      while let scalar = peek, !take("]") {
        index += 1
        if scalar == "\\" {
          set.ranges += escape().ranges
        } else if peek == "-", index + 1 < scalars.count, scalars[index + 1] != "]" {
          set.ranges.append(scalar...scalars[index + 1])
          index += 2
        } else {
          set.ranges.append(scalar...scalar)
        }
      }
      return set
    }
  }
}
