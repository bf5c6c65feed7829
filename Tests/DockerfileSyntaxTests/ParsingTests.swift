import DockerfileSyntax
import Testing

@Suite("parsing a Dockerfile") struct ParsingTests {
  private func parse(_ text: String) throws -> Dockerfile { try Dockerfile(parsing: text, file: "Dockerfile") }

  private func instructions(_ text: String) throws -> [Instruction.Kind] {
    try parse("FROM scratch\n" + text).stages[0].instructions.map(\.kind)
  }

  private func error(_ text: String) -> String {
    do {
      _ = try parse(text)
      return ""
    } catch { return "\(error)" }
  }

  @Test func directivesStandBeforeEverythingElse() throws {
    let file = try parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM scratch\nRUN a `\n  b\n")
    #expect(file.directives.syntax == "docker/dockerfile:1")
    #expect(file.directives.escape == UInt8(ascii: "`"))
    guard case .run(let run) = file.stages[0].instructions[0].kind, case .command(.shell(let text)) = run.body else {
      Issue.record("no RUN")
      return
    }
    #expect(text.split(separator: " ").joined(separator: " ") == "a b")
    // After a comment it is a comment.
    #expect(try parse("# a comment\n# escape=`\nFROM scratch\n").directives.escape == UInt8(ascii: "\\"))
  }

  @Test func continuedLinesMayHoldCommentsAndEmptyLines() throws {
    let kinds = try instructions("RUN one && \\\n# a comment\n\n  two && \\\n   # another\n  three\n")
    guard case .run(let run) = kinds[0], case .command(.shell(let text)) = run.body else {
      Issue.record("no RUN")
      return
    }
    #expect(text.split(separator: " ").joined(separator: " ") == "one && two && three")
    #expect(kinds.count == 1)
  }

  @Test func instructionsAreCaseInsensitive() throws {
    #expect(try parse("from scratch as Base\nrun x\n").stages[0].name == "base")
    #expect(try instructions("workdir /x\n") == [.workdir("/x")])
  }

  @Test func bothFormsOfCommands() throws {
    #expect(
      try instructions("CMD [\"a\", \"b c\"]\nCMD a b\nENTRYPOINT [ \"x\" ]\n") == [
        .cmd(.exec(["a", "b c"])), .cmd(.shell("a b")), .entrypoint(.exec(["x"])),
      ])
    // What is no valid JSON is a shell's.
    #expect(try instructions("CMD ['a', 'b']\n") == [.cmd(.shell("['a', 'b']"))])
  }

  @Test func environmentAndLabelsHaveTwoForms() throws {
    #expect(
      try instructions("ENV A=1 B=\"two words\" C=a\\ b\nENV D some words\n").count == 2)
    guard case .env(let pairs) = try instructions("ENV D some words\n")[0] else {
      Issue.record("no ENV")
      return
    }
    #expect(pairs.count == 1 && pairs[0].key == "D")
    guard case .env(let several) = try instructions("ENV A=1 B=2 \\\n C=3\n")[0] else {
      Issue.record("no ENV")
      return
    }
    #expect(several.map(\.key) == ["A", "B", "C"])
  }

  @Test func heredocsBecomeCommandsScriptsAndFiles() throws {
    let kinds = try instructions(
      "RUN <<EOF\necho one\necho two\nEOF\nRUN <<PY python3\nprint(1)\nPY\nCOPY <<a.txt <<'b.txt' /dir/\n$A\na.txt\n$B\nb.txt\n")
    #expect(kinds.count == 3)
    guard case .copy(let copy) = kinds[2] else {
      Issue.record("no COPY")
      return
    }
    #expect(copy.files.map(\.content) == ["$A\n", "$B\n"])
    #expect(copy.files.map(\.expands) == [true, false])
    #expect(copy.destination == "/dir/")
    guard case .run(let script) = try instructions("RUN <<EOF\n#!/bin/awk -f\nBEGIN {}\nEOF\n")[0], case .script(_, let content) = script.body
    else {
      Issue.record("no script")
      return
    }
    #expect(content == "#!/bin/awk -f\nBEGIN {}\n")
    guard case .copy(let tabs) = try instructions("COPY <<-X /f\n\t\tindented\n\tX\n")[0] else {
      Issue.record("no COPY")
      return
    }
    #expect(tabs.files.map(\.text) == ["indented\n"])
  }

  @Test func copyTakesItsFlags() throws {
    guard case .copy(let copy) = try instructions("COPY --from=build --chown=app:app --chmod=u+x a b /c/\n")[0] else {
      Issue.record("no COPY")
      return
    }
    #expect(copy.from == "build" && copy.chown == "app:app" && copy.chmod == "u+x")
    #expect(copy.sources == ["a", "b"] && copy.destination == "/c/")
    guard case .add(let add) = try instructions("ADD --checksum=sha256:ab [\"a b\", \"/c\"]\n")[0] else {
      Issue.record("no ADD")
      return
    }
    #expect(add.checksum == "sha256:ab" && add.sources == ["a b"])
  }

  @Test func healthchecksHaveDurations() throws {
    guard
      case .healthcheck(let check?) = try instructions(
        "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2s --retries=4 CMD curl x\n")[0]
    else {
      Issue.record("no HEALTHCHECK")
      return
    }
    #expect(check.interval == 90_000_000_000 && check.timeout == 500_000_000 && check.startPeriod == 2_000_000_000)
    #expect(check.retries == 4 && check.command == .shell("curl x"))
    #expect(try instructions("HEALTHCHECK NONE\n") == [.healthcheck(nil)])
  }

  @Test(arguments: [
    ("FROM scratch\nRUM true\n", ["Dockerfile:2", "RUM", "RUN"]),
    ("FROM scratch\n\nCOPY --chwon=1 a b\n", ["Dockerfile:3", "--chwon", "--chown"]),
    ("RUN true\n", ["Dockerfile:1", "FROM"]),
    ("", ["empty"]),
    ("FROM scratch\nRUN --mount=type=cache,target=/x true\n", ["Dockerfile:2", "--mount"]),
    ("FROM scratch\nCOPY --link a b\n", ["Dockerfile:2", "--link"]),
    ("FROM scratch\nRUN <<EOF\nno end\n", ["EOF"]),
    ("FROM scratch\nCOPY a\n", ["Dockerfile:2", "COPY"]),
    ("FROM\n", ["Dockerfile:1", "FROM"]),
    ("FROM scratch\nONBUILD ONBUILD RUN x\n", ["Dockerfile:2", "ONBUILD"]),
  ])
  func errorsSayWhereAndWhat(text: String, words: [String]) {
    let message = error(text)
    for word in words { #expect(message.contains(word), "\(message)") }
  }
}

@Suite("substitution") struct SubstitutionTests {
  static let variables = ["A": "one", "EMPTY": "", "PATH_": "/usr/local/bin", "F": "foobarbar"]

  @Test(arguments: [
    ("$A", "one"), ("${A}", "one"), ("x${A}y", "xoney"), ("$NONE", ""), ("${NONE:-word}", "word"), ("${EMPTY:-word}", "word"),
    ("${EMPTY-word}", ""), ("${NONE-word}", "word"), ("${A:+set}", "set"), ("${EMPTY:+set}", ""), ("${EMPTY+set}", "set"),
    ("${NONE:-${A}}", "one"), ("\\$A", "$A"), ("'$A'", "$A"), ("\"$A b\"", "one b"), ("${F#foo}", "barbar"), ("${F%bar}", "foobar"),
    ("${F%%bar*}", "foo"), ("${F##*o}", "barbar"), ("${F/bar/x}", "fooxbar"), ("${F//bar/x}", "fooxx"), ("a\\ b", "a b"),
  ])
  func followsTheReference(text: String, expected: String) throws {
    #expect(try ShellLexer().word(text, Self.variables) == expected)
  }

  @Test func wordsAreSplitAfterSubstitutionOnlyWhereTheyAreNotQuoted() throws {
    let variables = ["TWO": "a b"]
    #expect(try ShellLexer().words("x \"$TWO\" y", variables) == ["x", "a b", "y"])
  }

  @Test(arguments: ["${A", "${A:?why}x${NONE:?why}", "${NONE?}", "\"open", "${A:*x}"])
  func mistakesAreErrors(text: String) {
    #expect(throws: ExpansionError.self) { try ShellLexer().word(text, Self.variables) }
  }
}

@Suite(".dockerignore") struct IgnoreFileTests {
  @Test(arguments: [
    ("*.log", "a.log", true), ("*.log", "dir/a.log", false), ("**/*.log", "dir/deep/a.log", true), ("**/*.log", "a.log", true),
    ("node_modules", "node_modules/x/y", true), ("/build", "build", true), ("./build/", "build", true),
    ("# comment\nx", "x", true), ("#x", "#x", false), ("a?c", "abc", true), ("[a-c]", "b", true),
    ("*\n!keep", "keep", false), ("*\n!keep", "other", true), ("dir\n!dir/keep", "dir/keep", false), ("dir\n!dir/keep", "dir/x", true),
    ("*\n!keep\nkeep", "keep", true), ("  spaced  ", "spaced", true), ("a/../b", "b", true), ("", "x", false),
  ])
  func followsDocker(patterns: String, path: String, ignored: Bool) throws {
    #expect(try IgnoreFile(parsing: patterns, file: ".dockerignore").ignores(path) == ignored)
  }

  @Test func aBadPatternIsAnErrorWithItsFile() {
    #expect(throws: IgnoreFileError.self) { try IgnoreFile(parsing: "[", file: ".dockerignore") }
  }
}
