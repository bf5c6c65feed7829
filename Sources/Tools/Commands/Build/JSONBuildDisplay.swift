internal import BuildSolver
internal import FoundationEssentials
internal import Synchronization

/// One JSON object a line for every event, for programs.
///
/// `{"type":"started","step":2,"name":"[1/3] RUN make","time":"…"}`; `output` (with `stream` and `text`, or `data` in
/// base 64 where it is no UTF-8), `status`, `finished` (with `outcome`: done, cached, canceled, failed; `seconds`),
/// `warning`, and at the end `result` (`success`, `error`).
final class JSONBuildDisplay: BuildDisplay {
  private struct Line: Encodable {
    var type: String
    var step: Int?
    var name: String?
    var stream: String?
    var text: String?
    var data: Data?
    var outcome: String?
    var error: String?
    var success: Bool?
    var seconds: Double?
    var time = Timestamp.now()
  }

  private let began = Mutex<[Int: ContinuousClock.Instant]>([:])

  func take(_ event: BuildEvent) {
    switch event {
    case .started(let step):
      began.withLock { $0[step.number] = .now }
      write(Line(type: "started", step: step.number, name: step.name))
    case .output(let step, let bytes, let isError):
      var line = Line(type: "output", step: step.number, stream: isError ? "stderr" : "stdout")
      if let text = String(validating: bytes, as: UTF8.self) { line.text = text } else { line.data = Data(bytes) }
      write(line)
    case .status(let step, let text): write(Line(type: "status", step: step.number, text: text))
    case .finished(let step, let outcome):
      var line = Line(type: "finished", step: step.number, name: step.name)
      switch outcome {
      case .done: line.outcome = "done"
      case .cached: line.outcome = "cached"
      case .canceled: line.outcome = "canceled"
      case .failed(let reason): (line.outcome, line.error) = ("failed", reason)
      }
      if let start = began.withLock({ $0.removeValue(forKey: step.number) }) {
        let elapsed = (ContinuousClock.now - start).components
        line.seconds = Double(elapsed.seconds) + (Double(elapsed.attoseconds) / 1e15).rounded() / 1e3
      }
      write(line)
    case .warning(let text): write(Line(type: "warning", text: text))
    }
  }

  func finish(_ failure: String?) { write(Line(type: "result", error: failure, success: failure == nil)) }

  private func write(_ line: Line) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Nothing in it can fail to be encoded.
    guard let data = try? encoder.encode(line) else { return }
    printError(String(decoding: data, as: UTF8.self))
  }
}
