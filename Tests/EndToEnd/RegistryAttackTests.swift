import Foundation
import Testing

/// The registry's own program under what nobody sends by mistake: see `Attacks/attack.py` for each of it.
@Suite("registry under attack", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct RegistryAttackTests {
  private static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("Attacks/attack.py").path

  /// A registry with an operator `ada`, `eve` who may use repositories of her own name alone, and `mallory` of another
  /// account; and `attack SUBJECT...`. `resident` tells the program's memory in KiB.
  private static func serve(_ port: Int, _ options: String = "") -> String {
    """
    set -euo pipefail
    export HOST=127.0.0.1:\(port)
    cat > home.json <<'END'
    {"Version": "2012-10-17", "Statement": [
      {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
      {"Effect": "Allow", "Action": "ecr:*", "Resource": "arn:aws:ecr:*:*:repository/${aws:username}/*"}]}
    END
    clipper registry policy create home --document home.json > /dev/null
    printf correct-horse | clipper registry user add --password-stdin ada > /dev/null
    clipper registry user add --no-password --policy home eve > /dev/null
    clipper registry user add --no-password --account 111122223333 --policy AmazonEC2ContainerRegistryFullAccess \\
      mallory > /dev/null
    clipper registry serve --listen $HOST --tls off --realm 111122223333/us-east-1 \(options) >> registry.log 2>&1 &
    server=$!
    trap 'kill $server; wait $server || true' EXIT
    for i in $(seq 200); do curl -s http://$HOST/healthz > /dev/null && break; sleep 0.1; done
    attack() { PYTHONDONTWRITEBYTECODE=1 python3 \(script) "$@"; }
    resident() { awk '/VmRSS/ {print $2}' /proc/$server/status; }
    """
  }

  /// Once so that all code and caches are there, and once more: what it takes then, it would take for ever.
  @Test func answersWithTheRightErrorsAndDoesNotGrow() throws {
    try Machine().succeed(
      """
      \(Self.serve(15111))
      attack names digests manifests lengths signatures strangers; before=$(resident)
      attack names digests manifests lengths signatures strangers; after=$(resident)
      echo "resident: $before KiB, then $after KiB" >&2
      test $after -lt $((before + 20000))
      kill -0 $server
      for i in $(seq 100); do test -z "$(ls root/ingests)" && break; sleep 0.1; done
      test -z "$(ls root/ingests)"
      """)
  }

  @Test func endsSlowClientsAndServesOthers() throws {
    try Machine().succeed(
      """
      \(Self.serve(15112, "--set connections.head-timeout=2s"))
      attack slow
      kill -0 $server
      """)
  }

  @Test func scansBombsInLittleMemory() throws {
    try Machine().succeed(
      """
      \(Self.serve(15113))
      attack bombs
      highest=$(awk '/VmHWM/ {print $2}' /proc/$server/status)
      echo "resident at most: $highest KiB" >&2
      test $highest -lt 300000
      kill -0 $server
      """)
  }
}
