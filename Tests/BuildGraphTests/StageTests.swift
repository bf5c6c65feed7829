import BuildGraph
import DockerfileSyntax
import ImageSpec
import Testing

@Suite("stages, as docker resolves them") struct StageTests {
  private func plan(_ text: String, _ request: BuildRequest = BuildRequest()) throws -> BuildPlan {
    try BuildPlan(Dockerfile(parsing: text, file: "Dockerfile"), request)
  }

  private func error(_ text: String, _ request: BuildRequest = BuildRequest()) -> String {
    do {
      let plan = try plan(text, request)
      _ = try plan.neededStages()
      return "none"
    } catch { return "\(error)" }
  }

  @Test(
    arguments: [
      ("FROM a AS x\nFROM b\nCOPY --from=X /p /q\n", [0, 1]), ("FROM a\nFROM b\nCOPY --from=0 /p /q\n", [0, 1]),
      ("FROM a\nFROM b\nCOPY --from=alpine /p /q\n", [1]),
      ("FROM a AS x\nFROM X\n", [0, 1]), ("FROM a AS x\nFROM x AS y\nFROM c\nFROM y\n", [0, 1, 3]),
      ("FROM a AS x\nFROM b AS x\nFROM x\n", [1, 2]),
      ("FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x / /\n", [1, 2]), ("FROM a AS a\nFROM a\n", [0, 1]),
      ("FROM a AS x\nFROM scratch\nONBUILD COPY --from=x / /\n", [1]),
      ("FROM a AS 1x\n", nil), ("FROM a AS x\nFROM b\nADD x /\n", [1]),
    ] as [(String, [Int]?)])
  func onlyWhatIsNeededIsBuilt(text: String, stages: [Int]?) throws {
    guard let stages else {
      #expect(throws: DockerfileError.self) { try plan(text) }
      return
    }
    #expect(try plan(text).neededStages() == stages)
  }

  /// Stages know only those before them, so that none can be in a circle.
  @Test func aNameIsAStageOnlyAfterIt() throws {
    let images = try plan("FROM later\nFROM b AS later\nFROM later\n", BuildRequest(target: "0")).neededImages().map(
      \.name)
    #expect(images == ["later"])
    #expect(error("FROM a AS x\nCOPY --from=x / /\n").contains("Dockerfile:2"))
    #expect(error("FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nCOPY --from=x / /\n").contains("line 3"))
    #expect(error("FROM a\nCOPY --from=0 / /\n").contains("Dockerfile:2"))
    #expect(error("FROM a\nCOPY --from=7 / /\n").contains("Dockerfile:2"))
    #expect(error("FROM a\nCOPY --from=scratch / /\n").contains("no files"))
  }

  @Test(
    arguments: [
      ("x", 1), ("X", 1), ("0", 0), ("1", 1), (nil, 2),
    ] as [(String?, Int)])
  func targets(name: String?, index: Int) throws {
    #expect(try plan("FROM a\nFROM b AS x\nFROM c\n", BuildRequest(target: name)).target == index)
  }

  @Test func aTargetThatIsNotThereIsNamedWithThoseThatAre() {
    let message = error("FROM a AS build\nFROM b\n", BuildRequest(target: "biuld"))
    #expect(message.contains("biuld") && message.contains("build") && message.contains("stage-1"))
  }

  @Test(
    arguments: [
      ("ARG V=1\nFROM a:$V", [:], "a:1"), ("ARG V=1\nFROM a:${V:-2}", ["V": "3"], "a:3"),
      ("ARG V\nFROM a:${V:-2}", [:], "a:2"), ("FROM a:${V:-2}", ["V": "3"], "a:2"),
      ("ARG A=1\nARG B=x-$A\nFROM a:$B", [:], "a:x-1"), ("ARG A=1 B=$A\nFROM a:$B", [:], "a:1"),
      ("FROM \"a:1\"", [:], "a:1"), ("FROM a:$TARGETARCH", [:], "a:arm64"),
      ("FROM a:$BUILDARCH", [:], "a:amd64"), ("FROM a:$TARGETARCH", ["TARGETARCH": "x"], "a:x"),
      ("ARG I=b\nFROM a AS b\nFROM $I", [:], "a"),
    ] as [(String, [String: String], String)])
  func namesOfImages(text: String, arguments: [String: String], image: String) throws {
    let request = BuildRequest(
      arguments: arguments, platform: try Platform(parsing: "linux/arm64"),
      buildPlatform: try Platform(parsing: "linux/amd64"))
    #expect(try plan(text + "\n", request).neededImages().map(\.name) == [image])
  }

  @Test(arguments: [
    ("FROM a", "linux/arm64"), ("FROM --platform=linux/s390x a", "linux/s390x"),
    ("FROM --platform=$BUILDPLATFORM a", "linux/amd64"),
    ("ARG P=linux/riscv64\nFROM --platform=$P a", "linux/riscv64"),
    ("FROM --platform=$BUILDPLATFORM a AS x\nFROM x", "linux/amd64"),
  ])
  func platforms(text: String, platform: String) throws {
    let request = BuildRequest(
      platform: try Platform(parsing: "linux/arm64"), buildPlatform: try Platform(parsing: "linux/amd64"))
    let plan = try plan(text + "\n", request)
    #expect(
      plan.stage(plan.target).platform.os == "linux"
        && plan.stage(plan.target).platform.architecture == platform.split(separator: "/")[1])
  }

  @Test(arguments: [
    ("FROM $NONE\n", "blank"), ("FROM --platform=a/b/c/d/e x\n", "platform"), ("FROM --platform=$NONE x\n", "platform"),
    ("FROM a:${V\n", "}"), ("ARG V=\"${W:?give W}\"\nFROM a\n", "give W"),
  ])
  func mistakesHaveTheirLine(text: String, word: String) {
    let message = error(text)
    #expect(message.hasPrefix("Dockerfile:1: ") && message.contains(word), "\(message)")
  }

  @Test func whatDockersBuilderIsAskedForByArgumentsIsRefusedByName() {
    #expect(
      error("FROM a\n", BuildRequest(arguments: ["BUILDKIT_INLINE_CACHE": "1"])).contains("BUILDKIT_INLINE_CACHE"))
    #expect(error("FROM a\n", BuildRequest(arguments: ["BUILDKIT_INLINE_CACHE": "0"])) == "none")
  }
}

@Suite("changes of an import") struct ImageChangeTests {
  private func error(_ change: String) -> String {
    do {
      _ = try imageConfig(applying: [change])
      return "none"
    } catch { return "\(error)" }
  }

  @Test func areAppliedInOrderToWhatIsThere() throws {
    var config = ContainerConfig()
    config.env = ["A=1"]
    config.cmd = ["old"]
    let changed = try imageConfig(
      applying: [
        "ENV B=$A C=$PATH", "entrypoint [\"e\"]", "LABEL a=b", "USER 1", "VOLUME /v", "WORKDIR w", "WORKDIR x",
        "STOPSIGNAL INT", "ONBUILD RUN x", "HEALTHCHECK NONE",
        "EXPOSE 80-81",
      ], to: config)
    #expect(
      changed.env == ["A=1", "B=1", "C="] && changed.entrypoint == ["e"] && changed.cmd == nil
        && changed.labels == ["a": "b"])
    #expect(
      changed.user == "1" && changed.volumes?.count == 1 && changed.workingDir == "/w/x" && changed.stopSignal == "INT")
    #expect(changed.onBuild == ["RUN x"] && changed.healthcheck?.test == ["NONE"] && changed.exposedPorts?.count == 2)
    #expect(try imageConfig(applying: ["ENV PATH=\(ImageState.defaultPath)"]).env == ["PATH=\(ImageState.defaultPath)"])
    #expect(try imageConfig(applying: []) == ContainerConfig())
  }

  @Test(arguments: [
    "RUN x", "COPY a /b", "ADD a /b", "FROM a", "ARG A", "SHELL [\"a\"]", "MAINTAINER me", "CMD a\nRUN x", "",
  ])
  func whatMakesFilesIsRefusedByName(change: String) {
    #expect(error(change).contains("\"\(change)\" is not a valid change"))
  }

  @Test(arguments: [
    ("CDM x", "CMD"), ("EXPOSE x", "EXPOSE"), ("ENV A", "two arguments"), ("STOPSIGNAL x", "no such signal"),
  ])
  func mistakesNameTheChange(change: String, word: String) {
    let message = error(change)
    #expect(message.hasPrefix("change \"\(change)\": ") && message.contains(word), "\(message)")
  }
}
