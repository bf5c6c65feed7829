import BuildGraph
import DockerfileSyntax
import ImageSpec
import Testing

@Suite("build plans") struct BuildPlanTests {
  private func plan(_ text: String, _ request: BuildRequest = BuildRequest()) throws -> BuildPlan {
    try BuildPlan(Dockerfile(parsing: text, file: "Dockerfile"), request)
  }

  private func lowered(_ text: String, _ request: BuildRequest = BuildRequest()) throws -> LoweredStage {
    let plan = try plan("FROM scratch\n" + text, request)
    return try LoweredStage(plan, stage: 0, from: ImageState(scratch: request.platform))
  }

  @Test func stagesThatTheTargetDoesNotNeedAreLeftOut() throws {
    let text = """
      FROM a AS one
      FROM b AS unused
      FROM c AS two
      COPY --from=one /x /x
      FROM two
      """
    #expect(try plan(text).neededStages() == [0, 2, 3])
    #expect(try plan(text, BuildRequest(target: "unused")).neededStages() == [1])
    #expect(try plan(text, BuildRequest(target: "0")).neededStages() == [0])
    #expect(throws: BuildRequestError.self) { try plan(text, BuildRequest(target: "non")) }
  }

  @Test func globalArgumentsReachFromAndStagesThatDeclareThem() throws {
    let text = "ARG VERSION=1\nARG BASE=image:${VERSION}\nFROM ${BASE} AS x\n"
    #expect(try plan(text).neededImages().map(\.name).map { $0.contains("image:1") } == [true])
    #expect(try plan(text, BuildRequest(arguments: ["VERSION": "2"])).neededImages()[0].name.contains("image:2"))
    #expect(try lowered("ENV E=${V:-none}\n").state.config.config?.env?.contains("E=none") == true)
    let given = BuildRequest(arguments: ["V": "given"])
    #expect(try lowered("ENV E=${V:-none}\n", given).state.config.config?.env?.contains("E=none") == true)
    #expect(try lowered("ARG V\nENV E=${V:-none}\n", given).state.config.config?.env?.contains("E=given") == true)
  }

  @Test func platformArgumentsAreKnownOnceDeclared() throws {
    let request = BuildRequest(platform: try Platform(parsing: "linux/arm/v7"), buildPlatform: try Platform(parsing: "linux/amd64"))
    let env = try lowered("ARG TARGETARCH\nARG TARGETVARIANT\nARG BUILDPLATFORM\nENV E=$TARGETARCH-$TARGETVARIANT-$BUILDPLATFORM\n", request)
      .state.config.config?.env
    #expect(env?.contains("E=arm-v7-linux/amd64") == true)
  }

  @Test func environmentWinsOverArguments() throws {
    let stage = try lowered("ARG A=argument\nENV A=environment\nRUN x\n", BuildRequest(arguments: ["A": "given"]))
    guard case .run(let run) = stage.vertices[0].operation else {
      Issue.record("no RUN")
      return
    }
    #expect(run.environment.contains("A=environment") && !run.environment.contains("A=given"))
  }

  @Test func configurationIsTheImages() throws {
    let config = try lowered(
      """
      WORKDIR /app
      WORKDIR sub
      ENV A=1 B=${A:-x}
      LABEL l="a b"
      EXPOSE 80 53/udp 7000-7002
      VOLUME /data
      USER 1000:1000
      STOPSIGNAL SIGUSR1
      ENTRYPOINT ["/e"]
      CMD ["c"]
      """).state.config.config
    #expect(config?.workingDir == "/app/sub")
    #expect(config?.env?.contains("B=x") == true)
    #expect(config?.labels == ["l": "a b"])
    #expect(config?.exposedPorts?.keys.sorted() == ["53/udp", "7000/tcp", "7001/tcp", "7002/tcp", "80/tcp"])
    #expect(config?.user == "1000:1000" && config?.stopSignal == "SIGUSR1")
    #expect(config?.entrypoint == ["/e"] && config?.cmd == ["c"])
  }

  @Test func anEntrypointTakesTheBasesCommandAway() throws {
    var base = ImageConfig(platform: .host)
    base.config = ContainerConfig()
    base.config?.cmd = ["bash"]
    let plan = try plan("FROM base\nENTRYPOINT [\"/e\"]\n")
    #expect(try LoweredStage(plan, stage: 0, from: ImageState(image: base)).state.config.config?.cmd == nil)
  }

  @Test func onlyWhatMakesFilesIsAStep() throws {
    let stage = try lowered("ENV A=1\nRUN one\nLABEL x=y\nCOPY a /b\nWORKDIR /w\n")
    #expect(stage.vertices.count == 3)
    #expect(stage.history.count == 5)
  }

  @Test func missingStagesAreNamedWithTheNearest() throws {
    let text = "FROM a AS build\nFROM scratch\nCOPY --from=biuld /x /x\n"
    // A name that no stage has is an image's.
    let images = try plan(text).neededImages().map(\.name)
    #expect(images.contains { $0.contains("biuld") })
    #expect(try plan(text).stageNear("biuld") == "build")
  }

  @Test func keysFollowWhatAStepIsMadeFrom() throws {
    func key(_ text: String, parent: CacheKey = .scratch, sources: String = "") throws -> CacheKey {
      CacheKey.step(try lowered(text).vertices[0].operation, on: parent, sources: sources)
    }
    #expect(try key("RUN a\n") == key("RUN a\n"))
    #expect(try key("RUN a\n") != key("RUN b\n"))
    #expect(try key("RUN a\n") != key("ENV X=1\nRUN a\n"))
    #expect(try key("RUN a\n") != key("USER 1\nRUN a\n"))
    #expect(try key("RUN a\n") != key("RUN a\n", parent: CacheKey.changed(.scratch)))
    // A label makes no file: what comes after it stays cached.
    #expect(try key("RUN a\n") == key("LABEL x=y\nRUN a\n"))
    #expect(try key("COPY a /b\n", sources: "1") != key("COPY a /b\n", sources: "2"))
  }

  @Test(arguments: [
    ("u+x", 0o644, false, 0o744), ("a=rX", 0o640, true, 0o555), ("a=rX", 0o640, false, 0o444), ("g-w,o=", 0o777, false, 0o750),
    ("755", 0o600, false, 0o755), ("+x", 0o644, false, 0o755), ("0640", 0o777, true, 0o640),
  ] as [(String, UInt32, Bool, UInt32)])
  func modesAreChmods(text: String, before: UInt32, isDirectory: Bool, after: UInt32) {
    #expect(FileModeChange(text)?.applied(to: before, isDirectory: isDirectory) == after)
  }

  @Test func changesOfAnImportAreInstructions() throws {
    let config = try imageConfig(applying: ["CMD [\"sh\"]", "ENV A=1", "EXPOSE 80", "WORKDIR /w"])
    #expect(config.cmd == ["sh"] && config.env == ["A=1"] && config.workingDir == "/w")
    #expect(config.exposedPorts?.keys.sorted() == ["80/tcp"])
    #expect(throws: ImageChangeError.self) { try imageConfig(applying: ["RUN x"]) }
    #expect(throws: (any Error).self) { try imageConfig(applying: ["CDM x"]) }
  }
}
