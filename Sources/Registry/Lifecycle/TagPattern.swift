/// A pattern of image tags: `*` stands for any characters, also none. (ECR, lifecycle policies, tagPatternList)
public struct TagPattern: Hashable, Sendable {
  /// Most wildcards of one pattern.
  public static let wildcardLimit = 4

  public let text: String
  /// What stands between the wildcards; one piece alone is a tag itself.
  private let pieces: [[UInt8]]

  public init(_ text: String) {
    self.text = text
    pieces = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map(Array.init)
  }

  /// What begins with `prefix`, in which an asterisk is no wildcard. (tagPrefixList)
  public init(prefix: String) {
    text = prefix
    pieces = [Array(prefix.utf8), []]
  }

  public func matches(_ tag: String) -> Bool {
    var tag = tag
    return tag.withUTF8 { matches($0) }
  }

  /// The first piece is the tag's beginning, the last its end, and those between are found one after the other, each as
  /// early as can be.
  private func matches(_ tag: UnsafeBufferPointer<UInt8>) -> Bool {
    let first = pieces[0]
    guard Self.has(tag, first, at: 0) else { return false }
    guard pieces.count > 1 else { return tag.count == first.count }
    var position = first.count
    for piece in pieces[1..<pieces.count - 1] {
      while !Self.has(tag, piece, at: position) {
        position += 1
        if position + piece.count > tag.count { return false }
      }
      position += piece.count
    }
    let last = pieces[pieces.count - 1]
    let end = tag.count - last.count
    return end >= position && Self.has(tag, last, at: end)
  }

  private static func has(_ tag: UnsafeBufferPointer<UInt8>, _ piece: [UInt8], at position: Int) -> Bool {
    guard position + piece.count <= tag.count else { return false }
    for index in piece.indices where tag[position + index] != piece[index] { return false }
    return true
  }
}
