import Glibc
import Kernel
import SystemPackage

/// Where the runtime's messages go: as runc's, a file in the format that the caller reads, or standard error.
struct Log {
  enum Format { case text, json }

  /// nil: standard error.
  private var file: OpenFile?
  /// nil: standard error, as a person reads it.
  private var format: Format?
  var debugging = false

  init() {}

  /// A file that cannot be written would lose every message: it is opened before anything is done.
  init(file path: String?, format name: String?, debugging: Bool) throws {
    self.debugging = debugging
    switch name {
    case nil: if path != nil { format = .text }
    case "text": format = .text
    case "json": format = .json
    case let other?: throw RuntimeError.usage("--log-format is \"\(other)\": use text or json")
    }
    guard let path, path != "/dev/stderr" else { return }
    guard !path.isEmpty else { throw RuntimeError.usage("--log is empty: name a file") }
    file = OpenFile(
      try attempt("open the log \(path)") { () throws(Errno) in
        try openat2(workingDirectory, path, flags: O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, mode: 0o644)
      })
  }

  /// Why a command fails: it is said to the person in any case.
  func error(_ message: String) {
    if format != nil { write("error", message) }
    if format == nil || file != nil { Self.print("clipper-runtime: \(message)") }
  }

  func warning(_ message: String) { write("warning", message) }

  func debug(_ message: @autoclosure () -> String) { if debugging { write("debug", message()) } }

  private func write(_ level: String, _ message: String) {
    let line: String
    switch format {
    case .json: line = "{\"level\":\"\(level)\",\"msg\":\(Self.quoted(message)),\"time\":\"\(Timestamp.now().text)\"}\n"
    case .text: line = "time=\"\(Timestamp.now().text)\" level=\(level) msg=\(Self.quoted(message))\n"
    case nil: return Self.print("clipper-runtime: \(level): \(message)")
    }
    do throws(Errno) { try writeAll(file?.number ?? 2, Array(line.utf8)) } catch {
      // A full disk, for one.
      if file != nil { Self.print("clipper-runtime: \(level): \(message) (the log cannot be written: \(error))") }
    }
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
