import Foundation
import Testing

/// Images signed with OpenSSL in the forms that cosign writes, demanded by the registry and checked by its client.
@Suite("signatures", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct SignatureFlowTests {
  @Test func aPolicyHoldsUntilTheImageIsSigned() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write(
      "sign",
      """
      # sign KEY DIGEST REPOSITORY: what `cosign sign --key` pushes
      set -euo pipefail
      put() { # media type, file: pushes a blob
        curl -sf -u ada:$PASSWORD --cacert ca.crt -X POST -H 'Content-Type: application/octet-stream' --data-binary @$1 \\
          "https://$HOST/v2/$3/blobs/uploads/?digest=sha256:$(sha256sum $1 | cut -d' ' -f1)"
      }
      printf '{"critical":{"identity":{"docker-reference":"registry.example/app"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}' $2 > payload
      printf '{}' > config
      put payload - $3; put config - $3
      signature=$(openssl dgst -sha256 -sign $1 payload | base64 -w0)
      jq -nc --arg signature "$signature" --arg payload "sha256:$(sha256sum payload | cut -d' ' -f1)" --argjson size $(stat -c %s payload) \\
        --arg config "sha256:$(sha256sum config | cut -d' ' -f1)" '{schemaVersion: 2,
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          config: {mediaType: "application/vnd.oci.image.config.v1+json", digest: $config, size: 2},
          layers: [{mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest: $payload, size: $size,
            annotations: {"dev.cosignproject.cosign/signature": $signature}}]}' > manifest
      curl -sf -u ada:$PASSWORD --cacert ca.crt -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \\
        --data-binary @manifest "https://$HOST/v2/$3/manifests/$(echo $2 | tr : -).sig"
      """)
    try machine.succeed(
      """
      \(RegistryFlowTests.serve(port: 15110))
      for name in right wrong; do
        openssl ecparam -name prime256v1 -genkey -noout -out $name.key; openssl ec -in $name.key -pubout -out $name.pub
      done 2>/dev/null
      clipper registry signature-policy set prod --repository 'prod/*' --key release=right.pub --exempt-tag 'candidate*'
      clipper registry signature-policy list | has 'prod/\\*.*release.*candidate'
      refused clipper push base:1 $HOST/prod/app:1 2> why
      grep -q 'signature policy' why
      # What is only watched goes through, and the client shows what the registry says to it.
      clipper registry signature-policy set watched --repository 'watched/*' --key right.pub --warn
      clipper push base:1 $HOST/watched/app:1 2> why
      test "$(grep -c '^WARNING: 127.0.0.1:15110: the signature policy "watched"' why)" = 1
      clipper push base:1 $HOST/prod/app:candidate
      digest=$(curl -s -u ada:$PASSWORD --cacert ca.crt -I -H 'Accept: */*' https://$HOST/v2/prod/app/manifests/candidate |
        tr -d '\\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p')
      refused clipper image verify --key right.pub $HOST/prod/app:candidate
      bash sign wrong.key $digest prod/app
      refused clipper image verify --key right.pub $HOST/prod/app:candidate
      clipper image verify --key wrong.pub $HOST/prod/app:candidate
      refused clipper push base:1 $HOST/prod/app:1
      bash sign right.key $digest prod/app
      clipper image verify --key right.pub $HOST/prod/app:candidate | has 'right.pub: signed (P256'
      refused clipper image verify --key right.pub --key wrong.pub --required 2 $HOST/prod/app:candidate
      clipper push base:1 $HOST/prod/app:1
      export CLIPPER_ROOT=$PWD/other CLIPPER_RUN_ROOT=$PWD/other-run
      clipper pull $HOST/prod/app:1
      # podman's policy for this host: what another key signed may not come. (containers-policy.json(5))
      mkdir -p .config/containers
      for name in wrong right; do
        jq -n --arg key $PWD/$name.pub --arg scope $HOST '{default: [{type: "insecureAcceptAnything"}], transports:
          {docker: {($scope): [{type: "sigstoreSigned", keyPath: $key, signedIdentity: {type: "exactRepository",
            dockerRepository: "registry.example/app"}}]}}}' > .config/containers/policy.json
        if [ $name = wrong ]; then refused clipper pull $HOST/prod/app:1 2> why; grep -q policy.json why
        else clipper pull $HOST/prod/app:1; fi
      done
      clipper --root $PWD/root registry signature-policy remove prod
      refused clipper --root $PWD/root registry signature-policy remove prod
      """)
  }
}
