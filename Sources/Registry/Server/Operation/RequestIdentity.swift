import DistributionSpec
public import HTTPTypes

/// What follows a request through logs, events and calls to others: its own ID and the trace that it is part of.
public struct RequestIdentity: Hashable, Sendable {
  /// The client's `X-Request-Id` where it is fit to be logged, else a new UUID. Echoed with every answer.
  public let id: String
  /// nil where the client traces nothing.
  public let trace: TraceContext?

  public init(_ headers: HTTPFields) {
    id = headers[.requestID].flatMap { Self.isFit($0) ? $0 : nil } ?? Self.uuid()
    trace = headers[.traceParent].flatMap { TraceContext(parsing: $0, state: headers[.traceState]) }
  }

  public init(id: String = RequestIdentity.uuid(), trace: TraceContext? = nil) {
    self.id = id
    self.trace = trace
  }

  /// 1 to 128 bytes that need no quoting anywhere.
  private static func isFit(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "-_.:+/=@".utf8.contains(byte)
        }
      }
  }

  /// A random UUID. (RFC 9562, version 4)
  public static func uuid() -> String {
    var generator = SystemRandomNumberGenerator()
    let high: UInt64 = (generator.next() & ~0xf000) | 0x4000
    let low: UInt64 = (generator.next() & ~(3 << 62)) | (1 << 63)
    let digits = Array((Hexadecimal.text(high) + Hexadecimal.text(low)).utf8)
    let parts = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
    return parts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
  }
}

/// A place in a distributed trace. (W3C Trace Context, level 1)
public struct TraceContext: Hashable, Sendable {
  /// 32 hexadecimal digits.
  public let traceID: String
  /// The caller's span: 16 hexadecimal digits.
  public let parentID: String
  public let flags: UInt8
  /// The vendors' part, as it came.
  public let state: String?

  /// nil where the header is malformed: a new trace then begins elsewhere. (section 3.2)
  public init?(parsing header: String, state: String? = nil) {
    let parts = header.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count >= 4, parts[0].utf8.count == 2, Hexadecimal.isLower(parts[0]), parts[0] != "ff",
      parts[0] != "00" || parts.count == 4,
      parts[1].utf8.count == 32, Hexadecimal.isLower(parts[1]), parts[1].contains(where: { $0 != "0" }),
      parts[2].utf8.count == 16, Hexadecimal.isLower(parts[2]), parts[2].contains(where: { $0 != "0" }),
      parts[3].utf8.count == 2, Hexadecimal.isLower(parts[3]), let flags = UInt8(parts[3], radix: 16)
    else { return nil }
    traceID = String(parts[1])
    parentID = String(parts[2])
    self.flags = flags
    // Longer ones may be dropped whole. (section 3.3.1.5)
    self.state = state.flatMap { (1...512).contains($0.utf8.count) ? $0 : nil }
  }

  /// The header of a call that is made for this request, as a span of its own.
  public func child() -> String {
    var generator = SystemRandomNumberGenerator()
    let span: UInt64 = max(1, generator.next())
    return "00-\(traceID)-\(Hexadecimal.text(span))-\(Hexadecimal.text(UInt64(flags & 1)).suffix(2))"
  }
}

private enum Hexadecimal {
  static func text(_ number: UInt64) -> String {
    let text = String(number, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }

  static func isLower(_ text: Substring) -> Bool {
    text.utf8.allSatisfy {
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
    }
  }
}

extension HTTPField.Name {
  static let requestID = known("x-request-id")
  static let traceParent = known("traceparent")
  static let traceState = known("tracestate")
}
