/// Upload and download of layers.
extension Operation {
  static let layers: [Operation] = []
}
