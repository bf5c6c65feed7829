import Foundation
import Testing

/// ECR's interface as its own SDK uses it: `ECRClients` has a script for each subject.
@Suite("ecr", .enabled(if: Host.hasBoto3, "SKIPPED: needs Python's boto3"))
struct ECRFlowTests {
  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("ECRClients").path

  /// Runs a script of Python against a registry of its own.
  private func run(_ script: String, port: Int) throws {
    try Machine().succeed(
      """
      \(RegistryFlowTests.serve(port: port))
      eval "$(clipper registry key create --format env)"
      PYTHONDONTWRITEBYTECODE=1 python3 \(Self.scripts)/\(script)
      """)
  }

  @Test func botocoreAgreesWithImagesAndLayers() throws { try run("images.py", port: 15010) }

  @Test func botocoresSignaturesAreReadAsItMadeThem() throws { try run("signatures.py", port: 15030) }

  @Test func policiesDecideOnBothSides() throws { try run("policies.py", port: 15031) }

  @Test func botocoreAgreesWithLifecyclesAndTheArchive() throws { try run("lifecycle.py", port: 15016) }

  @Test func botocoreAgreesWithScanning() throws { try run("scanning.py", port: 15013) }

  @Test func theTablesAreBotocoresModels() throws {
    try Machine().succeed("\(Self.scripts)/../../../tools/ecr-model --check")
  }
}
