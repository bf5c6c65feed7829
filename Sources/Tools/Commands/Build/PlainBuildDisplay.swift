internal import BuildSolver
internal import Synchronization

/// Plain lines: `#5 [build 2/4] RUN make`, `#5 0.123 output`, `#5 DONE 0.3s`. (buildkit, progress/progressui)
final class PlainBuildDisplay: BuildDisplay {
  private struct Running {
    var step: BuildStep
    var began: ContinuousClock.Instant
    /// What was written since the last newline, by stream.
    var rest: [Bool: [UInt8]] = [:]
  }

  private struct State {
    var running: [Int: Running] = [:]
    /// The step that the last line was about: another one is named again first.
    var current: Int?
    var text = ""
  }

  private let state = Mutex(State())

  func take(_ event: BuildEvent) {
    state.withLock { state in
      switch event {
      case .started(let step):
        state.running[step.number] = Running(step: step, began: .now)
        head(step, &state, isFirst: true)
      case .status(let step, let text): line(step, text, &state)
      case .output(let step, let bytes, let isError): output(step, bytes, isError, &state)
      case .finished(let step, let outcome):
        flush(step, &state)
        let seconds = Self.seconds(since: state.running[step.number]?.began)
        switch outcome {
        case .done: line(step, "DONE \(seconds)s", &state)
        case .cached: line(step, "CACHED", &state)
        case .canceled: line(step, "CANCELED", &state)
        case .failed(let reason): line(step, "ERROR: \(reason)", &state)
        }
        state.running[step.number] = nil
        state.current = nil
      case .warning(let text): state.text += "WARNING: \(text)\n"
      }
      if !state.text.isEmpty {
        printError(String(state.text.dropLast()))
        state.text = ""
      }
    }
  }

  func finish(_ failure: String?) {}

  private func head(_ step: BuildStep, _ state: inout State, isFirst: Bool) {
    guard state.current != step.number else { return }
    state.current = step.number
    state.text += "\n#\(step.number) \(step.name)\n"
  }

  private func line(_ step: BuildStep, _ text: String, _ state: inout State) {
    head(step, &state, isFirst: false)
    state.text += "#\(step.number) \(text)\n"
  }

  private func output(_ step: BuildStep, _ bytes: [UInt8], _ isError: Bool, _ state: inout State) {
    guard var running = state.running[step.number] else { return }
    var rest = running.rest[isError, default: []] + bytes
    let began = running.began
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      line(step, "\(Self.seconds(since: began, digits: 3)) \(String(decoding: rest[..<end], as: UTF8.self))", &state)
      rest.removeSubrange(...end)
    }
    running.rest[isError] = rest
    state.running[step.number] = running
  }

  /// A last line without an end.
  private func flush(_ step: BuildStep, _ state: inout State) {
    guard let running = state.running[step.number] else { return }
    for isError in [false, true] {
      guard let rest = running.rest[isError], !rest.isEmpty else { continue }
      line(step, "\(Self.seconds(since: running.began, digits: 3)) \(String(decoding: rest, as: UTF8.self))", &state)
    }
  }

  static func seconds(since began: ContinuousClock.Instant?, digits: Int = 1) -> String {
    guard let began else { return "0.0" }
    let elapsed = (ContinuousClock.now - began).components
    var scale: Int64 = 1
    for _ in 0..<digits { scale *= 10 }
    let value = elapsed.seconds * scale + elapsed.attoseconds / (1_000_000_000_000_000_000 / scale)
    let part = String(value % scale)
    return "\(value / scale)." + String(repeating: "0", count: digits - part.utf8.count) + part
  }
}
