import Foundation
import Glibc
import Testing

@Suite("bad input", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct BadInputTests {
  @Test func hostileArchivesStayInside() throws {
    let machine = try Machine()
    try machine.succeed(
      """
      python3 - <<'PY'
      import tarfile, io
      def make(name, entries):
          with tarfile.open(name, 'w') as t:
              for e, data in entries:
                  if data is not None: e.size = len(data)
                  t.addfile(e, io.BytesIO(data) if data is not None else None)
      def f(n): return tarfile.TarInfo(n)
      def link(n, to, kind):
          e = tarfile.TarInfo(n); e.type = kind; e.linkname = to; return e
      make('dots.tar', [(f('../../escaped'), b'x')])
      make('link.tar', [(link('out', '/', tarfile.SYMTYPE), None), (f('out/var/tmp/clipper-escaped'), b'x')])
      make('hard.tar', [(link('passwd', '/etc/passwd', tarfile.LNKTYPE), None)])
      PY
      """)
    let dots = try machine.run("clipper import dots.tar dots:1")
    #expect(dots.status == 1 && dots.err.contains("../../escaped"))
    _ = try machine.run("clipper import link.tar link:1; clipper create --name l link:1 true")
    #expect(access("/var/tmp/clipper-escaped", F_OK) != 0)
    let hard = try machine.run("clipper import hard.tar hard:1")
    let leaked = hard.status == 0 ? try machine.succeed("clipper save hard:1 | tar -xO").out : ""
    #expect(!leaked.contains("root:x"))
  }

  @Test func truncatedArchivesAreRefused() throws {
    let machine = try Machine()
    try machine.importBusybox()
    #expect(try machine.run("head -c 100000 rootfs.tar > short.tar; clipper import short.tar short:1").status == 1)
    #expect(try machine.succeed("clipper images -q short").out == "")
    try machine.succeed("head -c 5000 /dev/urandom > noise")
    #expect(try machine.run("clipper load < noise").status == 1)
  }

  @Test func aRootOfAnotherVersionIsLeftAlone() throws {
    let machine = try Machine()
    let output = try machine.run("mkdir root; echo 99 > root/version; clipper images")
    #expect(output.status == 1 && output.err.contains("99"))
    #expect(try machine.succeed("ls root").out == "version\n")
  }

  @Test func aFullDiskIsSaidAndLosesNothing() throws {
    let machine = try Machine()
    try machine.importBusybox()
    let output = try machine.succeed(
      """
      mkdir small
      mount -t tmpfs -o size=1m tmpfs small
      status=0; CLIPPER_ROOT=$PWD/small/root clipper import rootfs.tar base:1 || status=$?
      echo "status $status"
      CLIPPER_ROOT=$PWD/small/root clipper images -q
      umount small
      """)
    #expect(output.out == "status 1\n")
    #expect(output.err.lowercased().contains("no space left"))
  }

  @Test func aRegistryThatFailsIsTriedAgainAndThenNamed() throws {
    let machine = try Machine()
    try machine.write(
      "server.py",
      """
      import http.server, sys
      status = int(sys.argv[1])
      class H(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              open('requests', 'a').write(self.path + chr(10))
              self.send_response(status); self.send_header('Retry-After', '0'); self.send_header('Content-Length', '0'); self.end_headers()
          do_HEAD = do_GET
          def log_message(self, *a): pass
      s = http.server.HTTPServer(('127.0.0.1', 0), H); print(s.server_port, flush=True); s.serve_forever()
      """)
    for (status, word) in [(401, "Unauthorized"), (404, "404"), (429, "429"), (503, "503")] {
      let output = try machine.run(
        """
        rm -f requests port; python3 server.py \(status) > port & server=$!; trap "kill $server" EXIT
        for i in $(seq 100); do [ -s port ] && break; sleep 0.05; done
        status=0; clipper pull 127.0.0.1:$(cat port)/a/b:1 || status=$?
        wc -l < requests
        exit $status
        """)
      #expect(output.status == 1, "\(status)")
      #expect(output.err.contains(word) || output.err.contains("denied") || output.err.contains("not found") || output.err.contains("unknown"), "\(output.err)")
      if status == 503 || status == 429 { #expect((Int(output.out.split(separator: "\n").last ?? "") ?? 0) > 1) }
    }
  }
}
