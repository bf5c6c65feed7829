/// Scanning of images.
extension Operation {
  static let scanning: [Operation] = []
}
