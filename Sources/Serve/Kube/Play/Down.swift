extension Player {
  /// Takes objects down: pods first, then what they used. Volumes of claims stay unless they are asked for.
  ///
  /// - Returns: the objects that were there.
  /// - Throws: the first error, after everything was tried.
  public func down(_ keys: [ObjectKey], volumes: Bool = false) throws -> [ObjectKey] {
    let lock = try PlayLock(root)
    defer { withExtendedLifetime(lock) {} }
    let known = Set(try records.all().map(\.key))
    var found: [ObjectKey] = []
    var first: (any Error)?
    // All pods at once: each may take its grace period to stop. What fails is tried again with its object, and reported.
    try? remove(keys.filter { $0.kind.hasPods }.flatMap { try existing($0) })
    for key in keys.sorted(by: { $0.kind > $1.kind }) {
      do {
        let pods = key.kind.hasPods ? try existing(key) : []
        guard known.contains(key) || !pods.isEmpty else { continue }
        found.append(key)
        try remove(pods)
        if key.kind == .service { try host.setService(Self.serviceName(key), []) }
        if key.kind == .claim, volumes {
          try host.removeVolume(PodPlan.engineName(namespace: key.namespace, pod: key.name))
        }
        try records.change(remove: [key])
        report(.object(key, .deleted))
      } catch {
        first = first ?? error
      }
    }
    try syncAllServices()
    if let first { throw first }
    return found
  }

  /// The recorded objects that a name means: `kind/name`, or a name alone.
  public func keys(named text: String, namespace: String) throws -> [ObjectKey] {
    let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
    let found = try records.all().map(\.key).filter { key in
      guard key.namespace == namespace, key.name == parts.last else { return false }
      return parts.count == 1 || key.kind.short == parts[0].lowercased() || key.kind.short + "s" == parts[0].lowercased()
    }
    guard !found.isEmpty else { throw KubeError.notPlayed(text) }
    return found
  }

  /// Every pod, with where it stands.
  public func pods() throws -> [(pod: HostedPod, status: PodStatus)] {
    let specs = try specs()
    return try host.pods().map { ($0, PodStatus($0, spec: specs["\($0.namespace)/\($0.owner)"])) }
      .sorted { ($0.0.namespace, $0.0.name) < ($1.0.namespace, $1.0.name) }
  }

  public func objects() throws -> [KubeRecord] { try records.all() }
}
