/// Signing of images.
extension Operation {
  static let signing: [Operation] = []
}
