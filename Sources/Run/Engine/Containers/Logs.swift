internal import FoundationEssentials
internal import Glibc
internal import Kernel
internal import Sandboxes
internal import SystemPackage

public struct LogQuery: Sendable {
  /// The last so many lines; nil for all.
  public var tail: Int?
  public var since: Moment?
  public var until: Moment?
  /// Goes on with what is written until the container has ended.
  public var follow = false

  public init() {}
}

/// A line of a container's output, with its end where it has one.
public struct LogLine: Sendable, Hashable {
  public enum Stream: String, Sendable, Codable { case stdout, stderr }

  public let stream: Stream
  public let time: Moment
  public let text: String
}

extension Engine {
  /// Calls with the lines of a container's log, oldest first. `body` returns false to end it.
  public func logs(_ nameOrID: String, _ query: LogQuery = LogQuery(), _ body: (LogLine) throws -> Bool) throws {
    let container = try container(nameOrID)
    guard container.record.options.log.driver == .jsonFile else {
      throw EngineError.logsUnavailable(name: container.name, driver: container.record.options.log.driver.rawValue)
    }
    let log = LogFile(path: logPath(of: container.id), files: container.record.options.log.maxFiles)
    let supervised = SupervisedContainer(directory: runDirectory(of: container.id))
    try log.read(query, isWritten: { supervised.isSupervised }) { line in
      if let until = query.until, line.time > until { return false }
      if let since = query.since, line.time < since { return true }
      return try body(line)
    }
  }
}

/// A json-file log, as Docker writes it, with its rotated files: `path.1` is the one before `path`.
struct LogFile {
  let path: FilePath
  /// How many there are at most, the current one included.
  let files: Int

  private struct Line: Decodable {
    let log: String
    let stream: LogLine.Stream
    let time: String
  }

  static func parse(_ bytes: some Sequence<UInt8>) -> LogLine? {
    // A line that was cut off by a full disk or a crash is left out.
    guard let line = try? JSONDecoder().decode(Line.self, from: Data(bytes)), let time = Moment(parsing: line.time) else { return nil }
    return LogLine(stream: line.stream, time: time, text: line.log)
  }

  func read(_ query: LogQuery, isWritten: () -> Bool, _ body: (LogLine) throws -> Bool) throws {
    do {
      var current = try open()
      // In place of the rotated ones, when all is wanted: those first.
      let older = try olderFiles()
      let start = try query.tail.map { try skipping($0, current, older) }
      if let start, start.file < older.count || start.file == older.count {
        for index in start.file..<older.count {
          guard try each(of: older[index], from: index == start.file ? start.offset : 0, body) else { return }
        }
      } else {
        for file in older { guard try each(of: file, from: 0, body) else { return } }
      }
      let offset = start.map { $0.file == older.count ? $0.offset : 0 } ?? 0
      guard let file = current else {
        if query.follow { try wait(for: isWritten) }
        current = try open()
        if let current { _ = try follow(current, from: 0, query.follow ? isWritten : { false }, body) }
        return
      }
      _ = try follow(file, from: offset, query.follow ? isWritten : { false }, body)
    } catch let error as Errno {
      throw EngineError.system(operation: "read the log", path: path, error)
    }
  }

  /// An open file; reference, so that several may be kept.
  final class Opened {
    let number: CInt
    private let owned: OwnedDescriptor
    init(_ owned: consuming OwnedDescriptor) {
      number = owned.number
      self.owned = owned
    }
  }

  private func open(_ suffix: String = "") throws(Errno) -> Opened? {
    do throws(Errno) { return Opened(try openat2(workingDirectory, path.string + suffix, flags: O_RDONLY)) } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw error
    }
  }

  /// The oldest first.
  private func olderFiles() throws(Errno) -> [Opened] {
    var found: [Opened] = []
    for number in stride(from: max(files, 1) - 1, to: 0, by: -1) {
      if let file = try open(".\(number)") { found.append(file) }
    }
    return found
  }

  /// Where the last `count` lines begin: file (those of `older`, then the current one) and offset.
  private func skipping(_ count: Int, _ current: Opened?, _ older: [Opened]) throws(Errno) -> (file: Int, offset: Int) {
    var rest = count
    let all = older + (current.map { [$0] } ?? [])
    var index = all.count
    while index > 0 {
      index -= 1
      let (offset, found) = try Self.offset(ofLast: rest, in: all[index].number)
      if found >= rest { return (index, offset) }
      rest -= found
    }
    return (0, 0)
  }

  /// Where the last `count` lines of a file begin, and how many there are.
  static func offset(ofLast count: Int, in file: CInt) throws(Errno) -> (offset: Int, found: Int) {
    var status = stat()
    try Errno.check(fstat(file, &status))
    let size = Int(status.st_size)
    if count == 0 { return (size, 0) }
    var end = size
    var ends = 0
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while end > 0 {
      let start = max(0, end - buffer.count)
      let read = try Errno.retrying { pread(file, &buffer, end - start, off_t(start)) }
      for index in stride(from: read - 1, through: 0, by: -1) where buffer[index] == UInt8(ascii: "\n") {
        ends += 1
        // The first one found ends the last line.
        if ends == count + 1 { return (start + index + 1, count) }
      }
      end = start
    }
    return (0, ends)
  }

  private func each(of file: Opened, from offset: Int, _ body: (LogLine) throws -> Bool) throws -> Bool {
    try follow(file, from: offset, isCurrent: false, { false }, body)
  }

  /// Reads to the end; while somebody writes, goes on with what comes, in the next file where the log was rotated.
  ///
  /// - Parameter isCurrent: false for a file that was rotated already: what comes after it is read for itself.
  private func follow(
    _ first: Opened, from offset: Int, isCurrent: Bool = true, _ isWritten: () -> Bool, _ body: (LogLine) throws -> Bool
  ) throws -> Bool {
    var file = first
    var position = offset
    var partial: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    var isLast = false
    while true {
      let count = try Errno.retrying { pread(file.number, &buffer, buffer.count, off_t(position)) }
      if count > 0 {
        position += count
        partial.append(contentsOf: buffer[..<count])
        var start = partial.startIndex
        while let end = partial[start...].firstIndex(of: UInt8(ascii: "\n")) {
          if let line = Self.parse(partial[start..<end]), try !body(line) { return false }
          start = end + 1
        }
        partial.removeSubrange(..<start)
        continue
      }
      if isLast || !isCurrent { return true }
      if try isRotated(file), let next = try open() {
        file = next
        position = 0
        partial = []
        continue
      }
      // One more look after the writer has gone: it may have written in between.
      guard isWritten() else {
        isLast = true
        continue
      }
      usleep(50_000)
    }
  }

  private func isRotated(_ file: Opened) throws(Errno) -> Bool {
    var opened = stat(), named = stat()
    try Errno.check(fstat(file.number, &opened))
    guard stat(path.string, &named) == 0 else { return false }
    return opened.st_ino != named.st_ino || opened.st_dev != named.st_dev
  }

  private func wait(for isWritten: () -> Bool) throws {
    while isWritten(), access(path.string, F_OK) != 0 { usleep(50_000) }
  }
}
