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
