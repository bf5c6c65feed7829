import Foundation
import Testing

/// What others keep in a registry beside images: signatures of cosign and notation, charts of Helm; and crane as a client.
/// All from the root that `tools/peers setup` makes.
@Suite("artifacts", .serialized, .enabled(if: Host.runsContainers && Host.hasPeers, "needs root and the peers: tools/peers setup"))
struct ArtifactFlowTests {
  /// Runs a script in the peers' root, where `image` is `team/base:1` by its digest, and then another on the machine.
  private func run(_ machine: Machine, _ script: String, then after: String = "") throws {
    try machine.importBusybox()
    try machine.succeedInPeers(
      """
      export SSL_CERT_FILE=/machine/ca.crt HOME=/machine/home DOCKER_CONFIG=/machine/home/.docker COSIGN_PASSWORD=
      mkdir -p $HOME
      cd /machine
      printf %s "$PASSWORD" | crane auth login $HOST -u ada --password-stdin
      image=$HOST/team/base@$(crane digest $HOST/team/base:1)
      \(script)
      """, port: 15120, then: after)
  }

  @Test func cosignSignsAndVerifiesByReferrers() throws {
    try run(
      try Machine(),
      """
      for name in right wrong; do cosign generate-key-pair --output-key-prefix $name; done
      # Nothing of the public log and its keys can be reached, or is needed.
      cosign signing-config create > offline.json
      cosign sign -y --key right.key --signing-config offline.json $image
      cosign verify --key right.pub --insecure-ignore-tlog=true $image
      refused cosign verify --key wrong.pub --insecure-ignore-tlog=true $image
      cosign tree $image | has 'artifacts via OCI referrer'
      """,
      then: """
        clipper image verify --key right.pub $HOST/team/base:1
        refused clipper image verify --key wrong.pub $HOST/team/base:1
        clipper registry signature-policy set prod --repository 'team/*' --key release=right.pub
        clipper push base:1 $HOST/team/base:2
        clipper registry signature-policy set prod --repository 'team/*' --key release=wrong.pub
        refused clipper push base:1 $HOST/team/base:3
        """)
  }

  @Test func notationSignsAndVerifies() throws {
    try run(
      try Machine(),
      """
      printf %s "$PASSWORD" | notation login $HOST -u ada --password-stdin
      notation cert generate-test --default right
      notation sign $image
      notation list $image | has application/vnd.cncf.notary.signature
      cat > policy.json <<'END'
      {"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"], "trustStores": ["ca:right"],
        "signatureVerification": {"level": "strict"}, "trustedIdentities": ["*"]}]}
      END
      notation policy import policy.json
      notation verify $image
      """)
  }

  @Test func craneCopiesAppendsAndDeletes() throws {
    try run(
      try Machine(),
      """
      crane copy $HOST/team/base:1 $HOST/team/copied:1
      crane validate --remote $HOST/team/copied:1
      mkdir more && echo new > more/file && tar -C more -cf more.tar .
      crane append -f more.tar -b $HOST/team/copied:1 -t $HOST/team/appended:1
      crane export $HOST/team/appended:1 - | tar -tf - > files
      grep -qx bin/busybox files && grep -qx file files
      crane mutate -l kind=test -t $HOST/team/mutated:1 $HOST/team/copied:1
      crane catalog $HOST | has -x team/mutated
      crane delete $HOST/team/appended@$(crane digest $HOST/team/appended:1)
      refused crane digest $HOST/team/appended:1
      """,
      then: """
        export CLIPPER_ROOT=$PWD/other CLIPPER_RUN_ROOT=$PWD/other-run
        clipper pull -q $HOST/team/mutated:1
        """)
  }

  /// Helm's own code, as a library for Python.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: Host.peers + "/opt/helm"), "needs helm-python-sdk in the peers' root"))
  func helmPushesAndPullsCharts() throws {
    let machine = try Machine()
    try machine.write("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n")
    try machine.write("chart/templates/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n")
    try machine.write(
      "helm.py",
      """
      import os
      from helm_python.chart import package
      from helm_python.registry import RegistryClient
      host, charts = os.environ["HOST"], f"oci://{os.environ['HOST']}/team/charts"
      archive = package("chart", destination="made")
      with RegistryClient(credentials_file="helm.json") as client:
          client.login(host, "ada", os.environ["PASSWORD"])
          client.push(archive, charts)
          assert client.tags(f"{charts}/web") == ["1.2.3"]
          os.makedirs("got")
          client.pull(f"{charts}/web", version="1.2.3", destination="got")
      assert open(archive, "rb").read() == open("got/web-1.2.3.tgz", "rb").read()
      """)
    try run(machine, "PYTHONPATH=/opt/helm python3 helm.py")
  }
}
