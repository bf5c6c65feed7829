import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A container's log in Docker's json-file format or the kubelet's, rotated by size.
///
/// A file is rotated between lines: `path.1` is the newest of the old ones.
final class LogFile {
  enum Stream: String {
    case stdout, stderr

    private static let criWhole = [Array(" stdout F ".utf8), Array(" stderr F ".utf8)]
    private static let criPart = [Array(" stdout P ".utf8), Array(" stderr P ".utf8)]
    private static let jsonWhole = members(#"\n"#)
    private static let jsonPart = members("")

    private static func members(_ lineEnd: String) -> [[UInt8]] {
      ["stdout", "stderr"].map { Array("\(lineEnd)\",\"stream\":\"\($0)\",\"time\":\"".utf8) }
    }

    private var index: Int { self == .stdout ? 0 : 1 }

    fileprivate func criFields(isWhole: Bool) -> [UInt8] { isWhole ? Self.criWhole[index] : Self.criPart[index] }
    fileprivate func jsonMembers(isWhole: Bool) -> [UInt8] { isWhole ? Self.jsonWhole[index] : Self.jsonPart[index] }
  }

  private let destination: LogDestination
  private let path: String
  private var file: OpenFile?
  private var size: Int64 = 0
  private var partial: [Stream: [UInt8]] = [:]
  private var buffer: [UInt8] = []
  /// Docker's and the kubelet's bound of one entry; a longer line is split.
  private static let longest = 16 << 10

  /// nil where nothing is to be logged.
  init?(_ destination: LogDestination) throws {
    guard destination.driver != .none else { return nil }
    guard let path = destination.path, path.hasPrefix("/") else {
      throw RuntimeError.configuration(property: "log.path", problem: "is not absolute")
    }
    self.destination = destination
    self.path = path
    try open()
  }

  private func open() throws {
    let opened = try attempt("open the log \(path)") { () throws(Errno) in
      let file = try openat2(workingDirectory, path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o640)
      size = Int64(lseek(file.number, 0, SEEK_END))
      return file
    }
    file = OpenFile(opened)
  }

  /// What was needed for writing is needed again only with the next output.
  func releaseMemory() { buffer = [] }

  /// Somebody moved the file away: a new one is begun.
  func reopen() {
    file = nil
    try? open()
  }

  func write(_ bytes: ArraySlice<UInt8>, _ stream: Stream) {
    let time = Timestamp.now().bytes
    bytes.withUnsafeBufferPointer { bytes in
      var rest = bytes[...]
      if let begun = partial.removeValue(forKey: stream), !begun.isEmpty {
        let end = lineEnd(rest)
        let whole = begun + rest[..<(end ?? rest.endIndex)]
        whole.withUnsafeBufferPointer { line in
          if end == nil { keep(line[...], stream, time) } else { entry(line[...], stream, time) }
        }
        rest = end.map { rest[($0 + 1)...] } ?? rest[rest.endIndex...]
      }
      while let end = lineEnd(rest) {
        entry(rest[..<end], stream, time)
        rest = rest[(end + 1)...]
      }
      if !rest.isEmpty { keep(rest, stream, time) }
    }
    flush()
  }

  /// The program has ended: what has no end of line is an entry all the same.
  func finish() {
    let time = Timestamp.now().bytes
    for (stream, bytes) in partial.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where !bytes.isEmpty {
      bytes.withUnsafeBufferPointer { format($0[...], stream, time, isWhole: false) }
    }
    partial = [:]
    flush()
  }

  private typealias Piece = Slice<UnsafeBufferPointer<UInt8>>

  private func lineEnd(_ piece: Piece) -> Int? {
    guard let start = UnsafeBufferPointer(rebasing: piece).baseAddress, !piece.isEmpty,
      let found = memchr(start, CInt(UInt8(ascii: "\n")), piece.count)
    else { return nil }
    return piece.startIndex + (UnsafeRawPointer(found) - UnsafeRawPointer(start))
  }

  /// The beginning of a line whose end has not come yet. It is at most one entry long.
  private func keep(_ piece: Piece, _ stream: Stream, _ time: [UInt8]) {
    partial[stream] = Array(splitLong(piece, stream, time))
  }

  private func entry(_ line: Piece, _ stream: Stream, _ time: [UInt8]) {
    format(splitLong(line, stream, time), stream, time, isWhole: true)
  }

  /// Writes what is more than one entry; the rest is one.
  private func splitLong(_ line: Piece, _ stream: Stream, _ time: [UInt8]) -> Piece {
    var rest = line
    while rest.count > Self.longest {
      var end = rest.startIndex + Self.longest
      // Between characters: halves of one would be replaced in a document of JSON.
      let earliest = end - 3
      while end > earliest, rest[end] & 0xc0 == 0x80 { end -= 1 }
      format(rest[..<end], stream, time, isWhole: false)
      rest = rest[end...]
    }
    return rest
  }

  private func format(_ line: Piece, _ stream: Stream, _ time: [UInt8], isWhole: Bool) {
    let before = buffer.count
    switch destination.driver {
    case .cri:
      buffer += time
      buffer += stream.criFields(isWhole: isWhole)
      buffer.append(contentsOf: UnsafeBufferPointer(rebasing: line))
      buffer.append(UInt8(ascii: "\n"))
    case .jsonFile:
      buffer += Self.logMember
      JSONBytes.appendContent(UnsafeBufferPointer(rebasing: line), to: &buffer)
      buffer += stream.jsonMembers(isWhole: isWhole)
      buffer += time
      buffer += Self.documentEnd
    case .none: break
    }
    let added = buffer.count - before
    guard let limit = destination.maxSize, limit > 0, size + Int64(before) > 0, size + Int64(buffer.count) > limit
    else {
      if buffer.count >= Self.batch { flush() }
      return
    }
    let entry = Array(buffer.suffix(added))
    buffer.removeLast(added)
    flush()
    rotate()
    buffer = entry
  }

  private static let logMember = Array(#"{"log":""#.utf8)
  private static let documentEnd = Array("\"}\n".utf8)
  /// Bytes that are gathered before they are written.
  private static let batch = 128 << 10

  private func rotate() {
    let files = max(destination.maxFiles ?? 1, 1)
    if files == 1 {
      if let file { ftruncate(file.number, 0) }
      size = 0
      return
    }
    unlink("\(path).\(files - 1)")
    for index in stride(from: files - 2, through: 1, by: -1) { rename("\(path).\(index)", "\(path).\(index + 1)") }
    rename(path, "\(path).1")
    reopen()
  }

  /// A full disk loses entries and not the container.
  private func flush() {
    guard !buffer.isEmpty else { return }
    if let file, (try? writeAll(file.number, buffer)) != nil { size += Int64(buffer.count) }
    buffer.removeAll(keepingCapacity: true)
  }
}
