import BuildGraph
import BuildSolver
import Foundation
import ImageSpec
import Kernel
import Layers
import SystemPackage
import Testing

private let canRun = isRoot && access(Workbench.runtime, X_OK) == 0 && access("/usr/bin/busybox", X_OK) == 0

@Suite(
  .enabled(if: canRun, "needs root, a static /usr/bin/busybox, and CLIPPER_RUNTIME as the path of clipper-runtime"))
struct RunTests {
  private func bench() async throws -> Workbench {
    let bench = try Workbench()
    try makeDirectories(bench.context.appending("bin"))
    try FileManager.default.copyItem(atPath: "/usr/bin/busybox", toPath: bench.context.appending("bin/busybox").string)
    for name in ["sh", "cat", "echo", "id", "ls", "rm", "sleep", "env", "touch", "mkdir", "pwd", "true", "grep"] {
      try bench.link("bin/\(name)", to: "busybox")
    }
    try bench.write("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
    try bench.write("etc/group", "root:x:0:\napp:x:1001:\nextra:x:55:app\n")
    try bench.write("etc/remove/me", "x")
    _ = try await bench.build("FROM scratch\nCOPY bin /bin\nCOPY etc /etc\n", names: ["base:1"])
    return bench
  }

  @Test func runsInTheImageWithItsEnvironmentAndDirectory() async throws {
    let bench = try await bench()
    let built = try await bench.build(
      """
      FROM base:1
      ARG A=1
      ENV E=2
      WORKDIR /work
      RUN echo "$A $E $HOME $(pwd)" > out
      RUN ["/bin/sh", "-c", "echo exec > exec"]
      SHELL ["/bin/sh", "-e", "-c"]
      RUN <<EOF
      echo one > heredoc
      echo two >> heredoc
      EOF
      """)
    #expect(built.files["work/out"] == "f 644 0:0 1 2 /root /work\n")
    #expect(built.files["work/exec"] == "f 644 0:0 exec\n")
    #expect(built.files["work/heredoc"] == "f 644 0:0 one\ntwo\n")
  }

  @Test func leavesNoMountPointsInTheLayer() async throws {
    let bench = try await bench()
    let built = try await bench.build(
      "FROM base:1\nRUN cat /etc/hosts /etc/resolv.conf > /dev/null && ls /proc/self > /dev/null && echo x > /x\n")
    let layer = try #require(built.manifest.layers.last)
    #expect(try names(in: layer.digest, bench) == ["x"])
  }

  @Test func keepsWhatTheStepPutsWhereSomethingIsMounted() async throws {
    let bench = try await bench()
    let built = try await bench.build("FROM base:1\nRUN touch /etc/own\n")
    #expect(try names(in: try #require(built.manifest.layers.last).digest, bench) == ["etc/", "etc/own"])
  }

  @Test func removedFilesAreWhiteoutsInTheLayer() async throws {
    let bench = try await bench()
    let built = try await bench.build("FROM base:1\nRUN rm -r /etc/remove /etc/group\n")
    #expect(
      try names(in: try #require(built.manifest.layers.last).digest, bench) == [
        "etc/", "etc/.wh.group", "etc/.wh.remove",
      ])
    #expect(built.files["etc/remove"] == nil && built.files["etc/passwd"] != nil)
  }

  @Test func runsAsTheUser() async throws {
    let bench = try await bench()
    let built = try await bench.build("FROM base:1\nUSER app\nRUN id\nUSER 7:8\nRUN id\n")
    #expect(built.output.contains("uid=1000(app) gid=1001(app)") && built.output.contains("55(extra)"))
    #expect(built.output.contains("uid=7 gid=8"))
    await #expect(throws: BuildError.self) { try await bench.build("FROM base:1\nUSER nobody\nRUN id\n") }
  }

  @Test func keysAreCommandEnvironmentAndUsedArguments() async throws {
    let bench = try await bench()
    let dockerfile = "FROM base:1\nARG A\nRUN echo $A > /a\n"
    let one = try await bench.build(dockerfile) { $0.request.arguments = ["A": "1"] }
    #expect(try await bench.build(dockerfile) { $0.request.arguments = ["A": "1", "B": "x"] }.done == [])
    let two = try await bench.build(dockerfile) { $0.request.arguments = ["A": "2"] }
    #expect(one.files["a"] == "f 644 0:0 1\n" && two.files["a"] == "f 644 0:0 2\n")
    let proxy = try await bench.build(dockerfile) { $0.request.arguments = ["A": "1", "HTTP_PROXY": "http://x"] }
    #expect(proxy.done == [])
  }

  @Test func aFailureHasItsPlaceItsStatusAndItsOutput() async throws {
    let bench = try await bench()
    let error = await #expect(throws: BuildError.self) {
      try await bench.build("FROM base:1\nRUN true\n\nRUN echo about to fail; exit 3\n", names: ["broken:1"])
    }
    guard case .run(_, let location, _, let status, let tail) = try #require(error) else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(location.firstLine == 4 && status == 3 && tail == ["about to fail"])
    #expect(try bench.content.resolve(Reference(parsing: "broken:1")) == nil)
    let left = try bench.leftovers()
    #expect(left == [])
  }

  @Test func aMissingProgramIsNamed() async throws {
    let bench = try await bench()
    let error = await #expect(throws: BuildError.self) { try await bench.build("FROM base:1\nRUN [\"/nope\"]\n") }
    #expect("\(try #require(error))".contains("/nope"))
    let left = try bench.leftovers()
    #expect(left == [])
  }

  @Test func networkNoneHasLoopbackOnly() async throws {
    let bench = try await bench()
    let built = try await bench.build("FROM base:1\nRUN --network=none ls /sys/class/net > /net\n")
    #expect(built.files["net"] == "f 644 0:0 lo\n")
  }

  @Test func hostsAreThereDuringTheStepOnly() async throws {
    let bench = try await bench()
    let built = try await bench.build("FROM base:1\nRUN grep example.test /etc/hosts > /found\n") {
      $0.extraHosts = [(name: "example.test", address: "192.0.2.7")]
    }
    #expect(built.files["found"] == "f 644 0:0 192.0.2.7\texample.test\n")
    #expect(built.files["etc/hosts"] == nil)
  }

  @Test func cancellingEndsTheStepAndLeavesNothing() async throws {
    let bench = try await bench()
    let building = Task { try await bench.build("FROM base:1\nRUN echo started; sleep 1000\n", names: ["never:1"]) }
    while !bench.events.contains(where: { if case .output = $0 { true } else { false } }) {
      try await Task.sleep(for: .milliseconds(5))
    }
    building.cancel()
    await #expect(throws: CancellationError.self) { try await building.value }
    #expect(try bench.content.resolve(Reference(parsing: "never:1")) == nil)
    let left = try bench.leftovers()
    #expect(left == [])
  }

  @Test func independentStagesRunSideBySide() async throws {
    let bench = try await bench()
    var began = 0
    let built = try await bench.build(
      """
      FROM base:1 AS one
      RUN echo one > /f
      FROM base:1 AS two
      RUN echo two > /f
      FROM base:1
      COPY --from=one /f /one
      COPY --from=two /f /two
      """)
    for event in built.events { if case .started = event { began += 1 } }
    #expect(built.files["one"] == "f 644 0:0 one\n" && built.files["two"] == "f 644 0:0 two\n")
    #expect(began > 4)
  }

  private func names(in layer: Digest, _ bench: Workbench) throws -> [String] {
    let run = try Spawn("/usr/bin/tar", ["-tf", bench.content.path(of: layer).string]).capture(milliseconds: 10_000)
    return String(decoding: run.output, as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
