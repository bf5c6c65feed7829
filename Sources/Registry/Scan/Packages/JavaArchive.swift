/// Java archives: the `pom.properties` that Maven puts into them, and archives inside, as Spring Boot packs them.
enum JavaArchive {
  private static let entryLimit = 200_000
  private static let innerLimit = 64 << 20
  private static let depthLimit = 3

  /// Bytes that are decompressed of one archive with all inside it.
  private static let totalLimit = 1 << 30

  static func isName(_ name: some StringProtocol) -> Bool {
    [".jar", ".war", ".ear", ".jpi", ".hpi"].contains { name.hasSuffix($0) }
  }

  /// What can be read of it, and how many bytes were decompressed: a broken archive, or one beyond the bounds, has what
  /// was found until then.
  static func packages(_ bytes: UnsafeRawBufferPointer) -> (packages: [Package], decompressed: Int) {
    var total = 0
    var packages: [Package] = []
    read(bytes, depth: 0, &total, &packages)
    return (packages, total)
  }

  private static func read(_ bytes: UnsafeRawBufferPointer, depth: Int, _ total: inout Int, _ packages: inout [Package]) {
    guard let archive = try? ZipArchive(bytes) else { return }
    try? archive.entries(limit: entryLimit) { entry in
      let isProperties = entry.name.hasPrefix("META-INF/maven/") && entry.name.hasSuffix("/pom.properties")
      let isInner = depth + 1 < depthLimit && isName(entry.name)
      guard isProperties || isInner, total < totalLimit,
        let content = try? archive.content(entry, limit: isInner ? innerLimit : 64 << 10)
      else { return }
      total += content.count
      if isProperties {
        package(content).map { packages.append($0) }
      } else {
        content.withUnsafeBytes { read($0, depth: depth + 1, &total, &packages) }
      }
    }
  }

  private static func package(_ properties: [UInt8]) -> Package? {
    var values: [String: Substring] = [:]
    for line in Lines(properties) where line.first != "#" {
      guard let equals = line.firstIndex(of: "=") else { continue }
      values[String(line[..<equals].trimmed)] = line[line.index(after: equals)...].trimmed
    }
    guard let group = values["groupId"], let artifact = values["artifactId"] else { return nil }
    return Package(.maven, "\(group):\(artifact)", values["version"])
  }
}
