internal import BuildSolver

/// Shows a build while it goes on, on standard error.
protocol BuildDisplay: Sendable {
  func take(_ event: BuildEvent)
  /// The end; nil is success.
  func finish(_ failure: String?)
}

func makeBuildDisplay(_ style: ProgressStyle) -> any BuildDisplay {
  switch style {
  case .quiet, .none: QuietBuildDisplay()
  case .json, .rawjson: JSONBuildDisplay()
  case .plain: PlainBuildDisplay()
  case .tty: TerminalBuildDisplay()
  case .auto: if Terminal.errorIsTerminal { TerminalBuildDisplay() } else { PlainBuildDisplay() }
  }
}

/// Shows nothing. What a step that fails has written last is part of its error.
struct QuietBuildDisplay: BuildDisplay {
  func take(_ event: BuildEvent) {}
  func finish(_ failure: String?) {}
}
