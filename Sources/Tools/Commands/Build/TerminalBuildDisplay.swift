internal import BuildSolver
internal import Dispatch
internal import Glibc
internal import Synchronization

/// A live display: a line for each step with its time, below the running ones what they wrote last. It is drawn over
/// again ten times a second; what is done scrolls up and stays. (buildkit, progress/progressui)
final class TerminalBuildDisplay: BuildDisplay {
  private struct Row {
    var step: BuildStep
    var began = ContinuousClock.now
    /// nil while it runs.
    var end: (seconds: String, outcome: BuildEvent.Outcome)?
    var status: String?
    /// The last lines of what it wrote; the last one may be unfinished.
    var output: [[UInt8]] = []
  }

  private struct State {
    var rows: [Row] = []
    /// Rows that were written for good.
    var settled = 0
    /// Lines on the screen that the next drawing replaces.
    var drawn = 0
    var began = ContinuousClock.now
    var notes: [String] = []
    var isOver = false
  }

  private let state = Mutex(State())
  // Used by the initializer and `finish` only; the protocol does not say that it may be shared.
  private nonisolated(unsafe) let timer: any DispatchSourceTimer
  private static let outputLines = 6

  init() {
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "build display"))
    self.timer = timer
    timer.setEventHandler { [weak self] in self?.draw() }
    timer.schedule(deadline: .now() + .milliseconds(100), repeating: .milliseconds(100))
    timer.resume()
  }

  func take(_ event: BuildEvent) {
    state.withLock { state in
      switch event {
      case .started(let step): state.rows.append(Row(step: step))
      case .status(let step, let text): change(step, &state) { $0.status = text }
      case .output(let step, let bytes, _): change(step, &state) { Self.add(bytes, to: &$0.output) }
      case .finished(let step, let outcome):
        change(step, &state) { $0.end = (PlainBuildDisplay.seconds(since: $0.began), outcome) }
      case .warning(let text): state.notes.append("WARNING: \(text)")
      }
    }
  }

  func finish(_ failure: String?) {
    timer.cancel()
    state.withLock { state in
      state.isOver = true
      draw(&state)
    }
  }

  private func change(_ step: BuildStep, _ state: inout State, _ body: (inout Row) -> Void) {
    guard let index = state.rows.lastIndex(where: { $0.step.number == step.number }) else { return }
    body(&state.rows[index])
  }

  private static func add(_ bytes: [UInt8], to lines: inout [[UInt8]]) {
    var isFirst = true
    for part in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if isFirst, !lines.isEmpty { lines[lines.count - 1] += part } else { lines.append(Array(part)) }
      isFirst = false
    }
    // One more than are shown: the last may be empty.
    if lines.count > outputLines + 1 { lines.removeFirst(lines.count - outputLines - 1) }
    // A program that draws a bar on one line for an hour.
    if let last = lines.last, last.count > 4096 { lines[lines.count - 1] = Array(last.suffix(1024)) }
  }

  // MARK: - Drawing

  private func draw() { state.withLock { if !$0.isOver { draw(&$0) } } }

  private func draw(_ state: inout State) {
    let (height, width) = Self.size()
    var text = state.drawn > 0 ? "\u{1b}[\(state.drawn)A\r\u{1b}[J" : ""
    // What is done and has only done things above it stays where it is.
    while state.settled < state.rows.count, state.rows[state.settled].end != nil {
      text += Self.line(state.rows[state.settled], width) + "\n"
      state.settled += 1
    }
    for note in state.notes { text += note + "\n" }
    state.notes = []
    state.drawn = 0
    guard !state.isOver else {
      for row in state.rows[state.settled...] { text += Self.line(row, width) + "\n" }
      state.settled = state.rows.count
      printError(text.hasSuffix("\n") ? String(text.dropLast()) : text)
      return
    }
    var lines: [String] = ["[+] Building \(PlainBuildDisplay.seconds(since: state.began))s"]
    for row in state.rows[state.settled...] {
      lines.append(Self.line(row, width))
      guard row.end == nil else { continue }
      let shown = row.output.last?.isEmpty ?? false ? row.output.dropLast() : row.output[...]
      for line in shown {
        lines.append("\u{1b}[2m" + Self.fitted(" => => " + Self.printable(line), width) + "\u{1b}[0m")
      }
      if let status = row.status { lines.append("\u{1b}[2m" + Self.fitted(" => => \(status)", width) + "\u{1b}[0m") }
    }
    // What does not fit could not be drawn over again.
    lines = Array(lines.prefix(max(1, height - 2)))
    state.drawn = lines.count
    write(text + lines.joined(separator: "\n") + "\n")
  }

  private func write(_ text: String) { printError(String(text.dropLast())) }

  private static func line(_ row: Row, _ width: Int) -> String {
    var name = row.step.name
    var color = ""
    var time = row.end?.seconds ?? PlainBuildDisplay.seconds(since: row.began)
    switch row.end?.outcome {
    case .cached?:
      (name, color, time) = ("CACHED \(name)", "\u{1b}[34m", "0.0")
    case .done?: color = "\u{1b}[34m"
    case .canceled?: (name, color) = ("CANCELED \(name)", "\u{1b}[33m")
    case .failed?: (name, color) = ("ERROR \(name)", "\u{1b}[31m")
    case nil: break
    }
    let end = "\(time)s"
    let room = max(10, width - end.count - 2)
    let head = fitted(" => \(name)", room)
    let gap = String(repeating: " ", count: max(1, room - head.count + 1))
    return color + head + gap + end + (color.isEmpty ? "" : "\u{1b}[0m")
  }

  private static func fitted(_ text: String, _ width: Int) -> String {
    text.count <= width ? text : String(text.prefix(max(1, width - 1))) + "…"
  }

  /// What moves the cursor would break the picture: of a line that was drawn over only the last state is shown.
  private static func printable(_ bytes: [UInt8]) -> String {
    let parts = bytes.split(separator: UInt8(ascii: "\r"))
    var text = ""
    var escape = false
    for scalar in String(decoding: parts.last ?? [], as: UTF8.self).unicodeScalars {
      if escape {
        // A control sequence ends with a letter. (ECMA-48, 5.4)
        if (0x40...0x7e).contains(scalar.value), scalar != "[" { escape = false }
      } else if scalar.value == 0x1b {
        escape = true
      } else if scalar == "\t" {
        text += "  "
      } else if scalar.value >= 0x20, !(0x7f...0x9f).contains(scalar.value) {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  private static func size() -> (rows: Int, columns: Int) {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (24, 80) }
    return (Int(size.ws_row > 0 ? size.ws_row : 24), Int(size.ws_col))
  }
}
