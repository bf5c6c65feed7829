import Foundation
import Testing

/// docker, podman and oras as clients of the registry, from the root that `tools/peers setup` makes.
@Suite("peers", .serialized, .enabled(if: Host.runsContainers && Host.hasPeers, "needs root and the peers: tools/peers setup"))
struct PeerFlowTests {
  /// Runs a script in the peers' root, in the network where the registry listens.
  private func inPeers(_ machine: Machine, _ script: String) throws -> String {
    let tool = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../tools/peers").path
    try machine.write("peer.sh", "set -e\nexport HOST=127.0.0.1:15001 PASSWORD=correct-horse\n" + script)
    return try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15001))
      clipper push base:1 $HOST/team/base:1 >/dev/null
      '\(tool)' in -n -s "$PWD:/machine" bash /machine/peer.sh
      export CLIPPER_ROOT=$PWD/other CLIPPER_RUN_ROOT=$PWD/other-run
      clipper pull -q $HOST/team/pushed:1
      test "$(clipper run --rm --network none $HOST/team/pushed:1 echo works)" = works
      """, limit: 300
    ).out
  }

  @Test func dockerPullsAndPushes() throws {
    let machine = try Machine()
    try machine.importBusybox()
    _ = try inPeers(
      machine,
      """
      mkdir -p /etc/docker/certs.d/$HOST && cp /machine/ca.crt /etc/docker/certs.d/$HOST/ca.crt
      dockerd --data-root /machine/docker-data --storage-driver vfs --bridge none --iptables=false >/machine/dockerd.log 2>&1 & daemon=$!
      trap 'kill $daemon; wait $daemon' EXIT
      for i in $(seq 300); do docker info >/dev/null 2>&1 && break; sleep 0.1; done
      printf %s "$PASSWORD" | docker login -u ada --password-stdin $HOST
      docker pull -q $HOST/team/base:1
      docker tag $HOST/team/base:1 $HOST/team/pushed:1
      docker push -q $HOST/team/pushed:1
      """)
  }

  @Test func podmanPullsAndPushes() throws {
    let machine = try Machine()
    try machine.importBusybox()
    _ = try inPeers(
      machine,
      """
      storage="--root /machine/podman-data --runroot /machine/podman-run --storage-driver vfs"
      printf %s "$PASSWORD" | podman $storage login --cert-dir /machine/certs/$HOST -u ada --password-stdin $HOST
      podman $storage pull -q --cert-dir /machine/certs/$HOST $HOST/team/base:1
      podman $storage tag $HOST/team/base:1 $HOST/team/pushed:1
      podman $storage push -q --cert-dir /machine/certs/$HOST $HOST/team/pushed:1
      """)
  }

  @Test func orasCopiesAndAttaches() throws {
    let machine = try Machine()
    try machine.importBusybox()
    _ = try inPeers(
      machine,
      """
      cd /tmp
      printf %s "$PASSWORD" | oras login --ca-file /machine/ca.crt -u ada --password-stdin $HOST
      echo report > report.txt
      oras copy --from-ca-file /machine/ca.crt --to-ca-file /machine/ca.crt $HOST/team/base:1 $HOST/team/pushed:1
      oras attach --ca-file /machine/ca.crt --artifact-type application/x-report $HOST/team/pushed:1 report.txt
      oras discover --ca-file /machine/ca.crt $HOST/team/pushed:1 | grep -q application/x-report
      """)
  }
}
