import Foundation
import Testing

/// docker, podman and oras as clients of the registry, from the root that `tools/peers setup` makes.
@Suite("peers", .serialized, .enabled(if: Host.runsContainers && Host.hasPeers, "needs root and the peers: tools/peers setup"))
struct PeerFlowTests {
  /// Runs a script in the peers' root, which is to push `team/pushed:1`.
  private func inPeers(_ machine: Machine, _ script: String) throws {
    try machine.succeedInPeers(
      script, port: 15001,
      then: """
        export CLIPPER_ROOT=$PWD/other CLIPPER_RUN_ROOT=$PWD/other-run
        clipper pull -q $HOST/team/pushed:1
        test "$(clipper run --rm --network none $HOST/team/pushed:1 echo works)" = works
        """)
  }

  @Test func dockerPullsAndPushes() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try inPeers(
      machine,
      """
      mkdir -p /etc/docker/certs.d/$HOST
      cp /machine/ca.crt /etc/docker/certs.d/$HOST/ca.crt
      dockerd --data-root /machine/docker-data --storage-driver vfs --bridge none --iptables=false >/machine/dockerd.log 2>&1 & daemon=$!
      trap 'kill $daemon; wait $daemon || true' EXIT
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
    try inPeers(
      machine,
      """
      storage="--root /machine/podman-data --runroot /machine/podman-run --storage-driver vfs"
      printf %s "$PASSWORD" | podman $storage login --cert-dir /machine/certs/$HOST -u ada --password-stdin $HOST
      podman $storage pull -q --cert-dir /machine/certs/$HOST $HOST/team/base:1
      podman $storage tag $HOST/team/base:1 $HOST/team/pushed:1
      podman $storage push -q --cert-dir /machine/certs/$HOST $HOST/team/pushed:1
      """)
  }

  @Test func buildahPushesListsOfEitherKindAndSkopeoCopiesThem() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try inPeers(
      machine,
      """
      cert="--cert-dir /machine/certs/$HOST"
      b="buildah --root /machine/buildah-data --runroot /machine/buildah-run --storage-driver vfs"
      printf %s "$PASSWORD" | $b login $cert -u ada --password-stdin $HOST
      container=$($b from -q $cert docker://$HOST/team/base:1)
      for kind in oci docker; do
        $b config --label kind=$kind $container
        $b commit -q --format $kind $container built:$kind
        $b manifest create list:$kind built:$kind >/dev/null
        if [ $kind = docker ]; then format=v2s2; else format=oci; fi
        $b manifest push -q $cert --all --format $format list:$kind docker://$HOST/team/list:$kind
      done
      skopeo inspect --raw $cert docker://$HOST/team/list:oci | grep application/vnd.oci.image.index.v1+json
      skopeo inspect --raw $cert docker://$HOST/team/list:docker | grep application/vnd.docker.distribution.manifest.list.v2+json
      skopeo copy -q --all --src-cert-dir /machine/certs/$HOST --dest-cert-dir /machine/certs/$HOST docker://$HOST/team/list:oci docker://$HOST/team/pushed:1
      test "$(skopeo inspect --raw $cert docker://$HOST/team/list:oci | sha256sum)" = "$(skopeo inspect --raw $cert docker://$HOST/team/pushed:1 | sha256sum)"
      skopeo delete $cert docker://$HOST/team/list:docker
      if skopeo inspect --raw $cert docker://$HOST/team/list:docker 2>/dev/null; then exit 1; fi
      """)
  }

  @Test func orasCopiesAndAttaches() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try inPeers(
      machine,
      """
      cd /tmp
      printf %s "$PASSWORD" | oras login --ca-file /machine/ca.crt -u ada --password-stdin $HOST
      echo report > report.txt
      oras copy --from-ca-file /machine/ca.crt --to-ca-file /machine/ca.crt $HOST/team/base:1 $HOST/team/pushed:1
      oras attach --ca-file /machine/ca.crt --artifact-type application/x-report $HOST/team/pushed:1 report.txt
      oras discover --ca-file /machine/ca.crt $HOST/team/pushed:1 | grep application/x-report
      # With all that refers to it, and back to the byte.
      oras copy -r --from-ca-file /machine/ca.crt --to-ca-file /machine/ca.crt $HOST/team/pushed:1 $HOST/team/copied:1
      artifact=$(oras discover --ca-file /machine/ca.crt --format json $HOST/team/copied:1 | grep -o '"digest": *"sha256:[0-9a-f]*"' | tail -1 | grep -o 'sha256:[0-9a-f]*')
      mkdir back
      oras pull --ca-file /machine/ca.crt -o back $HOST/team/copied@$artifact >/dev/null
      cmp report.txt back/report.txt
      oras repo tags --ca-file /machine/ca.crt $HOST/team/copied | grep -x 1
      oras manifest delete --ca-file /machine/ca.crt -f $HOST/team/copied@$artifact
      blob=$(oras manifest fetch --ca-file /machine/ca.crt $HOST/team/base:1 | grep -o 'sha256:[0-9a-f]*' | sed -n 1p)
      oras blob fetch --ca-file /machine/ca.crt --descriptor $HOST/team/base@$blob >/dev/null
      """)
  }
}
