import Foundation
import Testing

/// How an operator runs a registry: settings, signals, limits and collection, by the program itself.
@Suite("registry operation", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct RegistryOperationTests {
  @Test func tellsAllThatIsWrongWithItsSettings() throws {
    let machine = try Machine()
    try machine.succeed(
      """
      printf 'tls: {mode: maybe}\\nlimits:\\n  address-rate: 0\\nwhat: 1\\n' > bad.yaml
      status=0; clipper registry config check bad.yaml 2> problems || status=$?
      test $status = 125
      grep -q 'bad.yaml:1: tls.mode: "maybe" is not auto or off' problems
      grep -q 'bad.yaml:3: limits.address-rate: ' problems
      grep -q 'bad.yaml:4: what: no such section' problems
      refused env CLIPPER_REGISTRY_TLS_MOED=off clipper registry serve 2> problems
      grep -q "CLIPPER_REGISTRY_TLS_MOED: no setting is called so" problems
      printf 'tls: {mode: off}\\nstop: {grace: 5s}\\n' > good.yaml
      clipper registry config check good.yaml
      CLIPPER_REGISTRY_STOP_GRACE=6s clipper registry config show --config good.yaml --set stop.drain-delay=1s > shown
      grep -q '^  mode: off  # good.yaml:1$' shown
      grep -q '^  grace: 6s  # the environment.s CLIPPER_REGISTRY_STOP_GRACE$' shown
      grep -q '^  drain-delay: 1s  # --set$' shown
      # What is shown is itself a file of settings.
      clipper registry config check shown
      """)
  }

  @Test func followsItsSettingsAndModeWhileItRuns() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      cat > settings.yaml <<END
      log: {access: $PWD/access.log, access-format: json}
      metrics: {access: none, addresses: ["127.0.0.1:15032"]}
      END
      \(RegistryFlowTests.serve(port: 15031, options: "--config settings.yaml"))
      clipper push base:1 $HOST/team/base:1
      curl -s http://127.0.0.1:15032/readyz | has '^ready$'
      curl -s http://127.0.0.1:15032/metrics | has '^clipper_registry_repositories 1$'
      test "$(curl -sk -o /dev/null -w '%{http_code}' https://$HOST/metrics)" = 404
      tail -n 1 access.log | jq -e '.user == "-" and .path == "/metrics" and .status == 404 and .id != ""'

      clipper registry mode read-only --reason 'moving house'
      refused clipper push base:1 $HOST/team/other:1 2> refused
      grep -q 'moving house' refused
      clipper pull -q $HOST/team/base:1
      clipper registry mode read-write
      clipper registry quota set --repository team/base --tags 1
      refused clipper push base:1 $HOST/team/base:2 2> refused
      grep -q 'quota exceeded' refused
      clipper registry quota list | has 'team/base.*1/1'
      clipper registry quota remove team/base
      clipper push base:1 $HOST/team/base:2

      # A log that was moved away, and a rate that is set, both from the next signal on.
      mv access.log access.log.1
      printf 'limits: {address-rate: 0.01, address-burst: 2}\\n' >> settings.yaml
      kill -HUP $server
      for i in $(seq 100); do if [ -e access.log ]; then break; fi; sleep 0.1; done
      for i in $(seq 3); do curl -sk -o /dev/null -w '%{http_code}\\n' https://$HOST/v2/; done | has 429
      grep -q '"status":429' access.log
      refused grep '"status":429' access.log.1
      """)
  }

  @Test func removesWhatNoImageNames() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15033))
      clipper push base:1 $HOST/team/base:1
      printf unused > blob
      digest=sha256:$(sha256sum < blob | cut -c1-64)
      curl -sSfk -u ada:$PASSWORD --data-binary @blob -X POST "https://$HOST/v2/team/base/blobs/uploads/?digest=$digest"
      clipper registry gc --dry-run > dry
      refused grep $digest dry
      python3 -c "import sqlite3; d = sqlite3.connect('root/clipper.db'); d.execute('UPDATE registry_blob SET linked = 0'); d.commit()"
      clipper registry gc --dry-run | has "$digest.*unused in team/base"
      # Beside what the push has left of layers that were not compressed.
      clipper registry gc | has 'and 1 blobs from repositories that do not use them'
      test ! -e root/content/blobs/sha256/${digest#sha256:}
      CLIPPER_ROOT=$PWD/other CLIPPER_RUN_ROOT=$PWD/other-run clipper pull -q $HOST/team/base:1
      """)
  }

  @Test func aSecondSignalEndsItAtOnce() throws {
    let machine = try Machine()
    try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15034, options: "--set stop.grace=1h"))
      location=$(curl -sk -u ada:$PASSWORD -X POST -D - -o /dev/null https://$HOST/v2/a/blobs/uploads/ | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p')
      (printf abc; sleep 600) | curl -sk -u ada:$PASSWORD -X PATCH -T - https://$HOST$location > /dev/null & upload=$!
      for i in $(seq 100); do curl -sk -u ada:$PASSWORD https://$HOST/metrics | has '^clipper_registry_uploads_in_progress 1$' && break; sleep 0.1; done
      kill -TERM $server
      # Nobody new gets in, and the upload still may go on.
      for i in $(seq 100); do curl -sk https://$HOST/healthz > /dev/null || break; sleep 0.1; done
      kill -0 $server
      kill -TERM $server
      refused wait $server
      trap - EXIT
      kill $upload 2> /dev/null || true
      """)
  }
}
