import Lifecycle

extension FuzzTarget {
  static let policies = [
    FuzzTarget(text: "lifecycle") { text in
      guard let policy = try? LifecyclePolicy(parsing: text) else { return }
      require((1...50).contains(policy.rules.count), "\(policy.rules.count) rules")
      var evaluation = LifecycleEvaluation(policy, now: 1_000_000_000_000)
      for id in 0..<20 {
        evaluation.add(LifecycleImage(id: Int64(id), tags: ["v\(id)"], pushed: Int64(id) * 86_400_000))
      }
      let decisions = evaluation.decisions()
      require(Set(decisions.map(\.image)).count == decisions.count, "an image is acted on twice")
    }
  ]
}
