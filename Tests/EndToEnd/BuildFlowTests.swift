import Foundation
import Testing

@Suite("build", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct BuildFlowTests {
  @Test func buildsStagesThatTheTargetNeedsAndCachesThemByContent() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write(
      "app/Dockerfile",
      """
      # syntax=docker/dockerfile:1
      ARG BASE=base:1
      FROM ${BASE} AS compile
      WORKDIR /src
      COPY main.txt .
      RUN tr a-z A-Z < main.txt > out.txt && echo compiled
      FROM ${BASE} AS unused
      RUN false
      FROM scratch
      COPY --from=compile --chown=1000:1000 --chmod=750 /src/out.txt /data/out.txt
      COPY --from=compile /bin/busybox /bin/cat
      ENV GREETING=hello NAME=${GREETING:-none}
      LABEL org.example.kind="test app"
      EXPOSE 8080/tcp
      USER 1000:1000
      ENTRYPOINT ["/bin/cat"]
      CMD ["/data/out.txt"]
      """)
    try machine.write("app/main.txt", "content\n")
    let first = try machine.succeed("clipper build --progress plain -t app:1 app")
    #expect(first.err.contains("compiled"))
    #expect(try machine.succeed("clipper run --rm --network none app:1").out == "CONTENT\n")
    #expect(try machine.succeed("clipper inspect -f '{{.Config.User}} {{index .Config.Labels \"org.example.kind\"}}' app:1").line == "1000:1000 test app")
    #expect(try machine.succeed("clipper inspect -f '{{json .Config.Env}}' app:1").out.contains("NAME=none"))

    let id = try machine.succeed("clipper images -q --no-trunc app:1").line
    let second = try machine.succeed("touch app/main.txt; clipper build --progress plain -t app:1 app")
    #expect(second.err.contains("CACHED") && !second.err.contains(/#\d+ [0-9.]+ compiled/))
    #expect(try machine.succeed("clipper images -q --no-trunc app:1").line == id)

    try machine.write("app/main.txt", "changed\n")
    try machine.succeed("clipper build -q -t app:2 app")
    #expect(try machine.succeed("clipper run --rm --network none app:2").out == "CHANGED\n")
  }

  @Test func aFailingRunNamesItsStepItsLineAndItsStatusAndLeavesNoImage() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("Dockerfile", "FROM base:1\nRUN true\n\nRUN echo about to fail; exit 3\n")
    let output = try machine.run("clipper build -t broken:1 .")
    #expect(output.status == 1)
    #expect(output.err.contains("Dockerfile:4") && output.err.contains("exit code: 3"))
    #expect(output.err.contains("about to fail"))
    #expect(try machine.succeed("clipper images -q broken").out == "")
  }

  @Test func unknownInstructionsAndFlagsAreNamedWithTheirLineAndTheNearestValidName() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("Dockerfile", "FROM base:1\nRUM true\n")
    let instruction = try machine.run("clipper build .")
    #expect(instruction.status == 1)
    #expect(instruction.err.contains("Dockerfile:2") && instruction.err.contains("RUN"))
    try machine.write("Dockerfile", "FROM base:1\nCOPY --chwon=1 a b\n")
    let flag = try machine.run("clipper build .")
    #expect(flag.status == 1)
    #expect(flag.err.contains("Dockerfile:2") && flag.err.contains("--chown"))
    try machine.write("Dockerfile", "FROM base:1\nRUN --mount=type=cache,target=/x true\n")
    let later = try machine.run("clipper build .")
    #expect(later.status == 1 && later.err.contains("--mount"))
  }

  @Test func missingStagesAndBaseImagesAreErrors() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("Dockerfile", "FROM base:1 AS build\nFROM scratch\nCOPY --from=biuld /bin /bin\n")
    let stage = try machine.run("clipper build .")
    #expect(stage.status == 1 && stage.err.contains("biuld"))
    try machine.write("Dockerfile", "FROM 127.0.0.1:9/nobody/none:1\n")
    let image = try machine.run("clipper build .", limit: 120)
    #expect(image.status == 1 && image.err.contains("127.0.0.1:9"))
  }

  @Test func outputsAreReadableByOthers() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("Dockerfile", "FROM base:1\nRUN echo made > /made\n")
    try machine.succeed(
      """
      clipper build -q -t out:1 -o type=oci,dest=out.oci.tar .
      clipper build -q -o type=docker,dest=out.docker.tar -t out:1 .
      clipper build -q -o type=local,dest=tree .
      grep -q made tree/made
      clipper build -q -o type=tar,dest=tree.tar .
      test "$(tar -xOf tree.tar made)" = made
      clipper build -q -t fromstdin:1 -f - . < Dockerfile
      tar -c Dockerfile | clipper build -q -t fromtar:1 -
      """)
    if Host.has("skopeo") {
      try machine.succeed(
        """
        skopeo --insecure-policy copy oci-archive:out.oci.tar dir:a
        skopeo --insecure-policy copy docker-archive:out.docker.tar dir:b
        """)
    }
  }

  @Test func runStepsLeaveNoMountPointsInTheLayer() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("Dockerfile", "FROM base:1 AS b\nRUN echo x > /x\n")
    try machine.succeed("clipper build -q -o type=local,dest=tree .")
    let listing = try machine.succeed("ls -A tree tree/etc").out
    for name in ["proc", "sys", "dev", "resolv.conf", "hosts"] {
      #expect(!listing.split(separator: "\n").contains(Substring(name)), "\(name) was left in the layer")
    }
  }
}
