import DockerfileSyntax
import Testing

@Suite("lines, heredocs and forms, as docker reads them") struct FormatTests {
  private func kinds(_ text: String) throws -> [Instruction.Kind] {
    try Dockerfile(parsing: "FROM scratch\n" + text, file: "Dockerfile").stages[0].instructions.map(\.kind)
  }

  private func shell(_ text: String) throws -> String? {
    guard case .run(let run) = try kinds(text).first, case .command(.shell(let command)) = run.body else { return nil }
    return command
  }

  private func error(_ text: String) -> String {
    do {
      _ = try Dockerfile(parsing: text, file: "Dockerfile")
      return "none"
    } catch { return "\(error)" }
  }

  // MARK: - Lines

  @Test(arguments: [
    ("RUN a \\\n b\n", "a  b"), ("RUN a \\  \n b\n", "a  b"), ("RUN a\\\nb\n", "ab"), ("RUN a \\\r\n b\r\n", "a  b"),
    ("RUN a \\\n\n\n b\n", "a  b"),
    ("RUN a \\\n#c\n  #d\n b\n", "a  b"), ("RUN a \\", "a"), ("RUN a \\\n", "a"), ("RUN a \\\\\n", "a \\\\"),
    ("RUN \\\n\\\na\n", "a"),
    ("   RUN a\n", "a"), ("RUN a # b\n", "a # b"), ("RUN echo '#' \\\n x\n", "echo '#'  x"),
  ])
  func continuation(text: String, command: String) throws { #expect(try shell(text) == command) }

  @Test func linesAreCountedFromTheFirstToTheLast() throws {
    let file = try Dockerfile(parsing: "# c\n\nFROM a\nRUN x \\\n# c\n y\nRUN <<E\nz\nE\nUSER u\n", file: "F")
    let ranges = file.stages[0].instructions.map { [$0.location.firstLine, $0.location.lastLine] }
    #expect(ranges == [[4, 6], [7, 9], [10, 10]] && file.stages[0].location.firstLine == 3)
  }

  @Test(
    arguments: [
      ("# escape=`\nFROM a\n", UInt8(ascii: "`")), ("#  EsCaPe = ` \nFROM a\n", UInt8(ascii: "`")),
      ("\n# escape=`\nFROM a\n", UInt8(ascii: "\\")),
      ("# unknown=x\n# escape=`\nFROM a\n", UInt8(ascii: "\\")), ("FROM a\n# escape=`\n", UInt8(ascii: "\\")),
      ("\u{feff}# escape=`\nFROM a\n", UInt8(ascii: "`")),
      ("# syntax=docker/dockerfile:1\n# escape=`\nFROM a\n", UInt8(ascii: "`")),
    ] as [(String, UInt8)])
  func directives(text: String, escape: UInt8) throws {
    #expect(try Dockerfile(parsing: text, file: "F").directives.escape == escape)
  }

  @Test(arguments: [
    ("# escape=x\nFROM a\n", "escape"), ("# escape=`\n# escape=`\nFROM a\n", "only one escape"),
    ("# syntax=example/other:1\nFROM a\n", "frontend"),
    ("# check=nope=1\nFROM a\n", "check"), ("# check=error=maybe\nFROM a\n", "check"),
  ])
  func badDirectives(text: String, word: String) {
    #expect(error(text).contains(word) && error(text).hasPrefix("Dockerfile:"))
  }

  @Test(arguments: ["skip=all", "skip=StageNameCasing,NewerThanThis;error=true", "experimental=all", "error=0"])
  func checksAreRead(check: String) throws {
    #expect(try Dockerfile(parsing: "# check=\(check)\nFROM a\n", file: "F").directives.check == check)
  }

  // MARK: - Heredocs

  @Test func severalHeredocsOfOneCommandAreTheShells() throws {
    #expect(try shell("RUN cat <<A - <<'B'\na\nA\n$b\nB\n") == "cat <<A - <<'B'\na\nA\n$b\nB")
    #expect(try shell("RUN <<E bash\nx\nE\n") == "<<E bash\nx\nE")
    #expect(try shell("RUN 3<<E cat <&3\nx\nE\n") == "3<<E cat <&3\nx\nE")
  }

  @Test func oneHeredocAloneIsTheScript() throws {
    #expect(try shell("RUN <<-E\n\tx\n\t\ty\n\tE\n") == "x\ny\n")
    #expect(
      try shell("RUN --network=none <<\"E\"\n# not a comment\n\nx \\\n  y\nE\n") == "# not a comment\n\nx \\\n  y\n")
    #expect(try shell("RUN <<E\nE\n") == "")
  }

  @Test(arguments: [
    "RUN echo '<<E'\n", "RUN echo \"<<E\"\n", "RUN echo \\<<E\n", "RUN cat <<<E\n", "RUN echo a<<E\n", "CMD cat <<E\n",
    "RUN [\"cat\", \"<<E\"]\n",
  ])
  func whatAnnouncesNoHeredoc(text: String) throws { #expect(try kinds(text).count == 1) }

  @Test(arguments: [("<<E", true), ("<<'E'", false), ("<<\"E\"", false), ("<<-E", true), ("<<E\\X", false)])
  func onlyAPlainNameLetsVariablesIn(word: String, expands: Bool) throws {
    let name = word == "<<E\\X" ? "EX" : "E"
    guard case .copy(let copy) = try kinds("COPY \(word) /x\na\n\(name)\n")[0] else {
      Issue.record("no COPY")
      return
    }
    #expect(copy.files.map(\.expands) == [expands] && copy.files.map(\.name) == [name] && copy.sources.isEmpty)
  }

  @Test func sourcesAndHeredocsMix() throws {
    guard case .add(let add) = try kinds("ADD --chmod=644 a <<b c /d/\nB\nb\n")[0] else {
      Issue.record("no ADD")
      return
    }
    #expect(add.sources == ["a", "c"] && add.files.map(\.name) == ["b"] && add.chmod == "644")
    #expect(error("FROM a\nCOPY a <<b\nB\nb\n").contains("destination"))
  }

  // MARK: - Forms

  @Test(
    arguments: [
      (#"["a"]"#, .exec(["a"])), (#" [ "a" , "b" ] "#, .exec(["a", "b"])), ("[]", .exec([])),
      (#"["\u00e9\n\/\ud83d\ude00"]"#, .exec(["é\n/😀"])),
      (#"["a",]"#, .shell(#"["a",]"#)), ("['a']", .shell("['a']")), ("[ -f x ]", .shell("[ -f x ]")),
      (#"["a"] b"#, .shell(#"["a"] b"#)), ("", .shell("")),
      (#"["a\x"]"#, .shell(#"["a\x"]"#)),
    ] as [(String, CommandLine)])
  func execFormIsJSONAndNothingElse(text: String, expected: CommandLine) throws {
    #expect(try kinds("CMD \(text)\n") == [.cmd(expected)])
  }

  @Test(arguments: ["[1]", #"["a", null]"#, #"["a", {"b": [true]}]"#, #"[["a"]]"#])
  func arraysOfSomethingElseAreErrors(text: String) { #expect(error("FROM a\nCMD \(text)\n").contains("strings only")) }

  @Test(arguments: [
    ("ENV A b c", [["A", "b c"]]), ("ENV A=b c=d", [["A", "b"], ["c", "d"]]), ("ENV A b=c", [["A", "b=c"]]),
    ("ENV A= b=", [["A", ""], ["b", ""]]),
    ("ENV A='x y' B=\"z\"", [["A", "'x y'"], ["B", "\"z\""]]), ("ENV A=x\\ y", [["A", "x\\ y"]]),
    ("ENV A=b=c", [["A", "b=c"]]),
    ("ENV ONE TWO= THREE=world", [["ONE", "TWO= THREE=world"]]),
  ])
  func pairs(text: String, expected: [[String]]) throws {
    guard case .env(let pairs) = try kinds(text + "\n")[0] else {
      Issue.record("no ENV")
      return
    }
    #expect(pairs.map { [$0.key, $0.value] } == expected)
  }

  @Test(arguments: [
    ("ENV A", "two arguments"), ("ENV", "at least one"), ("ENV A=1 B", "name=value"), ("LABEL =x", "blank"),
    ("ARG =x", "blank"), ("ARG", "at least one"),
    ("WORKDIR", "exactly one"), ("USER", "exactly one"), ("EXPOSE", "at least one"), ("VOLUME []", "at least one"),
    ("VOLUME [\"\"]", "empty"),
    ("SHELL /bin/sh", "JSON"), ("SHELL []", "at least one"), ("RUN", "at least one"), ("RUN []", "at least one"),
    ("COPY [\"a\"]", "two arguments"),
    ("COPY --from= a b", "--from"), ("COPY --from=$x a b", "variables"), ("COPY --from a b", "value"),
    ("COPY --chown=a --chown=b a b", "twice"),
    ("HEALTHCHECK", "NONE"), ("HEALTHCHECK NONE x", "no arguments"), ("HEALTHCHECK CMD", "command"),
    ("HEALTHCHECK RUN x", "RUN"),
    ("HEALTHCHECK --interval=1 CMD x", "--interval"), ("HEALTHCHECK --interval=1us CMD x", "1ms"),
    ("HEALTHCHECK --retries=-1 CMD x", "--retries"),
    ("HEALTHCHECK --retrys=1 CMD x", "--retries"), ("ONBUILD", "at least one"), ("ONBUILD FROM x", "FROM"),
    ("ONBUILD MAINTAINER x", "MAINTAINER"),
    ("ONBUILD RUNN x", "RUN"), ("CMD --help", "unknown flag"), ("RUN --network=bridge x", "--network"),
    ("FROM a AS 1x", "name"), ("FROM a b", "FROM"),
    ("FROM --platfrom=x a", "--platform"),
  ])
  func mistakesHaveTheirLine(text: String, word: String) {
    let message = error("FROM a\n\(text)\n")
    #expect(message.hasPrefix("Dockerfile:2: ") && message.contains(word), "\(message)")
  }

  @Test(arguments: [
    "RUN --mount=type=bind,target=/a --mount=type=tmpfs,target=/b x", "RUN --security=insecure x", "RUN --device=a x",
    "COPY --link a b",
    "COPY --parents a b", "COPY --exclude=a --exclude=b c d", "ADD --link a b", "ADD --keep-git-dir a b",
    "ADD --exclude=x a b",
  ])
  func whatIsNotDoneIsRefusedByName(text: String) {
    let message = error("FROM a\n\(text)\n")
    let flag = text.split(separator: " ")[1].prefix { $0 != "=" }
    #expect(message.contains("\(flag) is not supported"), "\(message)")
  }

  @Test func flagsThatAskForTheUsualAreTaken() throws {
    #expect(try kinds("COPY --link=false --parents=false a b\n").count == 1)
    #expect(try shell("RUN --network=default -- --x\n") == "--x")
  }

  @Test(
    arguments: [
      ("RNU x", "RUN"), ("COYP a b", "COPY"), ("FORM a", "FROM"), ("ENTRYPONT x", "ENTRYPOINT"),
      ("WORKDIRECTORY /x", nil), ("XYZZY", nil),
      ("EXPORT 80", "EXPOSE"),
    ] as [(String, String?)])
  func unknownInstructionsAreNamedWithTheNearest(text: String, nearest: String?) {
    let message = error("FROM a\n\(text)\n")
    #expect(message.hasPrefix("Dockerfile:2: unknown instruction: "))
    #expect(message.contains("did you mean \(nearest ?? "")") == (nearest != nil), "\(message)")
  }

  @Test func stagesAreFoundByNameBeforeNumber() throws {
    let file = try Dockerfile(parsing: "FROM a AS one\nFROM b AS One\nFROM c\n", file: "F")
    // Of two with one name it is the later one.
    #expect(file.stage("ONE")?.index == 1 && file.stage("0")?.index == 0 && file.stage("2")?.displayName == "stage-2")
    #expect(file.stage("3") == nil && file.stage("-1") == nil && file.stage("tow") == nil)
  }

  @Test(
    arguments: [("1h30m", 5_400_000_000_000), ("1.5s", 1_500_000_000), ("300ms", 300_000_000), ("0", 0)]
      as [(String, Int64)])
  func durationsAreGos(text: String, nanoseconds: Int64) throws {
    guard case .healthcheck(let check?) = try kinds("HEALTHCHECK --start-interval=\(text) CMD [\"a\"]\n")[0] else {
      Issue.record("no HEALTHCHECK")
      return
    }
    #expect(check.startInterval == nanoseconds && check.command == .exec(["a"]))
  }

  @Test(arguments: [
    ("a//b/./c/", "a/b/c"), ("/../a", "/a"), ("a/../..", ".."), ("", "."), ("/", "/"), ("../a/..", ".."),
    ("a/\u{301}b/../c", "a/c"),
  ])
  func pathsAreGos(path: String, clean: String) { #expect(cleanPath(path) == clean) }
}
