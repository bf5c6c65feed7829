internal import Glibc
internal import ImageSpec
internal import RegistryClient
internal import Synchronization

/// Shows a transfer: in a terminal a line for each layer that is drawn anew as it moves on, elsewhere a plain line for
/// each step.
final class TransferDisplay: Sendable {
  enum Direction: Sendable { case pull, push }

  private struct Line {
    let digest: Digest
    var status: String
    var bytes: Int64 = 0
    var total: Int64 = 0
    var isMoving = false
    var isOver = false
  }

  private struct State {
    var lines: [Line] = []
    var index: [Digest: Int] = [:]
    /// Lines on the screen that the next drawing replaces.
    var drawn = 0
    var lastDrawing: ContinuousClock.Instant?
    var notice: String?
  }

  /// Where it shows: standard error where standard output is somebody else's.
  enum Output: Sendable { case standardOutput, standardError }

  private let direction: Direction
  private let output: Output
  private let isTerminal: Bool
  private let state = Mutex(State())

  /// Between two drawings that show nothing but more bytes.
  private static let pause: Duration = .milliseconds(80)

  init(_ direction: Direction, output: Output = .standardOutput) {
    self.direction = direction
    self.output = output
    isTerminal = output == .standardOutput ? Terminal.outputIsTerminal : Terminal.errorIsTerminal
  }

  private func show(_ text: String) {
    if output == .standardOutput { printOutput(text) } else { printError(text, end: "") }
  }

  var progress: TransferProgress { { self.take($0) } }

  /// Draws the last state; what is printed after it stays below.
  func finish() {
    state.withLock { state in
      guard isTerminal, !state.lines.isEmpty else { return }
      state.notice = nil
      draw(&state)
      state.drawn = 0
    }
  }

  private func take(_ event: TransferEvent) {
    state.withLock { state in
      switch event {
      case .started(let descriptor, .layer): start(descriptor, &state)
      case .started: break
      case .advanced(let digest, let bytes, let total):
        change(digest, &state, isQuiet: true) { line in
          line.status = direction == .pull ? "Downloading" : "Pushing"
          (line.bytes, line.total, line.isMoving) = (bytes, total, true)
        }
      case .compressing(let digest): set(digest, "Compressing", isOver: false, &state)
      case .finished(let digest): set(digest, direction == .pull ? "Pull complete" : "Pushed", isOver: true, &state)
      case .exists(let digest): set(digest, direction == .pull ? "Already exists" : "Layer already exists", isOver: true, &state)
      case .mounted(let digest, let from): set(digest, "Mounted from \(from)", isOver: true, &state)
      case .retrying(let what, let reason, _, let wait):
        let seconds = Double(wait.components.seconds) + Double(wait.components.attoseconds) / 1e18
        let text = "\(what): \(reason); trying again in \((seconds * 10).rounded() / 10) s"
        if isTerminal {
          state.notice = text
          draw(&state)
        } else {
          printError(text)
        }
      }
    }
  }

  private func start(_ descriptor: Descriptor, _ state: inout State) {
    guard state.index[descriptor.digest] == nil else { return }
    state.index[descriptor.digest] = state.lines.count
    state.lines.append(Line(digest: descriptor.digest, status: direction == .pull ? "Waiting" : "Preparing"))
    if isTerminal {
      draw(&state)
    } else {
      show("\(descriptor.digest.short): \(direction == .pull ? "Pulling fs layer" : "Preparing")\n")
    }
  }

  private func set(_ digest: Digest, _ status: String, isOver: Bool, _ state: inout State) {
    change(digest, &state, isQuiet: false) { line in
      line.status = status
      line.isMoving = false
      line.isOver = isOver
    }
  }

  /// - Parameter isQuiet: plain output does not mention it.
  private func change(_ digest: Digest, _ state: inout State, isQuiet: Bool, _ body: (inout Line) -> Void) {
    guard let index = state.index[digest] else { return }
    // A layer that an image has twice is reported twice.
    let wasOver = state.lines[index].isOver
    body(&state.lines[index])
    if isTerminal {
      let now = ContinuousClock.now
      if isQuiet, let last = state.lastDrawing, now - last < Self.pause { return }
      draw(&state)
    } else if !isQuiet, !wasOver {
      show("\(digest.short): \(state.lines[index].status)\n")
    }
  }

  // MARK: Drawing

  private func draw(_ state: inout State) {
    let (rows, columns) = size()
    var shown = state.lines
    // What does not fit cannot be drawn over again: of many layers, those that still move are shown.
    let room = max(1, rows - 2)
    if shown.count > room {
      shown = Array(shown.filter { !$0.isOver }.prefix(room))
    }
    var text = state.drawn > 0 ? "\u{1b}[\(state.drawn)A" : ""
    for line in shown { text += "\r\u{1b}[K" + Self.render(line, columns) + "\n" }
    if let notice = state.notice { text += "\r\u{1b}[K" + notice.prefix(columns - 1) + "\n" }
    text += "\u{1b}[J"
    state.drawn = shown.count + (state.notice == nil ? 0 : 1)
    state.lastDrawing = .now
    state.notice = nil
    show(text)
  }

  private static func render(_ line: Line, _ columns: Int) -> String {
    let head = "\(line.digest.short): \(line.status)"
    guard line.isMoving, line.total > 0 else { return String(head.prefix(columns - 1)) }
    let figures = "\(Phrase.size(line.bytes))/\(Phrase.size(line.total))"
    // Head, a space, the bar in brackets, two spaces, up to 15 places of figures.
    let width = min(50, columns - head.count - 21)
    guard width >= 10 else { return String("\(head) \(figures)".prefix(columns - 1)) }
    let done = Int(Double(width) * Double(min(line.bytes, line.total)) / Double(line.total))
    let bar = String(repeating: "=", count: max(0, done - 1)) + (done > 0 ? ">" : "") + String(repeating: " ", count: width - done)
    return "\(head) [\(bar)]  \(figures)"
  }

  private func size() -> (rows: Int, columns: Int) {
    var size = winsize()
    guard ioctl(output == .standardOutput ? STDOUT_FILENO : STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return (24, 80) }
    return (Int(size.ws_row > 0 ? size.ws_row : 24), Int(size.ws_col))
  }
}
