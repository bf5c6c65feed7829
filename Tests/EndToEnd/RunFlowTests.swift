import Foundation
import Testing

@Suite("run", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct RunFlowTests {
  @Test func theExitStatusIsDockers() throws {
    let machine = try Machine()
    try machine.importBusybox()
    #expect(try machine.run("clipper run --rm --network none base:1 sh -c 'exit 7'").status == 7)
    #expect(try machine.run("clipper run --rm --init --network none base:1 sh -c 'kill -TERM $$'").status == 143)
    #expect(try machine.run("clipper run --rm --network none base:1 nosuchprogram").status == 127)
    #expect(try machine.run("clipper run --rm --network none base:1 /etc/passwd").status == 126)
    #expect(try machine.run("clipper run --rm --no-such-flag base:1 true").status == 125)
    #expect(try machine.run("clipper run --rm --pull never nosuchimage:1 true").status == 125)
    #expect(try machine.succeed("clipper ps -aq").out == "")
  }

  @Test func aContainerOutlivesItsCommandAndItsOutputIsKept() throws {
    let machine = try Machine()
    try machine.importBusybox()
    let id = try machine.succeed("clipper run -d --name web base:1 sh -c 'echo started; echo problem >&2; exec sleep 1000'").line
    #expect(id.count == 64)
    #expect(try machine.succeed("clipper ps --format '{{.Names}} {{.State}}'").line == "web running")
    #expect(try machine.succeed("clipper logs web 2>&1 | sort").out == "problem\nstarted\n")
    #expect(try machine.succeed("clipper exec web hostname").line == String(id.prefix(12)))
    #expect(try machine.run("clipper exec web sh -c 'exit 9'").status == 9)
    #expect(try machine.run("clipper rm web").status == 1)
    try machine.succeed("clipper stop -t 1 web; clipper start web; clipper kill web")
    #expect(try machine.succeed("clipper wait web").line == "137")
    try machine.succeed("clipper rm web")
    #expect(try machine.run("clipper inspect web").status == 1)
  }

  @Test func publishedPortsAnswerOnLoopbackAndNamesResolveBetweenContainers() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      clipper network create net1
      clipper run -d --name server --network net1 -p 18080:8080 base:1 sh -c 'mkdir /w; echo hello > /w/index.html; exec httpd -f -p 8080 -h /w'
      clipper run --rm --network net1 base:1 sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do wget -qO- http://server:8080/ && exit 0; sleep 0.2; done; exit 1'
      """)
    #expect(try machine.succeed("curl -s --retry 5 --retry-connrefused http://127.0.0.1:18080/").line == "hello")
    let used = try machine.run("clipper run --rm -p 18080:80 base:1 true")
    #expect(used.status == 125 && used.err.contains("18080"))
    try machine.succeed("clipper rm -f server; clipper network rm net1")
    #expect(try machine.run("curl -s -m 2 http://127.0.0.1:18080/").status != 0)
  }

  @Test func isolationIsDockersDefault() throws {
    let machine = try Machine()
    try machine.importBusybox()
    let status = try machine.succeed("clipper run --rm --network none base:1 grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status").out
    #expect(status.contains("CapEff:\t00000000a80425fb"))
    #expect(status.contains("Seccomp:\t2"))
    #expect(try machine.run("clipper run --rm --network none base:1 mount -t tmpfs x /tmp").status != 0)
    #expect(try machine.run("clipper run --rm --network none --read-only base:1 touch /x").status != 0)
    #expect(try machine.succeed("clipper run --rm --network none --read-only --tmpfs /tmp base:1 touch /tmp/x").status == 0)
    #expect(try machine.succeed("clipper run --rm --network none --cap-drop ALL base:1 grep CapEff /proc/self/status").out.contains("0000000000000000"))
    #expect(try machine.succeed("clipper run --rm --network none -u app base:1 id").out.contains("uid=1000(app) gid=1000(app)"))
    #expect(try machine.succeed("clipper run --rm --network none --ulimit nofile=100:200 base:1 sh -c 'ulimit -n'").line == "100")
    #expect(try machine.succeed("clipper run --rm --network none --security-opt no-new-privileges base:1 grep NoNewPrivs /proc/self/status").line.hasSuffix("1"))
    #expect(try machine.succeed("clipper run --rm --network none base:1 ls /proc/self/fd").out.split(separator: "\n").count <= 4)
  }

  @Test func volumesKeepTheirContentAndBindsShowTheHosts() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      clipper run --rm --network none -v data:/data base:1 sh -c 'echo kept > /data/file'
      test "$(clipper run --rm --network none -v data:/data:ro base:1 cat /data/file)" = kept
      refused clipper run --rm --network none -v data:/data:ro base:1 touch /data/x
      mkdir host
      echo fromhost > host/f
      test "$(clipper run --rm --network none -v "$PWD/host:/h" base:1 cat /h/f)" = fromhost
      refused clipper run --rm --network none --mount type=bind,src=/no/such/dir,dst=/h base:1 true
      clipper volume rm data
      """)
  }

  @Test func restartPoliciesAndStopsWorkTogether() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed("clipper run -d --name again --restart on-failure:2 --network none base:1 sh -c 'echo once; exit 1'")
    #expect(try machine.succeed("clipper wait again").line == "1")
    #expect(try machine.succeed("clipper logs again").out == "once\nonce\nonce\n")
    #expect(try machine.succeed("clipper inspect -f '{{.RestartCount}}' again").line == "2")
  }

  @Test func copiesFilesBothWaysRunningOrNot() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      echo in > in.txt
      clipper run -d --name c --network none base:1 sleep 1000
      clipper cp in.txt c:/tmp/
      test "$(clipper exec c cat /tmp/in.txt)" = in
      clipper exec c sh -c 'mkdir /d; echo deep > /d/f; ln -s /d /l'
      clipper cp c:/d out
      grep -q deep out/f
      clipper kill c
      clipper wait c
      clipper cp c:/l/f last
      grep -q deep last
      tar -c in.txt | clipper cp - c:/tmp
      clipper cp c:/tmp/in.txt - | tar -tf - | has in.txt
      """)
  }

  @Test func tenCommandsAtOnceShareOneStore() throws {
    let machine = try Machine()
    try machine.importBusybox()
    let output = try machine.succeed(
      """
      runs=
      for i in 1 2 3 4 5 6 7 8 9 10; do clipper run --rm base:1 echo "line $i" & runs="$runs $!"; done
      for run in $runs; do wait $run; done
      """)
    #expect(output.out.split(separator: "\n").count == 10)
    #expect(try machine.succeed("clipper ps -aq").out == "")
  }

  @Test func aKilledCommandLosesNothingAndPruneClearsTheRest() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.succeed(
      """
      for delay in 0.00 0.01 0.02 0.03 0.05 0.08 0.12 0.2; do
        clipper run --rm base:1 sleep 0.05 & pid=$!
        sleep $delay
        # It may have ended by itself.
        kill -9 $pid || true
        wait $pid || true
      done 2>/dev/null
      clipper run --rm base:1 true
      clipper ps -aq | xargs -r clipper rm -f
      clipper system prune -f
      clipper run --rm base:1 true
      test -z "$(clipper ps -aq)"
      """)
    #expect(try machine.succeed("ls root/containers | wc -l").line == "0")
    #expect(!(try machine.succeed("ip -br link").out.contains("veth")))
  }

  @Test func aTerminalIsInteractive() throws {
    let machine = try Machine()
    guard Host.has("script") else { return }
    try machine.importBusybox()
    let output = try machine.run(
      "printf 'stty size; tty; exit 4\\n' | script -qec 'stty rows 33 cols 99; clipper run --rm -it --network none base:1 sh' /dev/null")
    #expect(output.out.contains("33 99") && output.out.contains("/dev/pts/0"))
    #expect(output.status == 4)
  }
}
