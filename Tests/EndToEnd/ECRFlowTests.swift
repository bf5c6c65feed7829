import Foundation
import Testing

/// ECR's interface as its own SDK uses it: `ECRClients` has a script for each subject.
@Suite("ecr", .enabled(if: Host.hasBoto3, "SKIPPED: needs Python's boto3"))
struct ECRFlowTests {
  private static let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("ECRClients").path

  /// Runs a script of Python against a registry of its own, and other commands after it. Returns what they print.
  @discardableResult
  private func run(_ script: String, port: Int, options: String = "", then commands: String = "") throws -> String {
    try Machine().succeed(
      """
      \(RegistryFlowTests.serve(port: port, options: options))
      eval "$(clipper registry key create --format env)"
      PYTHONDONTWRITEBYTECODE=1 python3 \(Self.scripts)/\(script)
      \(commands)
      """
    ).out
  }

  @Test func botocoreAgreesWithImagesAndLayers() throws { try run("images.py", port: 15010) }

  @Test func botocoresSignaturesAreReadAsItMadeThem() throws { try run("signatures.py", port: 15030) }

  @Test func policiesDecideOnBothSides() throws { try run("policies.py", port: 15031) }

  @Test func botocoreAgreesWithLifecyclesAndTheArchive() throws {
    let lines = try run(
      "lifecycle.py", port: 15016,
      then: """
        clipper registry lifecycle run --dry-run --format '{{.Repository}} {{.Tags}} {{.Action}} {{.Rule}}' | sort
        clipper registry lifecycle run app --format '{{.Tags}} {{.Action}}' | sort
        clipper registry lifecycle run app --format '{{.Tags}}' | wc -l
        """
    ).split(separator: "\n").suffix(9).map(String.init)
    #expect(
      lines == [
        // d was restored, and counts as the newest.
        "app a archive 2", "app b archive 2", "app v1 expire 1", "app v2 expire 1",
        "a archive", "b archive", "v1 expire", "v2 expire", "0",
      ])
  }

  @Test func botocoreAgreesWithScanning() throws { try run("scanning.py", port: 15013) }

  /// Two accounts and two regions, and host names of AWS's shape.
  @Test func everyAccountAndRegionHasItsOwnNames() throws {
    try run(
      "addressing.py", port: 15040,
      options: "--account 123456789012 --region eu-west-1 --realm 123456789012/us-east-1 "
        + "--realm 210987654321/eu-west-1 --ecr-domain amazonaws.com")
  }

  @Test(.enabled(if: Host.hasModule("awscli"), "SKIPPED: needs the aws command line as a module of Python"))
  func theAWSCommandLineCallsEveryOperation() throws { try run("cli.py", port: 15041) }

  @Test func botocoreAgreesWithThePublicRegistry() throws { try run("public.py", port: 15042) }

  /// With a realm beside the main one, and two other registries on loopback: one of Clipper's, and one that wants tokens.
  @Test func botocoreAgreesWithReplicationAndCaches() throws {
    try Machine().succeed(
      """
      export PEER=http://127.0.0.1:15043 UPSTREAM_PORT=15044 PASSWORD=correct-horse
      export CLIPPER_ROOT=$PWD/peer CLIPPER_RUN_ROOT=$PWD/peer-run
      printf %s "$PASSWORD" | clipper registry user add --password-stdin ada >/dev/null
      peer_key=$(clipper registry key create --format json)
      clipper registry serve --tls off --account 222222222222 --region eu-west-1 --listen ${PEER#http://} > peer.log 2>&1 & peer=$!
      for i in $(seq 200); do curl -s $PEER/healthz >/dev/null && break; sleep 0.1; done
      export CLIPPER_ROOT=$PWD/root CLIPPER_RUN_ROOT=$PWD/run
      printf %s "$PASSWORD" | clipper registry secret set -u ada --password-stdin peer
      jq -r .AccessKey.SecretAccessKey <<< "$peer_key" |
        clipper registry secret set -u "$(jq -r .AccessKey.AccessKeyId <<< "$peer_key")" --password-stdin ecr-pullthroughcache/key
      printf token-of-ada | clipper registry secret set -u ada --password-stdin ecr-pullthroughcache/bearer
      test "$(clipper registry secret list | tr '\n' ' ')" = "ecr-pullthroughcache/bearer ecr-pullthroughcache/key peer "
      clipper registry replication set 222222222222/eu-west-1 --endpoint ${PEER#http://} --secret peer
      clipper registry replication list --format '{{.Registry}} {{.Secret}}' | has '222222222222/eu-west-1 peer'
      test "$(stat -c %a root/registry/secrets.json)" = 600
      \(RegistryFlowTests.serve(
        port: 15045,
        options: "--realm 000000000000/eu-west-1 --upstream bearer.test=127.0.0.1:$UPSTREAM_PORT "
          + "--upstream 222222222222.dkr.ecr.eu-west-1.amazonaws.com=${PEER#http://} --upstream-freshness 0"))
      trap 'kill $server $peer; wait $server $peer' EXIT
      eval "$(clipper registry key create --format env)"
      PYTHONDONTWRITEBYTECODE=1 python3 \(Self.scripts)/registry.py
      """)
  }

  @Test func theTablesAreBotocoresModels() throws {
    try Machine().succeed("\(Self.scripts)/../../../tools/ecr-model --check")
  }
}
