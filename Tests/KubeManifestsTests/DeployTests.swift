import Kernel
import SystemPackage
import Testing

@testable import KubeManifests

/// The manifests under deploy/, by which a registry runs on a cluster: read by the parser of ours as far as one host has
/// the same, and looked at for the rest.
@Suite struct DeployTests {
  private static let folder = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent().appending("deploy")

  private static func text(_ name: String) throws -> String {
    String(decoding: try readFile(folder.appending(name)), as: UTF8.self)
  }

  /// What a cluster has and one host has not. All else must be right: an unknown field or a wrong type is an error too.
  private static let clusterOnly = [
    "topologySpreadConstraints", "serviceAccountName", "sizeLimit", "httpGet.scheme", "fsGroupChangePolicy",
  ]

  private static func problems(_ text: String, _ name: String) -> [Problem] {
    Manifest(parsing: Array(text.utf8), file: name).problems.filter { problem in
      problem.severity == .error && !clusterOnly.contains { problem.path.hasSuffix($0) }
    }
  }

  @Test(arguments: ["cluster/deployment.yaml", "cluster/configmap.yaml", "cluster/service.yaml", "single/service.yaml"])
  func isRightAsFarAsOneHostHasTheSame(_ name: String) throws {
    #expect(try Self.problems(Self.text(name), name).isEmpty)
  }

  /// A StatefulSet is a Deployment with volumes of its own.
  @Test func soAreThePodsOfTheStatefulSet() throws {
    let whole = try Self.text("single/statefulset.yaml")
    var text = whole.replacing("kind: StatefulSet", with: "kind: Deployment")
      .replacing("  serviceName: registry\n", with: "")
    let claims = try #require(text.firstRange(of: "  volumeClaimTemplates:"))
    text = String(text[..<claims.lowerBound]) + "        - name: data\n          emptyDir: {}\n"
    #expect(Self.problems(text, "single/statefulset.yaml").isEmpty)
    #expect(whole.contains("  replicas: 1\n") && whole.contains("--root=/data") && whole.contains("mountPath: /data"))
  }

  @Test(arguments: ["cluster", "single"]) func everyFileIsListed(_ folder: String) throws {
    let list = try Self.text("\(folder)/kustomization.yaml")
    for name in try directoryEntries(of: Self.folder.appending(folder)) where name != "kustomization.yaml" {
      #expect(list.contains("  - \(name)\n"), "\(name)")
    }
  }

  @Test(arguments: ["cluster/deployment.yaml", "single/statefulset.yaml"])
  func podsAreConfinedAndProbed(_ name: String) throws {
    let text = try Self.text(name)
    for line in [
      "runAsNonRoot: true", "readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "drop: [ALL]",
      "type: RuntimeDefault", "automountServiceAccountToken: false", "startupProbe:", "livenessProbe:",
      "prometheus.io/scrape: \"true\"", "--tls-cert=/tls/tls.crt",
    ] { #expect(text.contains(line), "\(line)") }
    // A replica whose database is away is taken out, and not killed.
    for (probe, path) in [("startup", "/healthz"), ("liveness", "/healthz"), ("readiness", "/readyz")] {
      let asks = "          \(probe)Probe:\n            httpGet: {path: \(path), port: https, scheme: HTTPS}\n"
      #expect(text.contains(asks), "\(probe)")
    }
    // No password stands in a file.
    #expect(!text.contains("SECRET_ACCESS_KEY:") && !text.contains("postgres://"))
  }

  @Test func theOthersMeanTheSamePods() throws {
    let label = "app.kubernetes.io/name: clipper-registry"
    for name in ["deployment", "service", "poddisruptionbudget", "networkpolicy"] {
      #expect(try Self.text("cluster/\(name).yaml").contains(label), "\(name)")
    }
    // One may be away while the rest serve.
    #expect(try Self.text("cluster/deployment.yaml").contains("replicas: 3\n"))
    #expect(try Self.text("cluster/poddisruptionbudget.yaml").contains("minAvailable: 2\n"))
  }
}
