/// What a policy does to one image.
public struct LifecycleDecision: Hashable, Sendable {
  public let image: Int64
  public let rulePriority: Int
  public let action: LifecyclePolicy.Action
  /// The image that the rule matched: this one, or the subject that it follows.
  public let decisive: Int64
}

/// Finds the images that a policy acts on. (ECR, lifecycle policies, evaluation rules)
///
/// All rules look at all images, and count them whether or not another rule acts on them; then each image is acted on by
/// one rule or none: the first whose tags it matches. What an index lists cannot go before the index does. What is about
/// another image of the repository follows that image, and no rule sees it.
///
/// Images come newest first, each once. What is kept of them are those that a rule would act on and those that follow
/// others.
public struct LifecycleEvaluation: Sendable {
  private let policy: LifecyclePolicy
  private let now: Int64
  /// Images that each rule has identified so far.
  private var counts: [Int]
  private var candidates: [Candidate] = []
  private var archivedIndexes = Set<Int64>()

  private struct Candidate {
    let id: Int64
    /// Index of the rule that would act on it.
    let rule: Int?
    let isArchived: Bool
    let subject: Int64?
    let indexes: [Int64]
  }

  /// `now` is in milliseconds since 1970.
  public init(_ policy: LifecyclePolicy, now: Int64) {
    self.policy = policy
    self.now = now
    counts = Array(repeating: 0, count: policy.rules.count)
  }

  public mutating func add(_ image: LifecycleImage) {
    let isArchived = image.storageClass == .archive
    if isArchived, image.isIndex { archivedIndexes.insert(image.id) }
    let rule = image.subject == nil ? acting(on: image) : nil
    guard rule != nil || image.subject != nil else { return }
    candidates.append(
      Candidate(id: image.id, rule: rule, isArchived: isArchived, subject: image.subject, indexes: image.indexes))
  }

  private mutating func acting(on image: LifecycleImage) -> Int? {
    var first: Int?
    for (index, rule) in policy.rules.enumerated() where rule.identifies(image) {
      counts[index] += 1
      if first == nil { first = index }
    }
    guard let first else { return nil }
    if case .imageCountMoreThan(let limit) = policy.rules[first].criterion, counts[first] <= limit { return nil }
    return policy.rules[first].isDue(image, now: now) ? first : nil
  }

  /// What is to be done, in an order in which it can be done one by one: what lists or is about an image goes before
  /// that image.
  public func decisions() -> [LifecycleDecision] {
    let places = Dictionary(candidates.enumerated().map { ($1.id, $0) }) { first, _ in first }
    var fates = marks(places)
    // What may not go holds others: until nothing more has to be taken back. An index that is about an image that it
    // lists goes with it.
    var dependents: [Int: [Int]] = [:]
    for (place, candidate) in candidates.enumerated() where fates[place] != nil {
      for other in candidate.indexes + (candidate.subject.map { [$0] } ?? []) {
        if let other = places[other] { dependents[other, default: []].append(place) }
      }
    }
    var open = Array(candidates.indices)
    while let place = open.popLast() {
      guard let fate = fates[place] else { continue }
      let isFree = isFree(candidates[place], fate.action) { id in places[id].flatMap { fates[$0]?.action } }
      if !isFree {
        fates[place] = nil
        open += dependents[place] ?? []
      }
    }
    return ordered(fates, places)
  }

  /// What the rules say of each candidate, or of the subject that it follows.
  private func marks(_ places: [Int64: Int]) -> [LifecycleDecision?] {
    var fates = [LifecycleDecision?](repeating: nil, count: candidates.count)
    postOrder(candidates.count) { place in
      candidates[place].subject.flatMap { places[$0] }.map { [$0] } ?? []
    } visit: { place in
      let candidate = candidates[place]
      if let subject = candidate.subject {
        fates[place] = places[subject].flatMap { fates[$0] }.map { leader in
          LifecycleDecision(
            image: candidate.id, rulePriority: leader.rulePriority, action: leader.action, decisive: leader.decisive)
        }
      } else if let rule = candidate.rule {
        fates[place] = LifecycleDecision(
          image: candidate.id, rulePriority: policy.rules[rule].priority, action: policy.rules[rule].action,
          decisive: candidate.id)
      }
    }
    for (place, candidate) in candidates.enumerated() where candidate.isArchived && fates[place]?.action == .archive {
      fates[place] = nil
    }
    return fates
  }

  /// Whether neither an index nor a subject that stays holds an image back.
  private func isFree(
    _ candidate: Candidate, _ action: LifecyclePolicy.Action, _ fate: (Int64) -> LifecyclePolicy.Action?
  ) -> Bool {
    if let subject = candidate.subject, fate(subject) == nil { return false }
    return candidate.indexes.allSatisfy { index in
      switch action {
      case .expire: fate(index) == .expire
      case .archive: fate(index) != nil || archivedIndexes.contains(index)
      }
    }
  }

  private func ordered(_ fates: [LifecycleDecision?], _ places: [Int64: Int]) -> [LifecycleDecision] {
    var referrers: [Int: [Int]] = [:]
    for (place, candidate) in candidates.enumerated() where fates[place] != nil {
      if let subject = candidate.subject.flatMap({ places[$0] }) { referrers[subject, default: []].append(place) }
    }
    var decisions: [LifecycleDecision] = []
    postOrder(candidates.count) { place in
      candidates[place].indexes.compactMap { places[$0] } + (referrers[place] ?? [])
    } visit: { place in
      if let fate = fates[place] { decisions.append(fate) }
    }
    return decisions
  }
}

/// Visits each node after those that it depends on. Of a circle, which no images can form but a database may, each is
/// visited once all the same.
private func postOrder(_ count: Int, dependencies: (Int) -> [Int], visit: (Int) -> Void) {
  var seen = [Bool](repeating: false, count: count)
  // Not by recursion: indexes nest as deep as somebody cared to push.
  var stack: [(node: Int, rest: ArraySlice<Int>)] = []
  for start in 0..<count where !seen[start] {
    seen[start] = true
    stack.append((start, dependencies(start)[...]))
    while let last = stack.indices.last {
      if let next = stack[last].rest.popFirst() {
        if seen[next] { continue }
        seen[next] = true
        stack.append((next, dependencies(next)[...]))
      } else {
        visit(stack.removeLast().node)
      }
    }
  }
}
