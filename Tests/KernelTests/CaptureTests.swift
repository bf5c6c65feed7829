import Kernel
import SystemPackage
import Testing

@Suite("captured runs")
struct CaptureTests {
  private func shell(_ script: String) -> Spawn { Spawn("/bin/sh", ["-c", script]) }

  @Test func collectsBothOutputsAndTheStatus() throws {
    let run = try shell("echo out; echo err >&2; exit 3").capture(milliseconds: 10_000)
    #expect(String(decoding: run.output, as: UTF8.self) == "out\n")
    #expect(String(decoding: run.errorOutput, as: UTF8.self) == "err\n")
    #expect(run.status == .exited(3))
  }

  @Test func givesInputOfAnySizeToTheProgram() throws {
    let input = [UInt8](repeating: 65, count: 500_000)
    #expect(try shell("cat").capture(input: input, milliseconds: 10_000).output == input)
  }

  @Test func doesNotMindAProgramThatReadsNothing() throws {
    let run = try shell("exec <&-; echo done").capture(input: [UInt8](repeating: 0, count: 1 << 20), milliseconds: 10_000)
    #expect(run.status == .exited(0))
  }

  @Test func endsWithTheProgramAndNotWithWhatItLeftBehind() throws {
    let run = try shell("sleep 60 & echo $!").capture(milliseconds: 10_000)
    #expect(run.status == .exited(0))
    let pid = String(decoding: run.output.dropLast(), as: UTF8.self)
    _ = try shell("kill \(pid)").capture(milliseconds: 10_000)
  }

  @Test func killsWhatTakesTooLong() {
    #expect(throws: CaptureError.timedOut("/bin/sh", milliseconds: 50)) { try shell("exec sleep 60").capture(milliseconds: 50) }
  }

  @Test func killsWhatWritesTooMuch() {
    #expect(throws: CaptureError.tooMuchOutput("/bin/sh", limit: 1000)) {
      try shell("yes").capture(limit: 1000, milliseconds: 10_000)
    }
  }

  @Test func saysWhatCannotBeStarted() {
    #expect(throws: CaptureError.notStarted("/nowhere/program", .noSuchFileOrDirectory)) {
      try Spawn("/nowhere/program", []).capture(milliseconds: 1000)
    }
  }
}
