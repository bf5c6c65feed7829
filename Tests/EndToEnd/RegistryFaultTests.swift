import Foundation
import Glibc
import Testing

/// The registry's own program, where its disk, its process or a client lets it down.
@Suite("registry faults", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct RegistryFaultTests {
  /// A registry that takes pushes from everybody, and functions that talk to it: `status METHOD PATH [curl's options]`.
  private static func serve(_ port: Int) -> String {
    """
    export HOST=127.0.0.1:\(port)
    start() {
      clipper registry serve --listen $HOST --tls off --anonymous push >> registry.log 2>&1 & server=$!
      for i in $(seq 200); do if curl -s http://$HOST/healthz >/dev/null; then return; fi; sleep 0.1; done
      return 1
    }
    trap 'kill $server; wait $server || true' EXIT
    status() { curl -s -o answer -w '%{http_code}' -X "$1" "${@:3}" "http://$HOST$2"; }
    location() { curl -s -D - -o /dev/null -X POST "http://$HOST/v2/$1/blobs/uploads/" | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p'; }
    is() { test "$1" = "$2" || { echo "expected $2, got $1: $(cat answer)" >&2; exit 1; }; }
    digest() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }
    start
    """
  }

  @Test func anUploadGoesOnAfterTheServerWasKilled() throws {
    let machine = try Machine()
    try machine.succeed(
      """
      \(Self.serve(15101))
      head -c 3000000 /dev/urandom > blob; head -c 1700000 blob > first; tail -c +1700001 blob > rest
      at=$(location app)
      is "$(status PATCH $at --data-binary @first -H 'Content-Type: application/octet-stream' -H 'Content-Range: 0-1699999')" 202
      kill -9 $server; wait $server || true
      start
      is "$(status GET $at -D head)" 204
      grep -qi '^range: 0-1699999' head
      is "$(status PATCH $at --data-binary @rest -H 'Content-Range: 5-1300004')" 416
      is "$(status PATCH $at --data-binary @rest -H 'Content-Range: 1700000-2999999')" 202
      is "$(status PUT "$at?digest=$(digest blob)")" 201
      curl -s http://$HOST/v2/app/blobs/$(digest blob) | cmp - blob
      """)
  }

  @Test func aFullDiskRefusesPushesAndNothingElse() throws {
    let machine = try Machine()
    try machine.write(
      "full",
      """
      set -euo pipefail
      mkdir small; mount -t tmpfs -o size=24m tmpfs small
      export CLIPPER_ROOT=$PWD/small/root
      printf correct-horse | clipper registry user add --password-stdin ada > /dev/null
      \(Self.serve(15102))
      head -c 1000000 /dev/urandom > kept; head -c 40000000 /dev/urandom > big; head -c 100000 /dev/urandom > little
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest kept)" --data-binary @kept)" 201
      # Announced, it is refused before it is read; not announced, when nothing more fits.
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest big)" --data-binary @big)" 507
      grep -q UNAVAILABLE answer
      at=$(location app)
      is "$(status PATCH $at -T big -H 'Transfer-Encoding: chunked' -H 'Expect:')" 507
      # Uploads leave room for what deletes: nobody has to free some by hand.
      push() { status POST "/v2/$1/blobs/uploads/?digest=$(digest $2)" --data-binary @$2; }
      is "$(push app kept)" 507
      is "$(status DELETE $at)" 204
      is "$(push unused little)" 201
      at=$(location app)
      is "$(status PATCH $at -T big -H 'Transfer-Encoding: chunked' -H 'Expect:')" 507
      is "$(status DELETE /v2/unused/blobs/$(digest little) -u ada:correct-horse)" 202
      # What is there is served, and the rest says why it cannot be done.
      curl -s http://$HOST/v2/app/blobs/$(digest kept) | cmp - kept
      is "$(status GET /healthz)" 200
      dd if=/dev/zero of=small/ballast bs=64k 2>/dev/null || true
      code=$(status POST "/v2/other/blobs/uploads/?digest=$(digest little)" --data-binary @little); is "$code" 507
      code=$(status POST /v2/other/blobs/uploads/); is "$code" 507
      rm small/ballast
      # The upload that filled it can be ended, and all is well again.
      is "$(status DELETE $at)" 204
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest little)" --data-binary @little)" 201
      curl -s http://$HOST/v2/app/blobs/$(digest little) | cmp - little
      kill -0 $server
      # Nothing of what was refused is left.
      test -z "$(ls small/root/ingests)"
      """)
    try machine.succeed("unshare --mount --propagation private bash full")
  }

  @Test func aReadOnlyDiskRefusesPushesAndServesPulls() throws {
    let machine = try Machine()
    try machine.write(
      "readonly",
      """
      set -euo pipefail
      export CLIPPER_ROOT=$PWD/root
      \(Self.serve(15103))
      head -c 1000000 /dev/urandom > kept; head -c 100000 /dev/urandom > little
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest kept)" --data-binary @kept)" 201
      for part in ingests content leases; do
        mount --bind root/$part root/$part; mount -o remount,bind,ro root/$part
      done
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest little)" --data-binary @little)" 503
      grep -q UNAVAILABLE answer
      curl -s http://$HOST/v2/app/blobs/$(digest kept) | cmp - kept
      for part in ingests content leases; do umount root/$part; done
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest little)" --data-binary @little)" 201
      kill -0 $server
      """)
    try machine.succeed("unshare --mount --propagation private bash readonly")
  }

  /// As a file system does it that has met an error: for everybody at once, open files too.
  @Test(
    .enabled(
      if: Host.has("mkfs.ext4") && access("/dev/loop-control", F_OK) == 0, "SKIPPED: needs loop devices and mkfs.ext4"))
  func aFailingDiskRefusesChangesAndServesPulls() throws {
    let machine = try Machine()
    try machine.write(
      "failing",
      """
      set -euo pipefail
      truncate -s 64m disk; mkfs.ext4 -q -F disk; mkdir small
      mount -o loop,errors=remount-ro disk small
      export CLIPPER_ROOT=$PWD/small/root
      printf correct-horse | clipper registry user add --password-stdin ada > /dev/null
      \(Self.serve(15105))
      head -c 1000000 /dev/urandom > kept; head -c 100000 /dev/urandom > little
      printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}' > index
      type='Content-Type: application/vnd.oci.image.index.v1+json'
      put() { status PUT /v2/app/manifests/$1 -H "$type" --data-binary @index; }
      is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest kept)" --data-binary @kept)" 201
      at=$(location app)
      is "$(status PATCH $at --data-binary @little)" 202
      # What the kernel has not written yet is lost, as with the power: an image that was acknowledged is not of it.
      is "$(put 1)" 201
      echo fault > /sys/fs/ext4/$(basename $(findmnt -no SOURCE small))/trigger_fs_error
      # Asked twice: no request leaves anything taken.
      for i in 1 2; do
        is "$(status POST "/v2/app/blobs/uploads/?digest=$(digest little)" --data-binary @little)" 503
        grep -q UNAVAILABLE answer
        is "$(status POST /v2/app/blobs/uploads/)" 503
        is "$(status PATCH $at --data-binary @little)" 503
        is "$(put 2)" 503
        is "$(status DELETE /v2/app/manifests/1 -u ada:correct-horse)" 503
        curl -s http://$HOST/v2/app/blobs/$(digest kept) | cmp - kept
        is "$(status GET /v2/app/manifests/1)" 200
        cmp answer index
        is "$(status GET /v2/app/manifests/2)" 404
        is "$(status GET /healthz)" 200
        is "$(status GET /readyz)" 503
      done
      kill $server; wait $server || true
      ! clipper registry serve --listen $HOST --tls off 2> refused
      grep -qi 'read-only' refused
      # On a disk that can be written again all is as it was.
      umount small; e2fsck -fy disk > /dev/null 2>&1 || test $? -le 2
      mount -o loop disk small; start
      is "$(status GET /v2/app/manifests/1)" 200
      curl -s http://$HOST/v2/app/blobs/$(digest kept) | cmp - kept
      is "$(status PATCH $at --data-binary @little)" 202
      is "$(put 2)" 201
      kill $server; wait $server || true; trap - EXIT
      umount small
      """)
    try machine.succeed("unshare --mount --propagation private bash failing")
  }

  /// Hundreds of bad requests, and the server is as it was: alive, and no larger than it has to be.
  @Test func badRequestsLeaveNothingBehind() throws {
    let machine = try Machine()
    try machine.write(
      "hostile.py",
      """
      import os, socket, sys
      host, port = os.environ['HOST'].split(':')
      def talk(data, read=True):
          s = socket.create_connection((host, int(port)), timeout=20)
          try:
              s.sendall(data)
              s.shutdown(socket.SHUT_WR)
              while read and s.recv(65536): pass
          except OSError: pass
          finally: s.close()
      for i in range(300):
          talk(b'GET /v2/' + b'a' * 10000 + b'/tags/list HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n')
          talk(b'PUT /v2/app/manifests/1 HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Type: application/vnd.oci.image.manifest.v1+json\\r\\nContent-Length: 100000\\r\\n\\r\\n' + b'[' * 100000)
          talk(b'POST /v2/app/blobs/uploads/?digest=sha256:' + b'0' * 64 + b' HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 107374182400\\r\\n\\r\\nabc', read=False)
          talk(b'POST /v2/app/blobs/uploads/?digest=sha256:' + b'0' * 64 + b' HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nffffffff\\r\\nabc', read=False)
          talk(os.urandom(300))
      """)
    try machine.succeed(
      """
      \(Self.serve(15104))
      python3 hostile.py; before=$(awk '/VmRSS/ {print $2}' /proc/$server/status)
      python3 hostile.py; after=$(awk '/VmRSS/ {print $2}' /proc/$server/status)
      echo "resident: $before KiB, then $after KiB" >&2
      test $after -lt $((before + 20000))
      is "$(status GET /healthz)" 200
      for i in $(seq 100); do if [ -z "$(ls root/ingests)" ]; then break; fi; sleep 0.1; done
      test -z "$(ls root/ingests)"
      """)
  }
}
