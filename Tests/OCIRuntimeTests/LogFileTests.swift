import Glibc
import Kernel
import RuntimeSpec
import SystemPackage
import TestDirectories
import Testing

@testable import OCIRuntime

@Suite final class LogFileTests {
  let directory: FilePath

  init() throws {
    directory = try makeTestDirectory("clipper-log", in: "/var/tmp")
  }

  deinit { try? removeTree(directory) }

  private var path: FilePath { directory.appending("log") }

  private func written(_ driver: LogDestination.Driver, _ pieces: [(String, LogFile.Stream)]) throws -> [String] {
    let log = try #require(try LogFile(LogDestination(driver: driver, path: path.string)))
    for (text, stream) in pieces { log.write(Array(text.utf8)[...], stream) }
    log.finish()
    return String(decoding: try readFile(path), as: UTF8.self).split(separator: "\n").map { String($0) }
  }

  /// `2026-11-23T16:19:26.123456789Z` as `T`.
  private func withoutTime(_ line: String) -> String {
    line.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/, with: "T")
  }

  @Test func linesAsDockerWritesThem() throws {
    let lines = try written(.jsonFile, [("one\ntwo \"quoted\"\t\u{1}é\n", .stdout), ("err\n", .stderr)])
    #expect(
      lines.map(withoutTime) == [
        #"{"log":"one\n","stream":"stdout","time":"T"}"#,
        #"{"log":"two \"quoted\"\t\u0001é\n","stream":"stdout","time":"T"}"#,
        #"{"log":"err\n","stream":"stderr","time":"T"}"#,
      ])
  }

  @Test func linesAsTheKubeletReadsThem() throws {
    let lines = try written(.cri, [("one\n", .stdout), ("begun", .stderr), (" and ended\nleft", .stderr)])
    #expect(lines.map(withoutTime) == ["T stdout F one", "T stderr F begun and ended", "T stderr P left"])
  }

  @Test func linesInPiecesOfBothStreamsStayApart() throws {
    let lines = try written(.cri, [("a", .stdout), ("b", .stderr), ("a\n", .stdout), ("b\n", .stderr)])
    #expect(lines.map(withoutTime) == ["T stdout F aa", "T stderr F bb"])
  }

  @Test func longLinesAreSplit() throws {
    let lines = try written(.cri, [(String(repeating: "x", count: 40_000) + "\n", .stdout)]).map(withoutTime)
    #expect(lines.map { $0.utf8.count - "T stdout P ".utf8.count } == [16384, 16384, 40_000 - 2 * 16384])
    #expect(lines.map { $0.contains(" F ") } == [false, false, true])
  }

  @Test func bytesThatAreNoTextAreReplaced() throws {
    let log = try #require(try LogFile(LogDestination(driver: .jsonFile, path: path.string)))
    log.write([0xff, 0x61, 0x0a], .stdout)
    #expect(String(decoding: try readFile(path), as: UTF8.self).contains("\"\u{fffd}a\\n\""))
  }

  /// Every sequence that RFC 3629 allows stays, everything else is replaced byte by byte.
  @Test(arguments: [
    ([0xc3, 0xa9], "é"), ([0xe2, 0x82, 0xac], "€"), ([0xf0, 0x9f, 0x98, 0x80], "😀"), ([0xc0, 0x80], "\u{fffd}\u{fffd}"),
    ([0xed, 0xa0, 0x80], "\u{fffd}\u{fffd}\u{fffd}"), ([0xe2, 0x82], "\u{fffd}\u{fffd}"), ([0x22], #"\""#), ([0x1f], #"\u001f"#),
    ([0xf4, 0x90, 0x80, 0x80], "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
  ] as [([UInt8], String)])
  func charactersOfAnyLength(_ bytes: [UInt8], _ text: String) throws {
    var result: [UInt8] = []
    JSONBytes.append(bytes, to: &result)
    #expect(String(decoding: result, as: UTF8.self) == "\"\(text)\"")
  }

  @Test func longLinesAreSplitBetweenCharacters() throws {
    let lines = try written(.jsonFile, [("x" + String(repeating: "é", count: 20_000) + "\n", .stdout)])
    #expect(lines.count == 3)
    #expect(!lines.joined().contains("\u{fffd}"))
  }

  @Test func filesAreRotatedBetweenLines() throws {
    let log = try #require(try LogFile(LogDestination(driver: .cri, path: path.string, maxSize: 1000, maxFiles: 3)))
    for number in 0..<100 { log.write(Array("line \(number)\n".utf8)[...], .stdout) }
    #expect(try directoryEntries(of: directory).sorted() == ["log", "log.1", "log.2"])
    var last = -1
    for name in ["log.2", "log.1", "log"] {
      let text = String(decoding: try readFile(directory.appending(name)), as: UTF8.self)
      #expect(text.utf8.count <= 1000)
      for line in text.split(separator: "\n") {
        let number = try #require(Int(line.split(separator: " ").last ?? ""))
        #expect(last == -1 || number == last + 1)
        last = number
      }
    }
    #expect(last == 99)
  }

  @Test func aMovedFileIsBegunAnew() throws {
    let log = try #require(try LogFile(LogDestination(driver: .cri, path: path.string)))
    log.write(Array("before\n".utf8)[...], .stdout)
    rename(path.string, directory.appending("moved").string)
    log.reopen()
    log.write(Array("after\n".utf8)[...], .stdout)
    #expect(withoutTime(String(decoding: try readFile(path), as: UTF8.self)) == "T stdout F after\n")
  }

  @Test func timesAreRFC3339() {
    #expect(Timestamp(seconds: 0, nanoseconds: 1).text == "1970-01-01T00:00:00.000000001Z")
    #expect(Timestamp(seconds: 951_782_400, nanoseconds: 0).text == "2000-02-29T00:00:00.000000000Z")
    #expect(Timestamp(seconds: 4_102_444_799, nanoseconds: 999_999_999).text == "2099-12-31T23:59:59.999999999Z")
  }
}
