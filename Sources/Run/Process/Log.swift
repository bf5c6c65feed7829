import Glibc
import Kernel
import SystemPackage

/// Where the runtime's messages go: as runc's, a file in the format that the caller reads, or standard error.
struct Log {
  enum Format { case text, json }

  var path: String?
  var format = Format.text
  var debugging = false

  func error(_ message: String) {
    if path != nil { write("error", message) }
    Self.print("clipper-runtime: \(message)")
  }

  func warning(_ message: String) { write("warning", message) }

  func debug(_ message: @autoclosure () -> String) { if debugging { write("debug", message()) } }

  private func write(_ level: String, _ message: String) {
    let time = Timestamp.now().text
    let line =
      switch format {
      case .json: "{\"level\":\"\(level)\",\"msg\":\(Self.quoted(message)),\"time\":\"\(time)\"}\n"
      case .text: "time=\"\(time)\" level=\(level) msg=\(Self.quoted(message))\n"
      }
    guard let path else {
      Self.print("clipper-runtime: \(level): \(message)")
      return
    }
    guard let file = try? openat2(workingDirectory, path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o644) else {
      return
    }
    try? writeAll(file.number, Array(line.utf8))
  }

  static func print(_ message: String) { try? writeAll(2, Array("\(printable(message))\n".utf8)) }

  /// Names come from images and other people's files: what a terminal would take for an order is shown, not sent.
  static func printable(_ text: String) -> String {
    func isPlain(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value >= 0x20 && !(0x7f...0x9f).contains(scalar.value) || scalar == "\n" || scalar == "\t"
    }
    if text.unicodeScalars.allSatisfy(isPlain) { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if isPlain(scalar) { result.append(scalar) } else { result += scalar.escaped(asASCII: true).unicodeScalars }
    }
    return String(result)
  }

  /// As a JSON string.
  static func quoted(_ text: String) -> String {
    var bytes: [UInt8] = []
    JSONBytes.append(text.utf8, to: &bytes)
    let quoted = String(decoding: bytes, as: UTF8.self)
    // JSON lets these through, and a terminal obeys them.
    guard quoted.unicodeScalars.contains(where: { (0x7f...0x9f).contains($0.value) }) else { return quoted }
    return quoted.unicodeScalars.reduce(into: "") { text, scalar in
      if (0x7f...0x9f).contains(scalar.value) {
        text += "\\u00\(String(scalar.value, radix: 16))"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
  }
}
