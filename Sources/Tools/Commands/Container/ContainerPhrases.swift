internal import Engine
internal import Sandboxes

/// What listings say of a container, in docker's words.
extension Container {
  /// `Up 5 minutes (healthy)`, `Exited (0) 2 hours ago`.
  var statusPhrase: String {
    func since(_ text: String?) -> String {
      text.flatMap(Timestamp.seconds).map { Phrase.duration(seconds: max(0, Moment.now().seconds - $0)) } ?? "some time"
    }
    switch state.status {
    case .created: return "Created"
    case .dead: return "Dead"
    case .running:
      let health = state.health.map { $0.status == .starting ? " (health: starting)" : " (\($0.status.rawValue))" }
      return "Up \(since(state.startedAt))\(health ?? "")"
    case .paused: return "Up \(since(state.startedAt)) (Paused)"
    case .restarting: return "Restarting (\(state.exitCode ?? 0)) \(since(state.finishedAt)) ago"
    case .exited: return "Exited (\(state.exitCode ?? 0)) \(since(state.finishedAt ?? state.startedAt)) ago"
    }
  }

  /// `0.0.0.0:8080->80/tcp, 9000/tcp`, by the container's ports.
  var portsPhrase: String {
    guard isRunning else { return "" }
    let published = ownPublications.map { (port: Int($0.targetPort), text: "\($0.hostText)->\($0.targetText)") }
    let mapped = Set(ownPublications.map(\.targetText))
    let exposed = record.exposedPorts.map { $0.contains("/") ? $0 : $0 + "/tcp" }.filter { !mapped.contains($0) }
    return (published + exposed.map { (Int($0.prefix { $0 != "/" }) ?? 0, $0) }).sorted { $0.port < $1.port }.map(
      \.text
    )
    .joined(separator: ", ")
  }

  /// The published ports of its own; a pod's are the pod's.
  var ownPublications: [Publication] {
    guard isRunning, let endpoint, endpoint.owner == id else { return [] }
    return endpoint.publications.sorted { ($0.targetPort, $0.hostPort) < ($1.targetPort, $1.hostPort) }
  }

  var networkName: String {
    if record.options.pod != nil { return endpoint?.network ?? "pod" }
    switch record.options.network {
    case .none: return "none"
    case .host: return "host"
    case .bridge(let name): return name
    case .container(let id): return "container:\(id)"
    }
  }
}

extension Publication {
  /// `0.0.0.0:8080`.
  var hostText: String { "\(hostAddress?.description ?? "0.0.0.0"):\(hostPort)" }
  /// `80/tcp`.
  var targetText: String { "\(targetPort)/\(transport.rawValue)" }
}
