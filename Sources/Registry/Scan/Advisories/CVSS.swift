internal import Glibc

/// A vector of the Common Vulnerability Scoring System and its base score. (FIRST, CVSS v2.0, v3.1 and v4.0)
public struct CVSS: Hashable, Sendable {
  public enum Version: String, Hashable, Sendable { case v2 = "2.0", v3 = "3.1", v4 = "4.0" }

  public let version: Version
  public let vector: String
  /// 0 to 10, in tenths.
  public let score: Double

  public var severity: Severity { Severity(score: score, version: version) }

  /// nil where a metric of the base is missing or has a value that it cannot have.
  public init?(vector: String) {
    guard vector.utf8.count <= 512 else { return nil }
    var fields = vector.split(separator: "/", omittingEmptySubsequences: false).map { $0.split(separator: ":") }
    switch fields.first?.first {
    case "CVSS":
      switch fields.removeFirst().last {
      case "4.0": version = .v4
      case "3.0", "3.1": version = .v3
      default: return nil
      }
    default: version = .v2
    }
    var metrics: [String: Character] = [:]
    for field in fields {
      guard field.count == 2, let value = field[1].first, metrics.updateValue(value, forKey: String(field[0])) == nil else {
        return nil
      }
    }
    let score: Double? =
      switch version {
      case .v2: CVSS2.score(metrics)
      case .v3: CVSS3.score(metrics)
      case .v4: CVSS4.score(metrics)
      }
    guard let score else { return nil }
    self.score = score
    self.vector = vector
  }
}

/// The numbers of metrics' values; nil where one is missing.
private func weights(_ metrics: [String: Character], _ table: [(String, [Character: Double])]) -> [Double]? {
  var weights: [Double] = []
  for (name, values) in table {
    guard let value = metrics[name], let weight = values[value] else { return nil }
    weights.append(weight)
  }
  return weights
}

/// (CVSS v2.0, 3.2.1)
private enum CVSS2 {
  static func score(_ metrics: [String: Character]) -> Double? {
    let impacts: [Character: Double] = ["N": 0, "P": 0.275, "C": 0.66]
    guard
      let found = weights(
        metrics,
        [
          ("AV", ["L": 0.395, "A": 0.646, "N": 1]), ("AC", ["H": 0.35, "M": 0.61, "L": 0.71]),
          ("Au", ["M": 0.45, "S": 0.56, "N": 0.704]), ("C", impacts), ("I", impacts), ("A", impacts),
        ])
    else { return nil }
    let impact = 10.41 * (1 - (1 - found[3]) * (1 - found[4]) * (1 - found[5]))
    let exploitability = 20 * found[0] * found[1] * found[2]
    let score = (0.6 * impact + 0.4 * exploitability - 1.5) * (impact == 0 ? 0 : 1.176)
    return (score * 10).rounded() / 10
  }
}

/// (CVSS v3.1, 7.1 and appendix A)
private enum CVSS3 {
  static func score(_ metrics: [String: Character]) -> Double? {
    let impacts: [Character: Double] = ["N": 0, "L": 0.22, "H": 0.56]
    guard let scope = metrics["S"], scope == "U" || scope == "C" else { return nil }
    let isChanged = scope == "C"
    guard
      let found = weights(
        metrics,
        [
          ("AV", ["N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2]), ("AC", ["L": 0.77, "H": 0.44]),
          ("PR", isChanged ? ["N": 0.85, "L": 0.68, "H": 0.5] : ["N": 0.85, "L": 0.62, "H": 0.27]),
          ("UI", ["N": 0.85, "R": 0.62]), ("C", impacts), ("I", impacts), ("A", impacts),
        ])
    else { return nil }
    let base = 1 - (1 - found[4]) * (1 - found[5]) * (1 - found[6])
    let impact = isChanged ? 7.52 * (base - 0.029) - 3.25 * pow(base - 0.02, 15) : 6.42 * base
    guard impact > 0 else { return 0 }
    let exploitability = 8.22 * found[0] * found[1] * found[2] * found[3]
    return roundedUp(min((impact + exploitability) * (isChanged ? 1.08 : 1), 10))
  }

  /// To the next tenth, but for what floating point adds.
  private static func roundedUp(_ value: Double) -> Double {
    let parts = Int((value * 100_000).rounded())
    return parts % 10_000 == 0 ? Double(parts) / 100_000 : Double(parts / 10_000 + 1) / 10
  }
}

/// The base metrics alone: exploits are taken as likely, requirements as high. (CVSS v4.0, 8)
private enum CVSS4 {
  /// Distances of the values from the worst, in the order of the equivalence classes' metrics.
  private static let levels: [(String, [Character: Int])] = [
    ("AV", ["N": 0, "A": 1, "L": 2, "P": 3]), ("PR", ["N": 0, "L": 1, "H": 2]), ("UI", ["N": 0, "P": 1, "A": 2]),
    ("AC", ["L": 0, "H": 1]), ("AT", ["N": 0, "P": 1]), ("VC", impact), ("VI", impact), ("VA", impact), ("SC", impact),
    ("SI", impact), ("SA", impact),
  ]
  private static let impact: [Character: Int] = ["H": 0, "L": 1, "N": 2]

  /// The worst vectors of each class, as distances.
  private static let worstOfFirst = [[[0, 0, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[3, 0, 0], [1, 1, 1]]]
  private static let worstOfSecond = [[[0, 0]], [[1, 0], [0, 1]]]
  private static let worstOfThird = [[[0, 0, 0]], [[1, 0, 0], [0, 1, 0]], [[1, 1, 1]]]
  private static let worstOfFourth = [[[0, 0, 0]], [[1, 1, 1]]]
  private static let depths = (first: [1.0, 4, 5], second: [1.0, 2], third: [7.0, 8, 10], fourth: [5.0, 4])

  /// Scores of the classes in tenths: for the first two, then for the fourth, then for the third with the sixth as
  /// (0,0), (0,1), (1,0), (1,1), (2,1). (CVSS v4.0, 8.3, the lookup of MacroVectors with EQ5 = 0)
  private static let scores: [[[[Int]]]] = [
    [[[100, 96, 93, 92, 79], [93, 90, 88, 80, 69]], [[95, 91, 92, 82, 71], [92, 81, 84, 70, 63]]],
    [[[94, 89, 86, 76, 65], [87, 75, 72, 57, 53]], [[90, 77, 74, 59, 58], [77, 66, 61, 52, 23]]],
    [[[86, 74, 72, 57, 47], [70, 54, 53, 36, 24]], [[73, 55, 61, 51, 24], [54, 43, 46, 18, 10]]],
  ]

  static func score(_ metrics: [String: Character]) -> Double? {
    var levels: [Int] = []
    for (name, values) in Self.levels {
      guard let value = metrics[name], let level = values[value] else { return nil }
      levels.append(level)
    }
    if levels[5...].allSatisfy({ $0 == 2 }) { return 0 }
    let none = levels[..<3].filter { $0 == 0 }.count
    let first = none == 3 ? 0 : none > 0 && levels[0] != 3 ? 1 : 2
    let second = levels[3] == 0 && levels[4] == 0 ? 0 : 1
    let third = levels[5] == 0 && levels[6] == 0 ? 0 : levels[5...7].contains(0) ? 1 : 2
    let fourth = levels[8...].contains(0) ? 0 : 1
    func value(_ first: Int, _ second: Int, _ third: Int, _ fourth: Int) -> Double? {
      guard first < 3, second < 2, third < 5, fourth < 2 else { return nil }
      return Double(scores[first][second][fourth][third]) / 10
    }
    // Among these, the sixth class follows from the third.
    let column = [0, 2, 4][third]
    guard let start = value(first, second, column, fourth) else { return nil }
    let below = third == 0 ? max(value(first, second, 1, fourth) ?? 0, value(first, second, 2, fourth) ?? 0)
      : third == 1 ? value(first, second, 3, fourth) : nil
    let steps: [(lower: Double?, distance: Int, depth: Double)] = [
      (value(first + 1, second, column, fourth), distance(levels[0..<3], worstOfFirst[first]), depths.first[first]),
      (value(first, second + 1, column, fourth), distance(levels[3..<5], worstOfSecond[second]), depths.second[second]),
      (below, distance(levels[5..<8], worstOfThird[third]), depths.third[third]),
      (value(first, second, column, fourth + 1), distance(levels[8...], worstOfFourth[fourth]), depths.fourth[fourth]),
    ]
    let existing = steps.filter { $0.lower != nil }
    let total = existing.reduce(0) { $0 + (start - ($1.lower ?? start)) * Double($1.distance) / $1.depth }
    // The fifth class always has a lower one, at no distance.
    let score = min(max(start - total / Double(existing.count + 1), 0), 10)
    return ((score + 1e-6) * 10).rounded() / 10
  }

  /// From the first of the worst vectors that is nowhere better.
  private static func distance(_ levels: ArraySlice<Int>, _ worst: [[Int]]) -> Int {
    let found = worst.first { zip(levels, $0).allSatisfy { $0 >= $1 } } ?? worst[worst.count - 1]
    return zip(levels, found).reduce(0) { $0 + $1.0 - $1.1 }
  }
}
