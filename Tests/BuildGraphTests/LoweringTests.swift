import BuildGraph
import DockerfileSyntax
import ImageSpec
import Testing

/// Cases whose results were looked up in docker's documentation and builder.
@Suite("what instructions make of an image, as docker has it") struct LoweringTests {
  private func lower(_ text: String, _ request: BuildRequest = BuildRequest(), base: ContainerConfig? = nil) throws
    -> LoweredStage
  {
    let plan = try BuildPlan(Dockerfile(parsing: "FROM base\n" + text + "\n", file: "Dockerfile"), request)
    var image = ImageConfig(platform: .host)
    image.config = base
    return try LoweredStage(plan, stage: 0, from: ImageState(image: image))
  }

  private func config(_ text: String, base: ContainerConfig? = nil) throws -> ContainerConfig {
    try lower(text, base: base).state.container
  }

  private func run(_ text: String, _ request: BuildRequest = BuildRequest()) throws -> RunOperation {
    for vertex in try lower(text, request).vertices {
      if case .run(let run) = vertex.operation { return run }
    }
    throw BuildRequestError.unknownTarget("RUN", stages: [])
  }

  private func copy(_ text: String) throws -> CopyOperation {
    for vertex in try lower(text).vertices {
      if case .copy(let copy) = vertex.operation { return copy }
    }
    throw BuildRequestError.unknownTarget("COPY", stages: [])
  }

  private func error(_ text: String) -> String {
    do {
      _ = try lower(text)
      return "none"
    } catch { return "\(error)" }
  }

  // MARK: - Variables

  @Test func anInstructionSeesTheValuesFromBeforeIt() throws {
    // The reference's own example.
    let env = try config("ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc").env
    #expect(env?.contains("abc=bye") == true && env?.contains("def=hello") == true && env?.contains("ghi=bye") == true)
  }

  @Test(arguments: [
    ("WORKDIR ${foo}", "/bar"), ("WORKDIR /a\nWORKDIR $foo", "/bar"), ("WORKDIR /a\nWORKDIR b\nWORKDIR c", "/a/b/c"),
    ("WORKDIR a", "/a"),
    ("WORKDIR /a/../b//c/.", "/b/c"), ("WORKDIR /a\nWORKDIR ../../x", "/x"), ("WORKDIR \"/a b\"", "/a b"),
    ("WORKDIR /a b", "/a b"), ("WORKDIR \\$foo", "/$foo"),
  ])
  func workingDirectories(text: String, path: String) throws {
    #expect(try config("ENV foo=/bar\n" + text).workingDir == path)
  }

  @Test func variablesAreFilledInWhereDockerFillsThemIn() throws {
    let config = try config(
      """
      ENV v=1 t=udp
      LABEL k$v=a$v
      USER u$v
      EXPOSE 8${v}/$t
      VOLUME /d$v
      VOLUME ["/e$v"]
      STOPSIGNAL $v
      CMD echo $v
      ENTRYPOINT ["$v"]
      """
    )
    #expect(config.labels == ["k1": "a1"] && config.user == "u1" && config.exposedPorts?.keys.sorted() == ["81/udp"])
    #expect(config.volumes?.keys.sorted() == ["/d1", "/e1"] && config.stopSignal == "1")
    // These are the shell's, or nobody's.
    #expect(config.cmd == ["/bin/sh", "-c", "echo $v"] && config.entrypoint == ["$v"])
    #expect(try run("ENV v=1\nRUN echo $v").arguments == ["/bin/sh", "-c", "echo $v"])
  }

  @Test func quotesGoAndEscapedSpacesStay() throws {
    let env = try config("ENV A=\"x y\" B=x\\ y C='$A' D=\nENV E a \"b  c\" d\n").env ?? []
    for entry in ["A=x y", "B=x y", "C=$A", "D=", "E=a b  c d"] { #expect(env.contains(entry), "\(env)") }
  }

  @Test func argumentsHoldFromTheirLineOn() throws {
    let request = BuildRequest(arguments: ["user": "what_user"])
    #expect(try lower("USER ${user:-some_user}\nARG user\nUSER $user", request).state.container.user == "what_user")
    #expect(try lower("ARG user\nUSER ${user:-some_user}").state.container.user == "some_user")
    #expect(try lower("ARG a=1 b=$a\nUSER x$b").state.container.user == "x1")
    // What nobody declared is not there, given or not.
    #expect(try run("RUN x", request).environment.contains { $0.hasPrefix("user=") } == false)
    #expect(try lower("ARG user\nRUN x", request).usedArguments == ["user"])
  }

  @Test func aStageOnAnotherHasItsArguments() throws {
    let plan = try BuildPlan(
      Dockerfile(parsing: "FROM base AS a\nARG X=1\nFROM a\nUSER u$X\nFROM base\nUSER u${X:-none}\n", file: "F"),
      BuildRequest())
    let base = ImageState(scratch: .host)
    let first = try LoweredStage(plan, stage: 0, from: base)
    #expect(try LoweredStage(plan, stage: 1, from: ImageState(stage: first.state)).state.container.user == "u1")
    #expect(try LoweredStage(plan, stage: 2, from: base).state.container.user == "unone")
  }

  @Test func proxiesAreKnownUndeclaredAndKeptOutOfTheKey() throws {
    func key(_ text: String, _ value: String) throws -> CacheKey {
      .step(.run(try run(text, BuildRequest(arguments: ["HTTP_PROXY": value]))), on: .scratch)
    }
    let silent = try run("RUN x", BuildRequest(arguments: ["HTTP_PROXY": "p:1"]))
    #expect(silent.proxies == ["HTTP_PROXY=p:1"] && !silent.environment.contains("HTTP_PROXY=p:1"))
    #expect(try key("RUN x", "p:1") == key("RUN x", "p:2"))
    // An author who declares one wants it in the history and in the key.
    let declared = try lower("ARG HTTP_PROXY\nRUN x", BuildRequest(arguments: ["HTTP_PROXY": "p:1"]))
    #expect(declared.history.last?.createdBy == "RUN |1 HTTP_PROXY=p:1 /bin/sh -c x")
    #expect(try key("ARG HTTP_PROXY\nRUN x", "p:1") != key("ARG HTTP_PROXY\nRUN x", "p:2"))
  }

  @Test func heredocFilesAreFilledInUnlessTheirNameIsQuoted() throws {
    let files = try copy("ENV A=1\nCOPY <<a <<'b' /d/\n\"$A\"\na\n$A\nb").sources
    #expect(files == [.file(name: "a", content: "\"1\"\n"), .file(name: "b", content: "$A\n")])
  }

  // MARK: - Configuration

  @Test func aShellIsForWhatComesAfterIt() throws {
    let config = try config("CMD a\nSHELL [\"/bin/bash\", \"-ec\"]\nENTRYPOINT b")
    #expect(
      config.cmd == ["/bin/sh", "-c", "a"] && config.entrypoint == ["/bin/bash", "-ec", "b"]
        && config.shell == ["/bin/bash", "-ec"])
  }

  @Test(
    arguments: [
      ("", ["old"], ["e"]), ("ENTRYPOINT [\"n\"]", nil, ["n"]), ("CMD [\"c\"]\nENTRYPOINT [\"n\"]", ["c"], ["n"]),
      ("ENTRYPOINT [\"n\"]\nCMD [\"c\"]", ["c"], ["n"]),
      ("ENTRYPOINT []", nil, nil), ("CMD []", nil, ["e"]), ("ENTRYPOINT n", nil, ["/bin/sh", "-c", "n"]),
    ] as [(String, [String]?, [String]?)])
  func commandsAndEntrypoints(text: String, command: [String]?, entrypoint: [String]?) throws {
    var base = ContainerConfig()
    base.cmd = ["old"]
    base.entrypoint = ["e"]
    let config = try config(text, base: base)
    #expect(config.cmd == command && config.entrypoint == entrypoint)
  }

  @Test func whatTheBaseHasStaysUnlessItIsSetAgain() throws {
    var base = ContainerConfig()
    base.env = ["PATH=/own", "A=1"]
    base.labels = ["a": "1", "b": "2"]
    base.workingDir = "/w"
    base.exposedPorts = ["1/tcp": EmptyObject()]
    base.onBuild = ["RUN x"]
    let config = try config("ENV A=2 B=$PATH\nLABEL b=3\nWORKDIR d\nEXPOSE 2", base: base)
    #expect(
      config.env == ["PATH=/own", "A=2", "B=/own"] && config.labels == ["a": "1", "b": "3"]
        && config.workingDir == "/w/d")
    #expect(config.exposedPorts?.keys.sorted() == ["1/tcp", "2/tcp"] && config.onBuild == nil)
  }

  @Test(arguments: [
    ("80", ["80/tcp"]), ("80/UDP", ["80/udp"]), ("80/", ["80/tcp"]),
    ("7000-7002/sctp", ["7000/sctp", "7001/sctp", "7002/sctp"]), ("80 53/udp", ["53/udp", "80/tcp"]),
    ("8080:80", ["80/tcp"]), ("127.0.0.1:8080:80/udp", ["80/udp"]), ("127.0.0.1::80", ["80/tcp"]),
    ("65535", ["65535/tcp"]), ("$P", ["1/tcp", "2/tcp"]), ("$NONE", []),
  ])
  func ports(text: String, ports: [String]) throws {
    #expect(try config("ENV P=\"1 2\"\nEXPOSE \(text)").exposedPorts?.keys.sorted() == ports)
  }

  @Test func healthchecks() throws {
    let check = try config(
      "HEALTHCHECK --interval=5m --timeout=3s --start-period=1s --start-interval=2s --retries=3 CMD curl x || exit 1"
    ).healthcheck
    #expect(
      check?.test == ["CMD-SHELL", "curl x || exit 1"] && check?.interval == 300_000_000_000
        && check?.timeout == 3_000_000_000)
    #expect(check?.startPeriod == 1_000_000_000 && check?.startInterval == 2_000_000_000 && check?.retries == 3)
    let exec = try config("HEALTHCHECK CMD [\"a\", \"b\"]").healthcheck
    #expect(exec?.test == ["CMD", "a", "b"] && exec?.interval == nil && exec?.retries == nil)
    #expect(try config("HEALTHCHECK CMD a\nHEALTHCHECK NONE").healthcheck?.test == ["NONE"])
  }

  @Test func triggersAreRecordedForLater() throws {
    let stage = try lower("ONBUILD COPY . /app\nonbuild run make")
    #expect(stage.vertices.isEmpty && stage.state.triggers == ["COPY . /app", "run make"])
    let plan = try BuildPlan(Dockerfile(parsing: "FROM a\nRUN own\n", file: "F"), BuildRequest())
    let triggered = plan.addingTriggers([try Dockerfile.trigger("RUN first", of: "a")], to: 0)
    #expect(triggered.stage(0).instructions.map(\.text) == ["RUN first", "RUN own"])
    #expect(throws: DockerfileError.self) { try Dockerfile.trigger("FROM x", of: "a") }
    #expect(throws: DockerfileError.self) { try Dockerfile.trigger("RUN a\nRUN b", of: "a") }
  }

  @Test(arguments: ["SIGKILL", "kill", "9", "SIGRTMIN+3", "RTMAX-1"]) func signals(text: String) throws {
    #expect(try config("STOPSIGNAL \(text)").stopSignal == text)
  }

  @Test func historyIsDockers() throws {
    let history = try lower(
      """
      ENV A=1 B=2
      LABEL x="y z"
      EXPOSE 80
      VOLUME /a /b
      CMD ["a", "b"]
      ENTRYPOINT x
      WORKDIR /w
      USER u
      ARG V=1
      RUN make
      COPY a b /c/
      STOPSIGNAL 9
      MAINTAINER me
      """
    ).history.map(\.createdBy)
    #expect(
      history == [
        "ENV A=1 B=2", "LABEL x=y z", "EXPOSE [80/tcp]", "VOLUME [/a /b]", "CMD [\"a\" \"b\"]",
        "ENTRYPOINT [\"/bin/sh\" \"-c\" \"x\"]", "WORKDIR /w", "USER u",
        "ARG V=1", "RUN |1 V=1 /bin/sh -c make", "COPY a b /c/", "STOPSIGNAL 9", "MAINTAINER me",
      ])
  }

  // MARK: - Files

  @Test(arguments: [
    ("COPY a /b", ["a"], "/b"), ("COPY a b", ["a"], "/w/b"), ("COPY a .", ["a"], "/w/"), ("COPY a ./", ["a"], "/w/"),
    ("COPY ../../a /b/", ["a"], "/b/"),
    ("COPY /a/./b/ /c/..", ["a/b"], "/"), ("COPY a*.txt b?c /d/", ["a*.txt", "b?c"], "/d/"),
    ("COPY [\"a b\", \"/c d\"]", ["a b"], "/c d"), ("COPY $S /x", ["src"], "/x"),
  ])
  func placesOfCopies(text: String, sources: [String], destination: String) throws {
    let copy = try copy("ENV S=src\nWORKDIR /w\n" + text)
    #expect(
      copy.sources == sources.map { .path($0) } && copy.destination == destination && !copy.unpacks
        && copy.from == .context)
  }

  @Test func flagsOfCopies() throws {
    let copy = try copy("ENV U=app\nCOPY --chown=$U:1 --chmod=u=rwX,go=rX a /b")
    #expect(copy.owner == "app:1" && copy.mode?.applied(to: 0o600, isDirectory: true) == 0o755)
    let local = try self.copy("ADD a.tar /b")
    #expect(local.unpacks && !local.unpacksRemote)
    #expect(try !self.copy("ADD --unpack=false a.tar /b").unpacks)
    let digest = "sha256:" + String(repeating: "a", count: 64)
    let url = try self.copy("ADD --unpack --checksum=\(digest) https://example.com/a.tar /b")
    #expect(url.sources == [.url("https://example.com/a.tar")] && url.unpacksRemote && url.checksum == digest)
  }

  @Test(arguments: [
    ("COPY https://example.com/a /b", "ADD"), ("ADD --checksum=sha256:00 https://example.com/a /b", "checksum"),
    ("ADD --checksum=x a /b", "one http"),
    ("ADD https://example.com/a.git#main /b", "git"), ("ADD git@example.com:a/b /c", "git"),
    ("COPY --chmod=999 a /b", "chmod"), ("COPY --chmod=u a /b", "chmod"),
    ("COPY --chmod=17777 a /b", "chmod"), ("COPY --chown=a:b:c a /b", "chown"), ("COPY --chown=$NONE a /b", "chown"),
    ("COPY a $NONE", "destination"), ("COPY $NONE /b", "source"),
    ("STOPSIGNAL SIGNOPE", "SIGNOPE"), ("STOPSIGNAL 65", "65"), ("EXPOSE 70000", "70000"), ("EXPOSE 0", "0"),
    ("EXPOSE +80", "+80"), ("EXPOSE 90-80", "90-80"), ("EXPOSE 80/icmp", "icmp"),
    ("EXPOSE x:80", "x:80"), ("USER $NONE", "USER"), ("WORKDIR $NONE", "WORKDIR"), ("ENV $NONE=x", "name"),
    ("ENV A=\"open", "quote"), ("LABEL a=${b:?needed}", "needed"),
  ])
  func mistakesHaveTheirLine(text: String, word: String) {
    let message = error(text)
    #expect(message.hasPrefix("Dockerfile:2: ") && message.contains(word), "\(message)")
  }
}
