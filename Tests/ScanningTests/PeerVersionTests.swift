import Foundation
import Testing

@testable import Scanning

/// Whole schemes against the programs whose order they are.
@Suite struct PeerVersionTests {
  /// Versions of a generator without chance: the same in every run.
  private static func versions(_ pieces: [String], count: Int) -> [String] {
    var state: UInt64 = 42
    func next(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    return (0..<count).map { _ in "1" + (0...next(5)).map { _ in pieces[next(pieces.count)] }.joined() }
  }

  private static func run(_ program: [String], input: String) throws -> [String]? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = program
    let (standardInput, standardOutput) = (Pipe(), Pipe())
    (process.standardInput, process.standardOutput) = (standardInput, standardOutput)
    try process.run()
    // Beside the reading: neither side waits for the other with a full pipe.
    let writer = Thread {
      // A program that is not what it should be may end before it has read all of it.
      try? standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
      try? standardInput.fileHandleForWriting.close()
    }
    writer.start()
    let output = standardOutput.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  private func compare(_ scheme: VersionScheme, _ versions: [String], _ peer: [String]) throws {
    let pairs = zip(versions, versions.dropFirst())
    let input = pairs.map { "\($0) \($1)\n" }.joined()
    guard let answers = try Self.run(peer, input: input) else {
      print("SKIPPED: order of \(scheme) versions against \(peer[0]): it is not installed")
      return
    }
    #expect(answers.count == versions.count - 1)
    for ((left, right), answer) in zip(pairs, answers) {
      #expect(scheme.compare(left, right).signum() == Int(answer), "\(left) \(right)")
    }
  }

  @Test func ordersAsDpkg() throws {
    let script = """
      command -v dpkg > /dev/null || exit 1
      while read a b; do
        if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0
        else echo 1; fi
      done
      """
    let versions = Self.versions(
      [".", "1", "09", "a", "Z", "~", "~rc", "+b", "-1", "-0ubuntu2", "10", ".0"], count: 300)
    try compare(.debian, versions.map { $0.hasSuffix("-") ? $0 + "1" : $0 }, ["sh", "-c", script])
  }

  @Test func ordersAsPyPA() throws {
    let script = """
      import sys
      try: from packaging.version import Version, InvalidVersion
      except ImportError: sys.exit(1)
      for line in sys.stdin:
        keys = []
        for text in line.split():
          try: keys.append((1, Version(text), ""))
          except InvalidVersion: keys.append((0, 0, text))
        print((keys[0] > keys[1]) - (keys[0] < keys[1]))
      """
    let pieces = [
      ".1", ".0", "a1", "b", "rc2", ".post1", "-2", ".dev3", "+l.1", "+9", "c", "_pre", ".10", "dev", "r4", "!2",
    ]
    try compare(.python, Self.versions(pieces, count: 3000), ["python3", "-c", script])
  }

  @Test func ordersAsRPM() throws {
    let script =
      "%{lua: for line in io.lines() do local a, b = line:match('(%S+) (%S+)'); print(rpm.vercmp(a, b) .. '\\n') end}"
    let pieces = [".", "1", "09", "a", "Z", "~", "~rc1", "^", "^git", "+b", "_2", "10", ".0", ".b", "~~", "^^"]
    try compare(.rpm, Self.versions(pieces, count: 3000), ["rpm", "--eval", script])
  }

  @Test func ordersAsRubyGems() throws {
    let script = """
      module Gem; end
      require 'rubygems/version'
      STDIN.each_line { |line| a, b = line.split.map { |v| Gem::Version.new(v) }; puts a <=> b }
      """
    let pieces = [".1", ".0", ".a", ".b2", ".pre", "-1", ".10", ".rc", ".0.0", "-a"]
    try compare(.gem, Self.versions(pieces, count: 3000).map(Self.withOneHyphen), ["ruby", "-e", script])
  }

  /// A gem's version has one hyphen at most.
  private static func withOneHyphen(_ version: String) -> String {
    let parts = version.split(separator: "-", maxSplits: 1)
    return parts.count == 2 ? "\(parts[0])-\(parts[1].replacing("-", with: "."))" : version
  }

  @Test func ordersAsNpm() throws {
    let script = """
      const path = require('path'), fs = require('fs')
      const roots = [path.join(path.dirname(fs.realpathSync(process.argv[0])), '../lib/node_modules'), '/usr/lib/node_modules', '/usr/share/nodejs']
      const found = roots.flatMap(r => [r + '/npm/node_modules/semver', r + '/semver']).find(fs.existsSync)
      if (!found) process.exit(1)
      const semver = require(found)
      for (const line of fs.readFileSync(0, 'utf8').trim().split('\\n')) console.log(semver.compare(...line.split(' ')))
      """
    let pieces = ["-a", "-1", "-rc.1", "-rc.a.2", "+b", "-a-b.10", "-0"]
    let versions = Self.versions(["0", "9", "11"], count: 2000).enumerated().map { index, digits in
      "\(digits.prefix(2)).\(index % 3).\(digits.count)" + (index % 2 == 0 ? pieces[index / 2 % pieces.count] : "")
    }
    try compare(.semantic, versions, ["node", "-e", script])
  }

  @Test func ordersAsMaven() throws {
    let jars = ["/usr/share/java/maven3-artifact.jar", "/usr/share/java/commons-lang3.jar"]
    guard jars.allSatisfy(FileManager.default.fileExists) else {
      return print("SKIPPED: order of maven versions: Maven is not installed (Debian: libmaven3-core-java)")
    }
    let pieces = [
      ".1", ".0", "-alpha", "-1", "a1", ".Final", "-SNAPSHOT", ".foo", "-bar", "rc", ".10", "-ga", "-sp", "x",
    ]
    let versions = Self.versions(pieces, count: 1500)
    let command = [
      "java", "-XX:-UsePerfData", "-cp", jars.joined(separator: ":"),
      "org.apache.maven.artifact.versioning.ComparableVersion",
    ]
    guard let lines = try Self.run(command + versions, input: "") else {
      return print("SKIPPED: order of maven versions: java fails")
    }
    // `   1.0 < 1.1`
    let answers = lines.compactMap { line -> Int? in
      let words = line.split(separator: " ")
      return words.count == 3 ? ["<": -1, "==": 0, ">": 1][words[1]] : nil
    }
    #expect(answers.count == versions.count - 1)
    for ((left, right), answer) in zip(zip(versions, versions.dropFirst()), answers) {
      #expect(VersionScheme.maven.compare(left, right).signum() == answer, "\(left) \(right)")
    }
  }
}
