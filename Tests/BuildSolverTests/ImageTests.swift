import BuildGraph
import BuildSolver
import Foundation
import ImageSpec
import Kernel
import SystemPackage
import Testing

@Suite(.enabled(if: isRoot, "needs root: overlay mounts, owners of files"))
struct ImageTests {
  @Test func theImageSaysHowItWasMade() async throws {
    let bench = try Workbench()
    try bench.write("a", "")
    let built = try await bench.build(
      """
      FROM scratch
      COPY a /a
      ENV A=b
      EXPOSE 80
      USER 7
      ENTRYPOINT ["/a"]
      CMD ["x"]
      VOLUME /v
      STOPSIGNAL SIGINT
      """,
      names: ["app:1", "other/app"]
    ) { $0.request.labels = ["l": "m"] }
    let config = try #require(built.config.config)
    #expect(config.env?.contains("A=b") ?? false)
    #expect(config.exposedPorts?.keys.sorted() == ["80/tcp"])
    #expect(config.user == "7" && config.entrypoint == ["/a"] && config.cmd == ["x"] && config.stopSignal == "SIGINT")
    #expect(config.labels == ["l": "m"])
    #expect(built.config.rootfs.diffIDs == built.manifest.layers.map(\.digest))
    #expect(built.manifest.layers.allSatisfy { $0.mediaType == .layer })
    #expect(built.config.history?.map { $0.emptyLayer ?? false } == [false] + Array(repeating: true, count: 7))
    for name in ["app:1", "other/app:latest"] {
      #expect(try bench.content.resolve(Reference(parsing: name)) == built.image.manifest)
    }
  }

  @Test func aBaseImagesLayersAndHistoryAreKept() async throws {
    let bench = try Workbench()
    try bench.write("a", "1")
    let base = try await bench.build("FROM scratch\nCOPY a /base\nENV BASE=1\nCMD [\"base\"]\n", names: ["base:1"])
    let built = try await bench.build("FROM base:1\nCOPY a /app\nENTRYPOINT [\"x\"]\n")
    #expect(built.manifest.layers.prefix(1) == base.manifest.layers.prefix(1) && built.manifest.layers.count == 2)
    #expect(built.config.history?.count == 5)
    #expect(built.config.config?.env?.contains("BASE=1") ?? false)
    // The base's command is meant for its own entrypoint.
    #expect(built.config.config?.cmd == nil)
    #expect(built.files["base"] != nil && built.files["app"] != nil)
  }

  @Test func onbuildRunsInTheStageThatBeginsWithTheImage() async throws {
    let bench = try Workbench()
    try bench.write("a", "1")
    let base = try await bench.build("FROM scratch\nONBUILD COPY a /triggered\nONBUILD ENV T=1\n", names: ["base:1"])
    #expect(base.files.isEmpty)
    let built = try await bench.build("FROM base:1\nCOPY a /own\n")
    #expect(built.files["triggered"] != nil && built.files["own"] != nil)
    #expect(built.config.config?.onBuild == nil)
    #expect(built.config.config?.env?.contains("T=1") ?? false)
  }

  @Test func anImageWithoutATagIsKept() async throws {
    let bench = try Workbench()
    try bench.write("a", "1")
    let built = try await bench.build("FROM scratch\nCOPY a /\n")
    #expect(try bench.content.unnamed() == [built.image.manifest.digest])
  }

  @Test func aFailedBuildLeavesNothing() async throws {
    let bench = try Workbench()
    try bench.write("a", "1")
    try bench.write("t/x", "1")
    let error = await #expect(throws: BuildError.self) {
      try await bench.build("FROM scratch\nCOPY a /a\nCOPY t /a\n", names: ["broken:1"])
    }
    #expect(try #require(error).location?.firstLine == 3)
    #expect(try bench.content.names().isEmpty && bench.content.unnamed().isEmpty)
    #expect(try bench.leftovers() == [])
  }

  @Test func missingImagesAndStagesAreNamed() async throws {
    let bench = try Workbench()
    let image = await #expect(throws: BuildError.self) { try await bench.build("FROM nobody/none:1\n") }
    #expect("\(try #require(image))".contains("nobody/none:1"))
    let stage = await #expect(throws: BuildError.self) {
      try await bench.build("FROM scratch AS build\nFROM scratch\nCOPY --from=biuld /x /\n")
    }
    #expect("\(try #require(stage))".contains("did you mean the stage build"))
  }

  @Test func aStoreMayBeDeepAndAnImageMayHaveManyLayers() async throws {
    // Longer than the strings that fsconfig(2) takes.
    let bench = try Workbench(store: String(repeating: "d", count: 120) + "/" + String(repeating: "e", count: 130))
    var dockerfile = "FROM scratch\n"
    for number in 0..<40 {
      try bench.write("f\(number)", "\(number)")
      dockerfile += "COPY f\(number) /d/\n"
    }
    let built = try await bench.build(dockerfile)
    #expect(built.files.count == 41)
  }

  @Test func contextsComeByStandardInput() throws {
    let bench = try Workbench()
    try bench.write("Dockerfile", "FROM scratch\nCOPY a /\n")
    try bench.write("a", "1")
    let archive = bench.root.appending("context.tar").string
    let made = try Spawn("/usr/bin/tar", ["-C", bench.context.string, "-cf", archive, "."]).capture(
      milliseconds: 10_000)
    #expect(made.status == .exited(0))
    for (file, stages) in [(archive, 1), (bench.context.appending("Dockerfile").string, 1)] {
      let input = try openat2(workingDirectory, file, flags: O_RDONLY)
      let read = try BuildInput.read(context: "-", file: nil, input: input.number, builds: bench.builds)
      #expect(read.dockerfile.stages.count == stages)
    }
    for remote in ["https://example.org/x.git", "git@example.org:x", "https://example.org/x.tar"] {
      #expect(throws: BuildError.self) {
        try BuildInput.read(context: remote, file: nil, input: STDIN_FILENO, builds: bench.builds)
      }
    }
    #expect(try bench.leftovers() == [])
  }
}
