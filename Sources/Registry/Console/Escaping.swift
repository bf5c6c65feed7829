internal import Mustache

/// How every value gets into a page: names, labels and annotations come from whoever may push.
///
/// swift-mustache's own escaping looks at characters, and a quotation mark that a combining accent follows is another
/// character: it would end an attribute. This one looks at code points.
struct StrictHTML: MustacheContentType {
  static let name = "STRICT_HTML"

  func escapeText(_ text: String) -> String { Self.escape(text) }

  static func escape(_ text: String) -> String {
    // Most of what a page shows has nothing to escape.
    guard !text.utf8.allSatisfy(isPlain) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result.append(contentsOf: "&amp;".unicodeScalars)
      case "<": result.append(contentsOf: "&lt;".unicodeScalars)
      case ">": result.append(contentsOf: "&gt;".unicodeScalars)
      case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
      case "'": result.append(contentsOf: "&#39;".unicodeScalars)
      case "`": result.append(contentsOf: "&#96;".unicodeScalars)
      case "\t", "\n": result.append(scalar)
      // Controls, and what turns the direction of text around: `1.0` must not read as `0.1`.
      case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}", "\u{202a}"..."\u{202e}", "\u{2066}"..."\u{2069}",
        "\u{200e}", "\u{200f}", "\u{61c}", "\u{fff9}"..."\u{ffff}":
        result.append("\u{fffd}")
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// Of ASCII, neither a control nor one that means something in HTML.
  private static func isPlain(_ byte: UInt8) -> Bool {
    (0x20..<0x7f).contains(byte) && !"&<>\"'`".utf8.contains(byte)
  }
}
