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

  static func print(_ message: String) { try? writeAll(2, Array("\(message)\n".utf8)) }

  /// As a JSON string.
  static func quoted(_ text: String) -> String {
    var bytes: [UInt8] = []
    JSONBytes.append(text.utf8, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// JSON strings from bytes, for what is written often.
enum JSONBytes {
  /// Bytes that are no UTF-8 become U+FFFD.
  static func append(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    let plain = text.allSatisfy { $0 < 0x80 }
    if plain {
      appendEscaped(text, to: &bytes)
    } else {
      appendEscaped(String(decoding: text, as: UTF8.self).utf8, to: &bytes)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func appendEscaped(_ text: some Collection<UInt8>, to bytes: inout [UInt8]) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
      case UInt8(ascii: "\r"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
      case UInt8(ascii: "\t"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        bytes += Array("\\u00".utf8)
        bytes += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: bytes.append(byte)
      }
    }
  }
}
