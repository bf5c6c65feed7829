import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A container's log in Docker's json-file format or the kubelet's, rotated by size.
///
/// A file is rotated between lines: `path.1` is the newest of the old ones.
final class LogFile {
  enum Stream: String { case stdout, stderr }

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

  /// Somebody moved the file away: a new one is begun.
  func reopen() {
    file = nil
    try? open()
  }

  func write(_ bytes: ArraySlice<UInt8>, _ stream: Stream) {
    let time = Timestamp.now().bytes
    var rest = bytes
    if var begun = partial[stream], !begun.isEmpty {
      let end = rest.firstIndex(of: UInt8(ascii: "\n"))
      begun += rest[..<(end ?? rest.endIndex)]
      rest = end.map { rest[($0 + 1)...] } ?? []
      partial[stream] = []
      guard end != nil else {
        keep(begun[...], stream, time)
        return flush()
      }
      entry(begun[...], stream, time, isWhole: true)
    }
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      entry(rest[..<end], stream, time, isWhole: true)
      rest = rest[(end + 1)...]
    }
    if !rest.isEmpty { keep(rest, stream, time) }
    flush()
  }

  /// The program has ended: what has no end of line is an entry all the same.
  func finish() {
    for (stream, bytes) in partial.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where !bytes.isEmpty {
      entry(bytes[...], stream, Timestamp.now().bytes, isWhole: false)
    }
    partial = [:]
    flush()
  }

  private func keep(_ bytes: ArraySlice<UInt8>, _ stream: Stream, _ time: [UInt8]) {
    var rest = bytes
    while rest.count >= Self.longest {
      entry(rest.prefix(Self.longest), stream, time, isWhole: false)
      rest = rest.dropFirst(Self.longest)
    }
    partial[stream] = Array(rest)
  }

  private func entry(_ line: ArraySlice<UInt8>, _ stream: Stream, _ time: [UInt8], isWhole: Bool) {
    var line = line
    while line.count > Self.longest {
      format(line.prefix(Self.longest), stream, time, isWhole: false)
      line = line.dropFirst(Self.longest)
    }
    format(line, stream, time, isWhole: isWhole)
  }

  private func format(_ line: ArraySlice<UInt8>, _ stream: Stream, _ time: [UInt8], isWhole: Bool) {
    let before = buffer.count
    switch destination.driver {
    case .cri:
      buffer += time
      buffer += Array(" \(stream.rawValue) \(isWhole ? "F" : "P") ".utf8)
      buffer += line
      buffer.append(UInt8(ascii: "\n"))
    case .jsonFile:
      buffer += Array("{\"log\":".utf8)
      JSONBytes.append(isWhole ? line + [UInt8(ascii: "\n")] : line, to: &buffer)
      buffer += Array(",\"stream\":\"\(stream.rawValue)\",\"time\":\"".utf8)
      buffer += time
      buffer += Array("\"}\n".utf8)
    case .none: break
    }
    let added = Int64(buffer.count - before)
    guard let limit = destination.maxSize, limit > 0, size + Int64(before) > 0, size + Int64(buffer.count) > limit
    else { return }
    let entry = Array(buffer.suffix(Int(added)))
    buffer.removeLast(Int(added))
    flush()
    rotate()
    buffer = entry
  }

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
    buffer.removeAll(keepingCapacity: buffer.capacity <= 64 << 10)
  }
}
