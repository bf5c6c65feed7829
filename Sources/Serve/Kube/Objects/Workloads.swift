/// The pods of a Deployment or a Job are made from one of these.
public struct PodTemplate: Sendable, Hashable {
  public var metadata: Metadata
  public var spec: PodSpec
}

/// (Kubernetes API, Deployment)
public struct Deployment: Sendable, Hashable {
  public enum Strategy: Sendable, Hashable {
    case recreate
    /// New pods before old ones go: at most `surge` more than wanted, at most `unavailable` fewer.
    case rolling(surge: Int, unavailable: Int)
  }

  public var replicas: Int
  public var selector: LabelSelector
  public var template: PodTemplate
  public var strategy: Strategy
  /// Seconds that a pod has to be ready for before it counts.
  public var minimumReady: Int64
  /// Seconds that `--wait` waits.
  public var progressDeadline: Int64
}

/// (Kubernetes API, Job)
public struct Job: Sendable, Hashable {
  public var completions: Int
  public var parallelism: Int
  public var backoffLimit: Int
  /// Seconds.
  public var activeDeadline: Int64?
  public var template: PodTemplate
}

extension ObjectReader {
  func deployment() -> Deployment? {
    refuse("paused", "nothing rolls out later: take it out")
    // There is no history to keep, so every limit on it holds.
    _ = integer("revisionHistoryLimit")
    let replicas = Int(integer("replicas", in: 0...1000) ?? 1)
    let strategy = strategy(replicas: replicas)
    let minimumReady = integer("minReadySeconds") ?? 0
    let deadline = integer("progressDeadlineSeconds") ?? 600
    let selector = requiredObject("selector").map { object in
      let selector = LabelSelector(reading: object)
      object.finish()
      return selector
    }
    let template = template(defaultRestart: .always)
    if let template, template.spec.restartPolicy != .always {
      problems.error(template.spec.line, path("template") + ".spec.restartPolicy", "must be Always in a Deployment")
    }
    guard let selector, let template else { return nil }
    if selector.requirements.isEmpty {
      error("selector", "must not be empty: give matchLabels the labels of the template")
    } else if !selector.matches(template.metadata.labels) {
      error("selector", "does not match the template's labels (spec.template.metadata.labels)")
    }
    return Deployment(
      replicas: replicas, selector: selector, template: template, strategy: strategy, minimumReady: minimumReady,
      progressDeadline: deadline)
  }

  private func strategy(replicas: Int) -> Deployment.Strategy {
    let standard = Deployment.Strategy.rolling(surge: (replicas + 3) / 4, unavailable: replicas / 4)
    return object("strategy") { object -> Deployment.Strategy? in
      let type = object.string("type") ?? "RollingUpdate"
      switch type {
      case "Recreate":
        if object.has("rollingUpdate") { object.error("rollingUpdate", "may not be given with the type Recreate") }
        return .recreate
      case "RollingUpdate":
        return object.object("rollingUpdate") { rolling in
          let surge = rolling.share("maxSurge", of: replicas, roundingUp: true) ?? (replicas + 3) / 4
          let unavailable = rolling.share("maxUnavailable", of: replicas, roundingUp: false) ?? replicas / 4
          if surge == 0, unavailable == 0, replicas > 0 {
            rolling.error("maxUnavailable", "may not be 0 where maxSurge is 0: no pod could be replaced")
          }
          return .rolling(surge: surge, unavailable: unavailable)
        } ?? standard
      default:
        object.error("type", "\"\(type)\" is not one of Recreate, RollingUpdate")
        return nil
      }
    } ?? standard
  }

  /// A number, or a percentage of `whole`.
  private func share(_ field: String, of whole: Int, roundingUp: Bool) -> Int? {
    guard let (text, isString) = text(field) else { return nil }
    if !isString { return integer(field, in: 0...1000).map { Int($0) } }
    guard text.hasSuffix("%"), let percent = Int(text.dropLast()), (0...100).contains(percent) else {
      error(field, "\"\(text)\" is neither a number nor a percentage of 0% to 100%")
      return nil
    }
    return (whole * percent + (roundingUp ? 99 : 0)) / 100
  }

  func job() -> Job? {
    refuse([
      ("ttlSecondsAfterFinished", "no controller would remove the job later; use clipper kube down"),
      ("suspend", "nothing would resume the job"), ("podFailurePolicy", "backoffLimit says how often a job is tried"),
      ("successPolicy", "a job is complete with its completions"),
      ("backoffLimitPerIndex", "backoffLimit says how often a job is tried"),
      ("maxFailedIndexes", "backoffLimit says how often a job is tried"),
      ("managedBy", "the command that plays the job is its controller"),
      ("podReplacementPolicy", "a pod is replaced once it has ended"),
    ])
    accept("completionMode", only: ["NonIndexed"], "pods have no index")
    if has("manualSelector") { accept("manualSelector", only: ["false"], "a job finds its pods by its name") }
    refuse("selector", "a job finds its pods by its name")
    let completions = integer("completions", in: 1...1000)
    let parallelism = Int(integer("parallelism", in: 1...1000) ?? 1)
    let backoff = Int(integer("backoffLimit", in: 0...1000) ?? 6)
    let deadline = integer("activeDeadlineSeconds", in: 1...Int64(Int32.max))
    guard let template = template(defaultRestart: .always) else { return nil }
    if template.spec.restartPolicy == .always {
      problems.error(template.spec.line, path("template") + ".spec.restartPolicy", "must be OnFailure or Never in a Job")
    }
    // Without completions, one success of any pod completes the job once all have ended: as many as run at once.
    let wanted = completions.map { Int($0) } ?? parallelism
    return Job(
      completions: wanted, parallelism: min(parallelism, wanted), backoffLimit: backoff, activeDeadline: deadline,
      template: template)
  }

  private func template(defaultRestart: PodRestartPolicy) -> PodTemplate? {
    guard let object = requiredObject("template") else { return nil }
    defer { object.finish() }
    let metadata = object.metadata(.template)
    guard let spec = object.requiredObject("spec") else { return nil }
    defer { spec.finish() }
    guard let pod = spec.podSpec(defaultRestart: defaultRestart), let metadata else { return nil }
    return PodTemplate(metadata: metadata, spec: pod)
  }
}
