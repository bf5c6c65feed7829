/// Lifecycle policies, storage classes and exclusions from pull times.
extension Operation {
  static let lifecycle: [Operation] = []
}
