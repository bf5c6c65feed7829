internal import FoundationEssentials

/// base64 as credentials and Basic authorization use it. (RFC 4648, section 4)
enum Base64 {
  static func encode(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

  /// nil where it is not base64 of UTF-8. Missing padding is fine.
  static func decodeText(_ text: String) -> String? {
    let bare = text.prefix { $0 != "=" }
    let padded = bare + String(repeating: "=", count: (4 - bare.utf8.count % 4) % 4)
    return Data(base64Encoded: String(padded)).flatMap { String(validating: $0, as: UTF8.self) }
  }
}
