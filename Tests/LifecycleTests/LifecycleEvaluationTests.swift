import Testing

@testable import Lifecycle

private let day: Int64 = 86_400_000
private let now: Int64 = 1_800_000_000_000

private func rule(
  _ priority: Int, _ tags: LifecyclePolicy.Tags, _ criterion: LifecyclePolicy.Criterion,
  _ action: LifecyclePolicy.Action = .expire, of storageClass: StorageClass = .standard
) -> LifecyclePolicy.Rule {
  .init(
    priority: priority, description: nil, tags: tags, storageClass: storageClass, criterion: criterion, action: action)
}

private func tagged(_ patterns: String...) -> LifecyclePolicy.Tags { .all(patterns.map { TagPattern($0) }) }

private func image(_ id: Int64, _ tags: [String] = [], days: Int64 = 0) -> LifecycleImage {
  LifecycleImage(id: id, tags: tags, pushed: now - days * day)
}

/// IDs that are acted upon, with the priority of the rule. Images are given newest first.
private func evaluate(_ rules: [LifecyclePolicy.Rule], _ images: [LifecycleImage]) -> [Int64: Int] {
  var evaluation = LifecycleEvaluation(LifecyclePolicy(rules: rules), now: now)
  for image in images { evaluation.add(image) }
  return Dictionary(uniqueKeysWithValues: evaluation.decisions().map { ($0.image, $0.rulePriority) })
}

/// The cases that Amazon ECR's documentation reasons through, and what it leaves to the reader.
@Suite struct LifecycleEvaluationTests {
  @Test func keepsTheNewestOfACount() {
    let images = [image(3, days: 1), image(2, days: 2), image(1, days: 3)]
    #expect(evaluate([rule(1, .untagged, .imageCountMoreThan(1))], images) == [2: 1, 1: 1])
    #expect(evaluate([rule(1, .untagged, .imageCountMoreThan(3))], images) == [:])
  }

  @Test func actsOnWhatIsOldEnough() {
    let images = [image(3, ["prod-3"], days: 13), image(2, ["prod-2"], days: 14), image(1, ["prod-1"], days: 15)]
    #expect(evaluate([rule(7, tagged("prod*"), .sinceImagePushed(days: 14))], images) == [2: 7, 1: 7])
  }

  @Test func aRuleShieldsWhatItsTagsMatchFromLaterRules() {
    let images = [
      image(3, ["beta-3"], days: 8), image(2, ["beta-2", "prod-2"], days: 9), image(1, ["beta-1", "prod-1"], days: 10),
    ]
    let (prod, beta) = (tagged("prod*"), tagged("beta*"))
    // B is over the count of the second rule, and the first rule wants to keep it.
    #expect(evaluate([rule(1, prod, .imageCountMoreThan(1)), rule(2, beta, .imageCountMoreThan(1))], images) == [1: 1])
    #expect(
      evaluate([rule(1, beta, .imageCountMoreThan(1)), rule(2, prod, .imageCountMoreThan(1))], images) == [2: 1, 1: 1])
  }

  @Test func aRuleOfAllImagesCountsThoseThatOthersActOn() {
    let images = [
      image(4, ["alpha-2"], days: 1), image(3, days: 2), image(2, ["beta-1"], days: 3), image(1, ["alpha-1"], days: 4),
    ]
    let all = rule(2, .any, .imageCountMoreThan(1))
    #expect(evaluate([rule(1, tagged("alpha*"), .imageCountMoreThan(1)), all], images) == [1: 1, 2: 2, 3: 2])
    #expect(evaluate([rule(1, tagged("alpha*"), .sinceImagePushed(days: 5)), all], images) == [2: 2, 3: 2])
  }

  @Test func everyPatternHasToMatchSomeTag() {
    let images = [
      image(5, ["alpha-4", "beta-3"], days: 3), image(4, ["alpha-3"], days: 4),
      image(3, ["alpha-2", "beta-2"], days: 10),
      image(2, ["beta-1"], days: 11), image(1, ["alpha-1"], days: 12),
    ]
    #expect(evaluate([rule(1, tagged("alpha*", "beta*"), .sinceImagePushed(days: 5))], images) == [3: 1])
  }

  @Test func whatAnIndexListsStaysWhileTheIndexDoes() {
    let index = LifecycleImage(id: 3, tags: ["v1"], pushed: now, isIndex: true)
    let members = [2, 1].map { LifecycleImage(id: $0, pushed: now - 30 * day, indexes: [3]) }
    let untagged = rule(1, .untagged, .sinceImagePushed(days: 1))
    #expect(evaluate([untagged], [index] + members) == [:])
    let old = LifecycleImage(id: 3, tags: ["v1"], pushed: now - 30 * day, isIndex: true)
    #expect(evaluate([untagged, rule(2, .any, .sinceImagePushed(days: 7))], [old] + members) == [3: 2, 2: 1, 1: 1])
    // Of two indexes, one stays.
    var shared = members[0]
    shared.indexes = [3, 4]
    let other = LifecycleImage(id: 4, tags: ["v2"], pushed: now, isIndex: true)
    #expect(
      evaluate([untagged, rule(2, .any, .sinceImagePushed(days: 7))], [other, old, shared, members[1]]) == [3: 2, 1: 1])
  }

  @Test func whatAnIndexListsIsArchivedOnlyWithIt() {
    let archivedIndex = LifecycleImage(
      id: 3, tags: ["v1"], pushed: now - 30 * day, storageClass: .archive, archived: now - day, isIndex: true)
    let activeIndex = LifecycleImage(id: 3, tags: ["v1"], pushed: now - 30 * day, isIndex: true)
    let member = LifecycleImage(id: 2, pushed: now - 30 * day, indexes: [3])
    let transition = rule(1, .untagged, .sinceImagePushed(days: 1), .archive)
    #expect(evaluate([transition], [archivedIndex, member]) == [2: 1])
    #expect(evaluate([transition], [activeIndex, member]) == [:])
    // An archived index would still be restored with its members.
    #expect(evaluate([rule(1, .untagged, .sinceImagePushed(days: 1))], [archivedIndex, member]) == [:])
  }

  @Test func referrersFollowTheirSubject() {
    let signature = LifecycleImage(id: 9, pushed: now, subject: 1)
    let signatureOfThat = LifecycleImage(id: 8, tags: ["x"], pushed: now - 90 * day, subject: 9)
    let subject = image(1, ["v1"], days: 30)
    let images = [signature, subject, signatureOfThat]
    // They are not counted, and no rule of their own touches them.
    #expect(
      evaluate([rule(1, .untagged, .imageCountMoreThan(1)), rule(2, .any, .sinceImagePushed(days: 60))], images) == [:])
    #expect(evaluate([rule(1, .any, .imageCountMoreThan(1))], images) == [:])
    #expect(evaluate([rule(5, tagged("v*"), .sinceImagePushed(days: 7))], images) == [1: 5, 9: 5, 8: 5])
    // One whose subject is not in the repository is an image like others.
    #expect(evaluate([rule(1, .any, .sinceImagePushed(days: 60))], [image(8, ["x"], days: 90)]) == [8: 1])
  }

  @Test func anIndexAboutWhatItListsGoesWithIt() {
    let index = LifecycleImage(id: 2, pushed: now, isIndex: true, subject: 1)
    var member = image(1, ["v1"], days: 30)
    member.indexes = [2]
    #expect(evaluate([rule(1, tagged("v*"), .sinceImagePushed(days: 7))], [index, member]) == [2: 1, 1: 1])
    #expect(evaluate([rule(1, tagged("v*"), .sinceImagePushed(days: 31))], [index, member]) == [:])
  }

  @Test func goesByRestorationWhereAnImageWasRestored() {
    var restored = image(1, ["v1"], days: 100)
    restored.archived = now - 50 * day
    restored.activated = now - 2 * day
    #expect(evaluate([rule(1, .any, .sinceImagePushed(days: 7))], [restored]) == [:])
    #expect(evaluate([rule(1, .any, .sinceImagePushed(days: 2))], [restored]) == [1: 1])
    // It was pulled before it was archived.
    restored.pulled = now - 60 * day
    #expect(evaluate([rule(1, .any, .sinceImagePulled(days: 30), .archive)], [restored]) == [:])
  }

  @Test func goesByThePushWhereNobodyPulled() {
    let transition = rule(1, .any, .sinceImagePulled(days: 30), .archive)
    var pulled = image(2, days: 90)
    pulled.pulled = now - 3 * day
    #expect(evaluate([transition], [pulled, image(1, days: 31), image(3, days: 29)]) == [1: 1])
    pulled.pulled = now - 30 * day
    #expect(evaluate([transition], [pulled]) == [2: 1])
  }

  @Test func expiresWhatIsInTheArchiveForLongEnough() {
    func archived(_ id: Int64, days: Int64) -> LifecycleImage {
      LifecycleImage(id: id, pushed: now - 900 * day, storageClass: .archive, archived: now - days * day)
    }
    let rules = [
      rule(1, .any, .sinceImagePushed(days: 1)),
      rule(2, .any, .sinceImageTransitioned(days: 90), of: .archive),
    ]
    #expect(evaluate(rules, [archived(1, days: 89), archived(2, days: 90), image(3, days: 5)]) == [2: 2, 3: 1])
  }

  @Test func aDecisionHoldsWhileTheImageIsAsItWas() throws {
    let policy = LifecyclePolicy(rules: [
      rule(1, tagged("keep*"), .imageCountMoreThan(100)), rule(2, .any, .sinceImagePulled(days: 30), .archive),
    ])
    let old = image(1, ["v1"], days: 40)
    var evaluation = LifecycleEvaluation(policy, now: now)
    evaluation.add(old)
    let decision = try #require(evaluation.decisions().first)
    #expect(policy.stillHolds(decision, of: old, now: now))
    var changed = old
    changed.tags.append("keep-this")
    #expect(!policy.stillHolds(decision, of: changed, now: now))
    changed = old
    changed.pulled = now + 5
    #expect(!policy.stillHolds(decision, of: changed, now: now))
    changed = old
    changed.storageClass = .archive
    #expect(!policy.stillHolds(decision, of: changed, now: now))
    changed = old
    changed.activated = now + 5
    #expect(!policy.stillHolds(decision, of: changed, now: now))
  }

  @Test func indexesNestAsDeepAsTheyLike() {
    let depth: Int64 = 100_000
    var evaluation = LifecycleEvaluation(
      LifecyclePolicy(rules: [rule(1, .any, .sinceImagePushed(days: 1))]), now: now)
    // Oldest first is not how images come; it makes the chain as long as can be.
    for id in 1...depth {
      evaluation.add(
        LifecycleImage(
          id: id, pushed: now - 9 * day, isIndex: true, indexes: id == depth ? [] : [id + 1]))
    }
    #expect(evaluation.decisions().count == Int(depth))
  }
}

/// Against an evaluator that follows the rules word by word, with no thought of time or memory.
@Suite struct LifecycleEvaluationPropertyTests {
  @Test(arguments: 0..<2000) func agreesWithTheReference(_ seed: UInt64) {
    var random = SplitMix(state: seed)
    let rules = random.rules()
    let images = random.images()
    var evaluation = LifecycleEvaluation(LifecyclePolicy(rules: rules), now: now)
    for image in images { evaluation.add(image) }
    let decisions = evaluation.decisions()
    let expected = Reference(rules: rules, images: images).outcome()
    #expect(Dictionary(uniqueKeysWithValues: decisions.map { ($0.image, $0) }) == expected)

    // Naming goes before named.
    let place = Dictionary(uniqueKeysWithValues: decisions.enumerated().map { ($1.image, $0) })
    for image in images {
      guard let own = place[image.id] else { continue }
      for index in image.indexes { if let other = place[index] { #expect(other < own) } }
      if let subject = image.subject.flatMap({ place[$0] }) { #expect(own < subject) }
    }
  }

  struct Reference {
    let rules: [LifecyclePolicy.Rule]
    let images: [LifecycleImage]

    func outcome() -> [Int64: LifecycleDecision] {
      let byID = Dictionary(uniqueKeysWithValues: images.map { ($0.id, $0) })
      var marked: [Int64: LifecycleDecision] = [:]
      var seen = Set<Int64>()
      for rule in rules {
        let identified = images.filter {
          $0.subject == nil && $0.storageClass == rule.storageClass && matches(rule.tags, $0.tags)
        }
        let due = Set(due(rule, identified).map(\.id))
        for image in identified where seen.insert(image.id).inserted && due.contains(image.id) {
          marked[image.id] = LifecycleDecision(
            image: image.id, rulePriority: rule.priority, action: rule.action, decisive: image.id)
        }
      }
      for image in images where image.subject != nil {
        var leader = image
        while let subject = leader.subject.flatMap({ byID[$0] }) { leader = subject }
        guard let mark = marked[leader.id], !(mark.action == .archive && image.storageClass == .archive) else {
          continue
        }
        marked[image.id] = LifecycleDecision(
          image: image.id, rulePriority: mark.rulePriority, action: mark.action, decisive: leader.id)
      }
      // What may not go is taken out until nothing more has to be.
      var isStable = false
      while !isStable {
        isStable = true
        for image in images {
          guard let mark = marked[image.id] else { continue }
          let isHeld = image.indexes.contains { index in
            mark.action == .expire
              ? marked[index]?.action != .expire : marked[index] == nil && byID[index]?.storageClass != .archive
          }
          if isHeld || image.subject.map({ marked[$0] == nil }) ?? false {
            marked[image.id] = nil
            isStable = false
          }
        }
      }
      return marked
    }

    private func due(_ rule: LifecyclePolicy.Rule, _ images: [LifecycleImage]) -> [LifecycleImage] {
      func age(_ time: Int64?) -> Int64 { (now - (time ?? now)) / day }
      return switch rule.criterion {
      case .imageCountMoreThan(let count): Array(images.dropFirst(count))
      case .sinceImagePushed(let days): images.filter { age($0.activated ?? $0.pushed) >= days }
      case .sinceImagePulled(let days):
        images.filter { age([$0.pulled, $0.activated ?? $0.pushed].compactMap { $0 }.max()) >= days }
      case .sinceImageTransitioned(let days): images.filter { age($0.archived) >= days }
      }
    }

    private func matches(_ rule: LifecyclePolicy.Tags, _ tags: [String]) -> Bool {
      switch rule {
      case .any: true
      case .untagged: tags.isEmpty
      case .all(let patterns):
        patterns.allSatisfy { pattern in tags.contains { matches(Array(pattern.text)[...], Array($0)[...]) } }
      }
    }

    private func matches(_ pattern: ArraySlice<Character>, _ text: ArraySlice<Character>) -> Bool {
      guard let first = pattern.first else { return text.isEmpty }
      if first == "*" {
        return matches(pattern.dropFirst(), text) || (!text.isEmpty && matches(pattern, text.dropFirst()))
      }
      return text.first == first && matches(pattern.dropFirst(), text.dropFirst())
    }
  }
}

/// Random numbers that are the same in each run. (Steele, Lea, Flood: Fast splittable pseudorandom number generators)
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

  private mutating func text(_ alphabet: String, _ length: ClosedRange<Int>) -> String {
    let count = Int.random(in: length, using: &self)
    return String((0..<count).map { _ in alphabet.randomElement(using: &self) ?? "a" })
  }

  mutating func rules() -> [LifecyclePolicy.Rule] {
    (1...Int.random(in: 1...6, using: &self)).map { index in
      let isArchive = chance(20)
      let days = Int.random(in: 1...20, using: &self)
      let criterion: LifecyclePolicy.Criterion =
        switch isArchive ? 3 : Int.random(in: 0..<3, using: &self) {
        case 0: .imageCountMoreThan(Int.random(in: 1...6, using: &self))
        case 1: .sinceImagePushed(days: days)
        case 2: .sinceImagePulled(days: days)
        default: .sinceImageTransitioned(days: days)
        }
      let tags: LifecyclePolicy.Tags =
        switch Int.random(in: 0..<4, using: &self) {
        case 0: .any
        case 1: .untagged
        default:
          .all((0...Int.random(in: 0...1, using: &self)).map { _ in TagPattern(text("ab*", 1...3)) })
        }
      return rule(
        index * 3, tags, criterion, !isArchive && chance(40) ? .archive : .expire, of: isArchive ? .archive : .standard)
    }
  }

  /// Newest first. What names others may be older than they are: only circles cannot be.
  mutating func images() -> [LifecycleImage] {
    let count = Int64.random(in: 0...24, using: &self)
    guard count > 0 else { return [] }
    let ranks = (1...count).shuffled(using: &self)
    var images = (1...count).map { id in
      var image = image(id, (0..<Int.random(in: 0...2, using: &self)).map { _ in text("ab", 1...3) }, days: count - id)
      image.isIndex = chance(30)
      if chance(30) { image.pulled = now - Int64.random(in: 0...20, using: &self) * day }
      if chance(25) {
        image.storageClass = .archive
        image.archived = now - Int64.random(in: 0...20, using: &self) * day
      }
      return image
    }
    for index in images.indices {
      let rank = ranks[index]
      let above = images.indices.filter { ranks[$0] > rank && images[$0].isIndex }
      let below = images.indices.filter { ranks[$0] < rank }
      if chance(40), let list = above.randomElement(using: &self) { images[index].indexes.append(images[list].id) }
      if chance(15), let list = above.last, !images[index].indexes.contains(images[list].id) {
        images[index].indexes.append(images[list].id)
      }
      if chance(25), let subject = below.randomElement(using: &self) { images[index].subject = images[subject].id }
    }
    return images.reversed()
  }
}
