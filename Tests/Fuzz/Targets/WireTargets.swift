import DistributionSpec
import ImageSpec

@testable import RegistryClient
@testable import S3Storage

extension FuzzTarget {
  static let wire = [
    FuzzTarget(text: "routes") { text in
      let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
      if let route = try? Route(parsing: halves[0]) {
        require((try? Route(parsing: route.path)) == route, "the path of \(route) is read as another route")
        if let name = route.name { require(Reference.isPath(name) && name.utf8.count <= 255, "\(name) is no name") }
      }
      guard halves.count == 2 else { return }
      let query = Query(parsing: halves[1])
      let again = Query(parsing: query.description)
      // What cannot be decoded is kept as it is.
      require(again == query || text.contains { "%+\0".contains($0) }, "\(query) is read as \(again)")
    },
    FuzzTarget(text: "ranges") { text in
      if let range = UploadRange(parsing: text) {
        require(range.count >= 0 && range.received >= 0, "the upload range \(range) has \(range.count) bytes")
      }
      if let range = ContentRange(parsing: text) {
        require(ContentRange(parsing: range.description) == range, "\(range) is read as another range")
      }
      for size: Int64 in [0, 1, 10, (1 << 62) - 1] {
        guard let wishes = ByteRange.parse(text), let ranges = ByteRange.resolve(wishes, size: size) else { continue }
        require(ranges.count <= 32, "\(ranges.count) ranges")
        for range in ranges { require(!range.isEmpty && range.upperBound <= size, "\(range) of \(size) bytes") }
        if ranges.count > 1 {
          let parts = MultipartRanges(ranges, size: size, type: "a/b", boundary: "b")
          require(parts.count > 0 && parts.parts.count == ranges.count, "\(parts.count) bytes of parts")
        }
      }
    },
    FuzzTarget(text: "headers") { text in
      for challenge in Challenge.parse([text]) {
        require(!challenge.scheme.isEmpty, "a challenge without a scheme")
        let again = Challenge.parse([challenge.description])
        require(again.count == 1, "\(challenge) is read as \(again)")
      }
      for link in LinkHeader.parse([text]) { require(!link.relation.isEmpty, "a link without a relation") }
      _ = LinkHeader.next([text, text])
      _ = AccessScope(parsing: text)
      if let wait = RetryAfter.parse(text, now: 1_800_000_000) { require(wait >= .zero, "a wait of \(wait)") }
    },
    // What object storage answers.
    FuzzTarget("objects") { bytes in
      guard let document = S3XML(parsing: bytes) else { return }
      func depth(_ element: S3XML) -> Int { 1 + (element.children.map(depth).max() ?? 0) }
      require(depth(document) <= 17, "\(depth(document)) levels")
      _ = document["Error"]?["Code"]?.text
    },
    FuzzTarget(text: "references") { text in
      if let reference = try? Reference(parsing: text) {
        require((try? Reference(parsing: reference.description)) == reference, "\(reference) is read as another one")
      }
      if let digest = try? Digest(parsing: text) {
        require(digest.description == text && digest.hex.utf8.count == digest.algorithm.hexLength, "\(digest)")
      }
      if let reference = try? ManifestReference(parsing: text) {
        require(reference.description == text, "\(reference) is not \(text)")
      }
      _ = try? Platform(parsing: text)
    },
  ]
}
