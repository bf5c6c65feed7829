/// Policies of repositories and of the registry.
extension Operation {
  static let policies: [Operation] = []
}
