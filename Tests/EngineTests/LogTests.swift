import Kernel
import SystemPackage
import TestDirectories
import Testing

@testable import Engine

@Suite("reading logs") struct LogTests {
  /// A json-file log with `rotated` before it, the oldest first.
  private func lines(
    _ current: [String], rotated: [[String]] = [], tail: Int? = nil, broken: String = "", limit: Int = .max
  ) throws -> [String] {
    let directory = try makeTestDirectory("clipper-log-test")
    defer { try? removeTree(directory) }
    let path = directory.appending("log")
    for (index, file) in rotated.enumerated() {
      try write(file, to: FilePath(path.string + ".\(rotated.count - index)"))
    }
    try write(current, to: path, and: broken)
    var query = LogQuery()
    query.tail = tail
    var found: [String] = []
    try LogFile(path: path, files: rotated.count + 1).read(query, isWritten: { false }) {
      found.append($0.text)
      return found.count < limit
    }
    return found
  }

  private func write(_ lines: [String], to path: FilePath, and rest: String = "") throws {
    let text = lines.map { #"{"log":"\#($0)","stream":"stdout","time":"2026-01-02T03:04:05.000000006Z"}"# + "\n" }
      .joined()
    try writeFileAtomically(path, Array((text + rest).utf8))
  }

  @Test(
    arguments: [
      (nil, ["1", "2", "3"]), (0, []), (1, ["3"]), (2, ["2", "3"]), (3, ["1", "2", "3"]), (9, ["1", "2", "3"]),
    ] as [(Int?, [String])])
  func theLastLinesAreThoseAskedFor(tail: Int?, expected: [String]) throws {
    #expect(try lines(["1", "2", "3"], tail: tail) == expected)
  }

  @Test(
    arguments: [
      (nil, ["1", "2", "3", "4", "5"]), (1, ["5"]), (2, ["4", "5"]), (3, ["3", "4", "5"]), (4, ["2", "3", "4", "5"]),
      (9, ["1", "2", "3", "4", "5"]),
    ] as [(Int?, [String])])
  func rotatedFilesComeFirstAndOnce(tail: Int?, expected: [String]) throws {
    #expect(try lines(["5"], rotated: [["1", "2"], ["3", "4"]], tail: tail) == expected)
  }

  @Test func linesThatWereCutOffAreLeftOut() throws {
    #expect(try lines(["1"], broken: #"{"log":"2","str"#) == ["1"])
    #expect(try lines(["1"], broken: "nonsense\n") == ["1"])
    #expect(try lines([]) == [])
  }

  @Test func aReaderMayStop() throws { #expect(try lines(["3"], rotated: [["1", "2"]], limit: 2) == ["1", "2"]) }

  @Test func longLinesAndManyAreFoundFromTheEnd() throws {
    let long = String(repeating: "x", count: 100_000)
    #expect(try lines(["a", long, "b"], tail: 2) == [long, "b"])
    let many = (0..<5000).map(String.init)
    #expect(try lines(many, tail: 3000) == Array(many.suffix(3000)))
  }

  @Test func aLogThatIsNotThereIsEmpty() throws {
    var found = 0
    try LogFile(path: "/tmp/clipper-no-such-log", files: 3).read(LogQuery(), isWritten: { false }) { _ in
      found += 1
      return true
    }
    #expect(found == 0)
  }
}

@Suite("points in time") struct MomentTests {
  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("1970-01-01", 0), ("1970-01-01T00:00:01.5Z", 1_500_000_000),
      ("1970-01-01 00:00:01", 1_000_000_000),
      ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T23:00:00-01:00", 0), ("1970-01-01T00:00:00.0000000019Z", 1),
      ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
    ] as [(String, Int64)])
  func areReadAsRFC3339(text: String, nanoseconds: Int64) {
    #expect(Moment(parsing: text)?.nanoseconds == nanoseconds)
  }

  @Test(arguments: [
    "", "now", "2026", "2026-13-01", "2026-00-01", "2026-02-30", "2025-02-29", "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00",
  ])
  func whatIsNoDateIsNone(text: String) { #expect(Moment(parsing: text) == nil) }

  @Test func areWrittenAsTheyAreRead() {
    let text = "2026-11-23T16:19:26.000000789Z"
    #expect(Moment(parsing: text)?.description == text)
  }
}
