/// Bytes of an upload, `<first>-<last>`, both inclusive: `Content-Range` of a chunk, `Range` of the registry's answer.
/// (distribution-spec, Pushing a blob in chunks)
public struct UploadRange: Hashable, Sendable, CustomStringConvertible {
  public let first: Int64
  /// `first - 1` where there is no byte yet.
  public let last: Int64

  /// The `count` bytes from `first` on.
  public init(first: Int64, count: Int64) {
    self.first = first
    last = first + count - 1
  }

  /// The `count` bytes that a registry has so far.
  public init(received count: Int64) { self.init(first: 0, count: count) }

  public var count: Int64 { last - first + 1 }

  /// Parses `0-1023`, also as `bytes=0-1023` and `bytes 0-1023/4096`, which some clients send. nil where it is neither.
  public init?(parsing text: some StringProtocol) {
    var rest = text.trimmingSpaces()
    if rest.lowercased().hasPrefix("bytes") { rest = rest.dropFirst(5).drop { $0 == "=" || $0 == " " } }
    if let slash = rest.firstIndex(of: "/") { rest = rest[..<slash] }
    guard let dash = rest.firstIndex(of: "-"), let first = parseOffset(rest[..<dash]) else { return nil }
    let end = rest[rest.index(after: dash)...]
    // "0--1" is how an empty range comes out where nobody thought of it.
    guard let last = end == "-1" && first == 0 ? -1 : parseOffset(end), last >= first - 1 else { return nil }
    self.first = first
    self.last = last
  }

  /// How many bytes the registry has, read from its `Range` answer.
  ///
  /// docker distribution says `0-0` for an empty upload as well as for one byte; zero is the safe reading, as the
  /// sender starts over.
  public var received: Int64 { first == 0 && last <= 0 ? 0 : last + 1 }

  /// `0-1023`; an empty range reads `0-0` as docker distribution writes it.
  public var description: String { "\(first)-\(max(last, first))" }
}

/// One wish of a `Range: bytes=…` request. (RFC 9110, section 14.1.2)
public enum ByteRange: Hashable, Sendable, CustomStringConvertible {
  case bounded(first: Int64, last: Int64)
  case from(Int64)
  /// The last so many bytes.
  case suffix(Int64)

  /// All wishes of a header; nil where it is malformed or of another unit: such a header is ignored.
  public static func parse(_ header: some StringProtocol) -> [ByteRange]? {
    let text = header.trimmingSpaces()
    guard text.lowercased().hasPrefix("bytes=") else { return nil }
    var ranges: [ByteRange] = []
    for piece in text.dropFirst(6).split(separator: ",", omittingEmptySubsequences: false) {
      guard ranges.count < 64 else { return nil }
      let piece = piece.trimmingSpaces()
      guard let dash = piece.firstIndex(of: "-") else { return nil }
      let end = piece[piece.index(after: dash)...]
      switch (piece[..<dash].isEmpty, end.isEmpty) {
      case (true, false):
        guard let count = parseOffset(end) else { return nil }
        ranges.append(.suffix(count))
      case (false, true):
        guard let first = parseOffset(piece[..<dash]) else { return nil }
        ranges.append(.from(first))
      case (false, false):
        guard let first = parseOffset(piece[..<dash]), let last = parseOffset(end), first <= last else { return nil }
        ranges.append(.bounded(first: first, last: last))
      case (true, true):
        return nil
      }
    }
    return ranges
  }

  /// The bytes of a content of `size` that are meant; nil where there are none: 416.
  public func resolved(size: Int64) -> Range<Int64>? {
    switch self {
    case .bounded(let first, let last): first < size ? first..<(min(last, size - 1) + 1) : nil
    case .from(let first): first < size ? first..<size : nil
    case .suffix(let count): count > 0 && size > 0 ? max(0, size - count)..<size : nil
    }
  }

  /// As a header's value: `bytes=0-99`.
  public var description: String {
    switch self {
    case .bounded(let first, let last): "bytes=\(first)-\(last)"
    case .from(let first): "bytes=\(first)-"
    case .suffix(let count): "bytes=-\(count)"
    }
  }
}

/// `Content-Range` of a partial answer. (RFC 9110, section 14.4)
public enum ContentRange: Hashable, Sendable, CustomStringConvertible {
  /// `bytes 0-99/1000`; nil for the size reads and writes `*`.
  case bytes(Range<Int64>, size: Int64?)
  /// `bytes */1000`, with 416.
  case unsatisfied(size: Int64)

  public init?(parsing text: some StringProtocol) {
    let text = text.trimmingSpaces()
    guard text.lowercased().hasPrefix("bytes ") else { return nil }
    let rest = text.dropFirst(6).trimmingSpaces()
    guard let slash = rest.firstIndex(of: "/") else { return nil }
    let total = rest[rest.index(after: slash)...]
    let size = parseOffset(total)
    guard size != nil || total == "*" else { return nil }
    if rest[..<slash] == "*" {
      guard let size else { return nil }
      self = .unsatisfied(size: size)
      return
    }
    guard let dash = rest[..<slash].firstIndex(of: "-"), let first = parseOffset(rest[..<dash]),
      let last = parseOffset(rest[rest.index(after: dash)..<slash]), first <= last, last < size ?? .max
    else { return nil }
    self = .bytes(first..<(last + 1), size: size)
  }

  public var description: String {
    switch self {
    case .bytes(let range, let size): "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size.map(String.init) ?? "*")"
    case .unsatisfied(let size): "bytes */\(size)"
    }
  }
}

/// Digits alone: no sign, no space, below 2^62 so that adding one cannot overflow.
private func parseOffset(_ text: some StringProtocol) -> Int64? {
  guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
  return Int64(text)
}

extension StringProtocol {
  /// Without blanks and tabs at both ends. (RFC 9110, OWS)
  func trimmingSpaces() -> Substring {
    var rest = Substring(self)
    while let first = rest.utf8.first, first == 0x20 || first == 0x09 { rest.removeFirst() }
    while let last = rest.utf8.last, last == 0x20 || last == 0x09 { rest.removeLast() }
    return rest
  }
}
