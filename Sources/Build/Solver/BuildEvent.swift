/// A line of a build's progress: a step of a stage, or something that the builder does for itself.
public struct BuildStep: Sendable, Hashable {
  /// From 1, in the order in which they begin.
  public let number: Int
  /// `[build 2/4] RUN make`, `[internal] load build context`
  public let name: String
}

/// What a build tells while it goes on. Events of one step come in order; those of several mix.
public enum BuildEvent: Sendable {
  public enum Outcome: Sendable, Hashable {
    case done
    case cached
    case canceled
    case failed(String)
  }

  case started(BuildStep)
  /// What a RUN's program wrote, as it came.
  case output(BuildStep, [UInt8], isError: Bool)
  /// One line of what the step is at.
  case status(BuildStep, String)
  case finished(BuildStep, Outcome)
  case warning(String)
}

public typealias BuildProgress = @Sendable (BuildEvent) -> Void
