import BuildGraph
import BuildSolver
import Foundation
import Kernel
import Testing

@Suite(.enabled(if: isRoot, "needs root: overlay mounts, owners of files"))
struct CacheTests {
  private static let dockerfile = "FROM scratch\nCOPY a /a\nWORKDIR /w\nCOPY d /d\nLABEL x=y\n"

  private func bench() throws -> Workbench {
    let bench = try Workbench()
    try bench.write("a", "a")
    try bench.write("d/x", "x")
    return bench
  }

  @Test func theSameFilesGiveTheSameImageWithoutAStepMade() async throws {
    let bench = try bench()
    let first = try await bench.build(Self.dockerfile)
    #expect(first.done == ["COPY a /a", "WORKDIR /w", "COPY d /d"])
    // Neither the date of a file nor its inode is content.
    try bench.write("a", "a")
    utimes(bench.context.appending("d/x").string, nil)
    let second = try await bench.build(Self.dockerfile)
    #expect(second.cached == first.done && second.done.isEmpty)
    #expect(second.image.id == first.image.id && second.image.manifest == first.image.manifest)
  }

  @Test func contentModeAndNameAreWhatFilesAre() async throws {
    let bench = try bench()
    _ = try await bench.build(Self.dockerfile)
    try bench.write("d/x", "y")
    let content = try await bench.build(Self.dockerfile)
    #expect(content.cached == ["COPY a /a", "WORKDIR /w"] && content.done == ["COPY d /d"])
    #expect(content.files["d/x"] == "f 644 0:0 y")
    chmod(bench.context.appending("d/x").string, 0o600)
    #expect(try await bench.build(Self.dockerfile).done == ["COPY d /d"])
    try bench.write("d/new", "")
    #expect(try await bench.build(Self.dockerfile).done == ["COPY d /d"])
    try removeTree(bench.context.appending("d/new"))
    chmod(bench.context.appending("d/x").string, 0o644)
    try bench.write("d/x", "x")
    // What was made before the changes is still known.
    #expect(try await bench.build(Self.dockerfile).done == [])
  }

  @Test func aChangeOfTheSameSizeRightAfterABuildIsSeen() async throws {
    let bench = try bench()
    for number in 0..<20 {
      try bench.write("a", "\(number % 10)")
      #expect(try await bench.build("FROM scratch\nCOPY a /a\n").files["a"] == "f 644 0:0 \(number % 10)")
    }
  }

  @Test func stepsAboveAChangedOneAreMadeAnew() async throws {
    let bench = try bench()
    _ = try await bench.build(Self.dockerfile)
    try bench.write("a", "other")
    #expect(try await bench.build(Self.dockerfile).cached == [])
  }

  @Test func noCacheMakesAllAndKeepsIt() async throws {
    let bench = try bench()
    let first = try await bench.build(Self.dockerfile)
    let second = try await bench.build(Self.dockerfile) { $0.noCache = true }
    #expect(second.done == first.done)
    #expect(try await bench.build(Self.dockerfile).done == [])
  }

  @Test func aStageThatComesOutTheSameKeepsWhatFollows() async throws {
    let bench = try bench()
    let dockerfile = "FROM scratch AS s\nCOPY d /d\nCOPY a /used\nFROM scratch\nCOPY --from=s /used /used\nWORKDIR /w\n"
    _ = try await bench.build(dockerfile)
    try bench.write("d/x", "changed")
    let second = try await bench.build(dockerfile)
    #expect(second.done == ["COPY d /d", "COPY a /used"])
    #expect(second.cached == ["COPY --from=s /used /used", "WORKDIR /w"])
  }

  @Test func stepsAfterACopyFromAStageAreFoundAgain() async throws {
    let bench = try bench()
    let dockerfile =
      "FROM scratch AS s\nCOPY a /a\nCOPY d /d\nFROM scratch\nCOPY --from=s /a /a\nCOPY --from=s /d /d\nWORKDIR /w\n"
    let first = try await bench.build(dockerfile)
    for _ in 0..<2 {
      let again = try await bench.build(dockerfile)
      #expect(again.done == [] && again.image.id == first.image.id)
    }
  }

  @Test func onlyStagesThatTheTargetNeedsAreBuilt() async throws {
    let bench = try bench()
    let dockerfile =
      "FROM scratch AS one\nCOPY a /one\nFROM scratch AS two\nCOPY missing /two\nFROM one\nCOPY a /three\n"
    #expect(try await bench.build(dockerfile).done == ["COPY a /one", "COPY a /three"])
    let target = try await bench.build(dockerfile) { $0.request.target = "one" }
    #expect(target.files["one"] != nil && target.files["three"] == nil)
    await #expect(throws: BuildError.self) { try await bench.build(dockerfile) { $0.request.target = "two" } }
  }

  @Test func twoStagesThatNeedTheSameStepGetItOnce() async throws {
    let bench = try bench()
    let built = try await bench.build(
      """
      FROM scratch AS one
      COPY d /d
      FROM scratch AS two
      COPY d /d
      FROM scratch
      COPY --from=one /d /one
      COPY --from=two /d /two
      """
    )
    #expect(built.done.filter { $0 == "COPY d /d" }.count == 1)
  }

  @Test func anEpochMakesImagesOfDifferentStoresTheSame() async throws {
    var images: [String] = []
    for _ in 0..<2 {
      let bench = try bench()
      let built = try await bench.build(Self.dockerfile) { $0.epoch = 1_700_000_000 }
      #expect(built.config.created == "2023-11-14T22:13:20Z")
      images.append("\(built.image.manifest.digest)")
      try await Task.sleep(for: .milliseconds(1100))
    }
    #expect(images[0] == images[1])
  }
}
