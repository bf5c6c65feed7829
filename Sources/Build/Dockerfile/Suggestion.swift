/// The candidate that differs least from `name`, where it is near enough to be meant.
public func nearestName(_ name: String, _ candidates: some Sequence<String>) -> String? {
  let name = Array(name.lowercased().utf8.prefix(64))
  var best: (candidate: String, distance: Int)?
  for candidate in candidates {
    let distance = editDistance(name, Array(candidate.lowercased().utf8))
    if distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  guard let best, best.distance <= max(1, min(3, name.count / 2)) else { return nil }
  return best.candidate
}

/// Insertions, removals, replacements and swaps of neighbours.
private func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var before: [Int] = []
  var previous = Array(0...right.count)
  for i in 0..<left.count {
    var current = [i + 1]
    for j in 0..<right.count {
      var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (left[i] == right[j] ? 0 : 1))
      if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { cost = min(cost, before[j - 1] + 1) }
      current.append(cost)
    }
    (before, previous) = (previous, current)
  }
  return previous[right.count]
}
