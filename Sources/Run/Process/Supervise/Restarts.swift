import RuntimeSpec

/// When a container is started again. (docker's restart policies)
enum Restarts {
  static let firstDelay: Int64 = 100_000_000
  static let longestDelay: Int64 = 60_000_000_000
  /// After so long a run the delay begins anew.
  static let steady: Int64 = 10_000_000_000

  /// The delay after this one.
  static func next(_ delay: Int64) -> Int64 { min(delay * 2, longestDelay) }

  static func isDue(_ policy: RestartPolicy, code: Int32, count: Int) -> Bool {
    switch policy.policy {
    case .no: false
    case .always, .unlessStopped: true
    case .onFailure:
      code != 0 && ((policy.maximumRetries ?? 0) == 0 || count < (policy.maximumRetries ?? 0))
    }
  }
}
