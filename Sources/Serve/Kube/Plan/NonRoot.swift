/// The kubelet's rule for runAsNonRoot: the effective user must be a number, and not 0.
/// (Kubernetes, pkg/kubelet/kuberuntime/security_context_others.go, verifyRunAsNonRoot)
public enum NonRootRule {
  public enum Violation: Error, Hashable, CustomStringConvertible {
    case runAsUserIsRoot
    case imageUserIsRoot
    case imageUserIsName(String)

    /// The kubelet's own words.
    public var description: String {
      switch self {
      case .runAsUserIsRoot: "container's runAsUser breaks non-root policy"
      case .imageUserIsRoot: "container has runAsNonRoot and image will run as root"
      case .imageUserIsName(let name):
        "container has runAsNonRoot and image has non-numeric user (\(name)), cannot verify user is non-root"
      }
    }
  }

  /// - Parameter imageUser: the image's `User`; what follows a colon is its group.
  public static func check(runAsNonRoot: Bool?, runAsUser: UInt32?, imageUser: String?) throws(Violation) {
    guard runAsNonRoot == true else { return }
    if let runAsUser {
      guard runAsUser != 0 else { throw .runAsUserIsRoot }
      return
    }
    let user = String((imageUser ?? "").prefix { $0 != ":" })
    guard !user.isEmpty else { throw .imageUserIsRoot }
    guard user.utf8.allSatisfy({ (48...57).contains($0) }), let number = UInt32(user) else { throw .imageUserIsName(user) }
    guard number != 0 else { throw .imageUserIsRoot }
  }
}

extension SecurityContext {
  /// This container's context over the pod's.
  func over(_ pod: SecurityContext) -> SecurityContext {
    var result = self
    result.runAsUser = runAsUser ?? pod.runAsUser
    result.runAsGroup = runAsGroup ?? pod.runAsGroup
    result.runAsNonRoot = runAsNonRoot ?? pod.runAsNonRoot
    result.seccompProfile = seccompProfile ?? pod.seccompProfile
    return result
  }
}
