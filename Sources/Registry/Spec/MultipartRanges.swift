/// Several ranges of one content as the answer to one request. (RFC 9110, sections 14.6 and 15.3.7.2)
///
/// Lazy pullers ask like this for the pieces of a layer that a container reads first.
public struct MultipartRanges: Hashable, Sendable {
  public struct Part: Hashable, Sendable {
    /// What stands before the bytes: the boundary and the part's own header fields.
    public let head: String
    /// The bytes of the content.
    public let range: Range<Int64>
  }

  public let contentType: String
  public let parts: [Part]
  /// What stands after the last part.
  public let end: String

  /// `boundary` is a text that the content does not have, as 128 random bits are.
  public init(_ ranges: [Range<Int64>], size: Int64, type: String, boundary: String) {
    contentType = "multipart/byteranges; boundary=\(boundary)"
    parts = ranges.enumerated().map { index, range in
      let content = ContentRange.bytes(range, size: size)
      return Part(
        head: "\(index == 0 ? "" : "\r\n")--\(boundary)\r\nContent-Type: \(type)\r\nContent-Range: \(content)\r\n\r\n",
        range: range)
    }
    end = "\r\n--\(boundary)--\r\n"
  }

  /// Bytes of the whole body.
  public var count: Int64 {
    parts.reduce(Int64(end.utf8.count)) { $0 + Int64($1.head.utf8.count) + Int64($1.range.count) }
  }
}

extension ByteRange {
  /// The bytes of a content of `size`, less than 2^62, that `ranges` mean, in the order they came; those that overlap
  /// or touch the one before are joined with it. Empty where no byte is meant: 416.
  ///
  /// nil where they are answered with the whole content instead, as RFC 9110, section 14.2, allows: for more than 32
  /// pieces, or where together they are no less than the whole.
  public static func resolve(_ ranges: [ByteRange], size: Int64) -> [Range<Int64>]? {
    var joined: [Range<Int64>] = []
    var total: Int64 = 0
    for range in ranges.compactMap({ $0.resolved(size: size) }) {
      if let last = joined.last, range.lowerBound >= last.lowerBound, range.lowerBound <= last.upperBound {
        let end = max(last.upperBound, range.upperBound)
        total += end - last.upperBound
        joined[joined.count - 1] = last.lowerBound..<end
      } else {
        total += Int64(range.count)
        joined.append(range)
      }
      // Seen at each: the sum of all might be no number.
      guard joined.count <= 1 || (joined.count <= 32 && total < size) else { return nil }
    }
    return joined
  }
}
