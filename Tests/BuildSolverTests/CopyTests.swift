import BuildGraph
import BuildSolver
import Foundation
import Testing

@Suite(.enabled(if: isRoot, "needs root: overlay mounts, owners of files"))
struct CopyTests {
  @Test func aDirectorysContentGoesIntoTheDestination() async throws {
    let bench = try Workbench()
    try bench.write("d/x", "1")
    try bench.write("d/e/y", "2", mode: 0o600)
    try bench.link("d/l", to: "../outside")
    chmod(bench.context.appending("d/e").string, 0o700)
    let built = try await bench.build("FROM scratch\nCOPY d /to\nCOPY d/. /again/\n")
    for base in ["to", "again"] {
      #expect(built.files[base] == "d 755 0:0")
      #expect(built.files["\(base)/x"] == "f 644 0:0 1")
      #expect(built.files["\(base)/e"] == "d 700 0:0")
      #expect(built.files["\(base)/e/y"] == "f 600 0:0 2")
      #expect(built.files["\(base)/l"] == "l ../outside")
    }
  }

  @Test func aFileGoesIntoADirectoryOrUnderANewName() async throws {
    let bench = try Workbench()
    try bench.write("a", "a")
    try bench.write("b", "b")
    let built = try await bench.build(
      """
      FROM scratch
      WORKDIR /w
      COPY a name
      COPY a dir/
      COPY a /w
      COPY a b /both/
      COPY a ./sub/deep/x
      COPY b name
      """
    )
    #expect(built.files["w/name"] == "f 644 0:0 b")
    #expect(built.files["w/dir/a"] == "f 644 0:0 a")
    #expect(built.files["w/a"] == "f 644 0:0 a")
    #expect(built.files["both/a"] != nil && built.files["both/b"] != nil)
    #expect(built.files["w/sub/deep/x"] == "f 644 0:0 a")
  }

  @Test func linksOnTheWayToTheDestinationStayInsideTheImage() async throws {
    let bench = try Workbench()
    try bench.write("f", "new")
    try bench.write("old", "old")
    let outside = bench.root.appending("outside")
    try bench.link("links/absolute", to: "/target")
    try bench.link("links/up", to: "../../../../../../target")
    try bench.link("links/host", to: outside.string)
    try bench.link("links/file", to: "/target/through")
    let built = try await bench.build(
      """
      FROM scratch
      COPY old /target/old
      COPY links /links/
      COPY f /links/absolute/one
      COPY f /links/up/two
      COPY f /links/host/three
      COPY f /links/file
      """)
    #expect(built.files["target/one"] == "f 644 0:0 new")
    #expect(built.files["target/two"] == "f 644 0:0 new")
    #expect(built.files["target/through"] == "f 644 0:0 new")
    #expect(built.files["target/old"] == "f 644 0:0 old")
    #expect(access(outside.string, F_OK) != 0)
    #expect(built.files["links/absolute"] == "l /target")
  }

  @Test func linksOfTheContextCannotLeaveIt() async throws {
    let bench = try Workbench()
    try bench.write("inside/f", "inside")
    try bench.link("absolute", to: "/inside/f")
    try bench.link("up", to: "../../../inside/f")
    try bench.link("passwd", to: "/etc/passwd")
    let built = try await bench.build("FROM scratch\nCOPY absolute /a\nCOPY up /u\nCOPY ../../inside/f /d\n")
    for name in ["a", "u", "d"] { #expect(built.files[name] == "f 644 0:0 inside") }
    await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nCOPY passwd /p\n") }
  }

  @Test func mergesIntoWhatLowerLayersHave() async throws {
    let bench = try Workbench()
    try bench.write("one/d/a", "1")
    try bench.write("two/d/b", "2")
    chmod(bench.context.appending("two/d").string, 0o711)
    let built = try await bench.build("FROM scratch\nCOPY one /r\nCOPY two /r\n")
    #expect(built.files["r/d/a"] != nil && built.files["r/d/b"] != nil)
    // Below the destination, directories take the source's mode.
    #expect(built.files["r/d"] == "d 711 0:0")
  }

  @Test func filesAndDirectoriesDoNotReplaceEachOther() async throws {
    let bench = try Workbench()
    try bench.write("file", "")
    try bench.write("tree/x/inner", "")
    try bench.write("other/x", "")
    let over = await #expect(throws: BuildError.self) {
      try await bench.build("FROM scratch\nCOPY tree /t\nCOPY other /t\n")
    }
    #expect("\(try #require(over))".contains("/t/x"))
    await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nCOPY other /t\nCOPY tree /t\n") }
    await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nCOPY file /t\nCOPY tree /t\n") }
  }

  @Test func ownersAreLookedUpInTheImage() async throws {
    let bench = try Workbench()
    try bench.write("etc/passwd", "root:x:0:0::/:\napp:x:1000:1001::/:\n")
    try bench.write("etc/group", "staff:x:50:\n")
    try bench.write("f", "")
    let base = "FROM scratch\nCOPY etc /etc\n"
    let built = try await bench.build(
      base + "COPY --chown=app f /a/\nCOPY --chown=app:staff f /b\nCOPY --chown=7 f /c\nCOPY --chown=7:staff f /d\n")
    #expect(built.files["a"] == "d 755 1000:1001")
    #expect(built.files["a/f"] == "f 644 1000:1001 ")
    #expect(built.files["b"] == "f 644 1000:50 ")
    #expect(built.files["c"] == "f 644 7:7 ")
    #expect(built.files["d"] == "f 644 7:50 ")
    let error = await #expect(throws: BuildError.self) { try await bench.build(base + "COPY --chown=nobody f /x\n") }
    #expect("\(try #require(error))".contains("nobody"))
  }

  @Test func modesAreOctalOrSymbolic() async throws {
    let bench = try Workbench()
    try bench.write("d/plain", "", mode: 0o640)
    try bench.write("d/program", "", mode: 0o750)
    let built = try await bench.build(
      "FROM scratch\nCOPY --chmod=4755 d/plain /octal\nCOPY --chmod=u=rwX,go=rX d /symbolic\n")
    #expect(built.files["octal"] == "f 4755 0:0 ")
    // What is made on the way stays a directory that one can enter.
    let made = try await bench.build("FROM scratch\nCOPY --chmod=640 d/plain /on/the/way\n")
    #expect(made.files["on/the"] == "d 755 0:0" && made.files["on/the/way"] == "f 640 0:0 ")
    #expect(built.files["symbolic/plain"] == "f 644 0:0 ")
    #expect(built.files["symbolic/program"] == "f 755 0:0 ")
  }

  @Test func wildcardsMatchWithinADirectory() async throws {
    let bench = try Workbench()
    for name in ["a1", "a2", "b1", "sub/a3", "sub/deep/a4", "[x]"] { try bench.write(name, name) }
    let built = try await bench.build("FROM scratch\nCOPY a* /a/\nCOPY s?b/a* /s/\nCOPY none* /n/\nCOPY [[]x] /q/\n")
    #expect(built.files["a/a1"] != nil && built.files["a/a2"] != nil && built.files["a/b1"] == nil)
    #expect(built.files["s/a3"] != nil && built.files["s/a4"] == nil)
    #expect(built.files["q/[x]"] != nil)
  }

  @Test func ignoredFilesAreNotPartOfTheContext() async throws {
    let bench = try Workbench()
    for name in ["keep", "secret", "node/one", "node/two", "logs/x.log", "logs/keep.log", "deep/a.tmp"] {
      try bench.write(name, name)
    }
    try bench.write(".dockerignore", "# comment\nsecret\nnode\n!node/two\n**/*.tmp\nlogs/*.log\n!logs/keep.log\n")
    let built = try await bench.build("FROM scratch\nCOPY . /\n")
    #expect(built.files["keep"] != nil && built.files["secret"] == nil)
    #expect(built.files["node/one"] == nil && built.files["node/two"] != nil)
    #expect(built.files["deep/a.tmp"] == nil)
    #expect(built.files["logs/x.log"] == nil && built.files["logs/keep.log"] != nil)
    let error = await #expect(throws: BuildError.self) { try await bench.build("FROM scratch\nCOPY secret /\n") }
    #expect("\(try #require(error))".contains(".dockerignore"))
  }

  @Test func aStagesHardLinksAndAttributesAreKept() async throws {
    let bench = try Workbench()
    let first = try bench.write("bin/one", "program", mode: 0o755)
    let second = bench.context.appending("bin/two").string
    #expect(Foundation.link(first.string, second) == 0)
    let built = try await bench.build(
      """
      FROM scratch AS s
      COPY --chown=5:6 bin /bin
      FROM scratch
      COPY --from=s /bin /bin
      COPY --from=0 /bin/one /three
      """
    )
    #expect(built.files["bin/one"] == "f 755 5:6 program")
    #expect(built.files["bin/two"] == "f 755 5:6 program")
    #expect(built.files["three"] == "f 755 5:6 program")
    #expect(built.manifest.layers.count == 2)
  }

  @Test func heredocsBecomeFiles() async throws {
    let bench = try Workbench()
    let built = try await bench.build(
      """
      FROM scratch
      ARG V=x
      COPY <<one <<"two" /d/
      v=$V
      one
      v=$V
      two
      COPY --chmod=755 <<EOF /run.sh
      #!/bin/sh
      EOF
      """
    )
    #expect(built.files["d/one"] == "f 644 0:0 v=x\n")
    #expect(built.files["d/two"] == "f 644 0:0 v=$V\n")
    #expect(built.files["run.sh"] == "f 755 0:0 #!/bin/sh\n")
  }

  @Test func filesOfAllSizesAndNamesArriveWhole() async throws {
    let bench = try Workbench()
    let sizes = [0, 1, 4095, 4096, 262_143, 262_144, 262_145, 1_000_000]
    for size in sizes { try bench.write("many/s\(size)", String(repeating: "x", count: size)) }
    for number in 0..<600 { try bench.write("many/d\(number % 7)/ü \(number)", "\(number)") }
    let built = try await bench.build("FROM scratch\nCOPY many /many\n")
    for size in sizes { #expect(built.files["many/s\(size)"]?.utf8.count == size + "f 644 0:0 ".utf8.count) }
    for number in 0..<600 { #expect(built.files["many/d\(number % 7)/ü \(number)"] == "f 644 0:0 \(number)") }
  }
}
