# podman, by conmon. Where the machine has no controllers in cgroup v2, podman must be told to leave cgroups alone.
. /peers/prelude.sh

cat >/tmp/containers.conf <<E
[engine]
runtime_supports_json = ["clipper-runtime"]
runtime_supports_nocgroup = ["clipper-runtime"]
E
export CONTAINERS_CONF=/tmp/containers.conf
podman=(podman --runtime "$runtime" --root /data/podman --runroot /run/p --tmpdir /run/p/tmp --storage-driver overlay
  --cgroup-manager cgroupfs --events-backend file)
has_controllers && cgroups=enabled || cgroups=disabled
p() { "${podman[@]}" "$@"; }
run() { p run --cgroups=$cgroups --network none "$@"; }

tar -C /data/rootfs -c . | p import - base:1 >/dev/null 2>&1
is "output" "$(run --rm base:1 echo hi)" hi
is "exit status" "$(status run --rm base:1 sh -c 'exit 7')" 7
is "no such program" "$(status run --rm base:1 nonesuch)" 127
is "not a program" "$(status run --rm base:1 /etc/passwd)" 126
is "user and groups" "$(run --rm --user 1000:1000 --group-add 10 base:1 id)" \
  "uid=1000(user) gid=1000(user) groups=10(wheel),1000(user)"
is "read-only" "$(run --rm --read-only base:1 sh -c 'touch /x 2>/dev/null || touch /tmp/x && echo only /tmp')" "only /tmp"
is "capabilities" "$(run --rm --cap-drop all --cap-add kill base:1 grep CapEff /proc/self/status)" "CapEff:	0000000000000020"
is "privileged" "$(run --rm --privileged base:1 sh -c 'mount -t tmpfs x /tmp && echo mounted')" mounted
is "no new privileges" "$(run --rm --security-opt no-new-privileges base:1 grep NoNew /proc/self/status)" "NoNewPrivs:	1"
is "seccomp" "$(run --rm base:1 grep Seccomp: /proc/self/status)" "Seccomp:	2"
p volume create vol >/dev/null
run --rm -v vol:/data -v /data/rootfs:/ro:ro base:1 sh -c 'echo kept >/data/file; ! touch /ro/x 2>/dev/null'
is "volumes" "$(run --rm -v vol:/data:ro base:1 cat /data/file)" kept
is "tmpfs" "$(run --rm --tmpfs /t:size=1m base:1 stat -f -c %T /t)" tmpfs
is "environment" "$(run --rm -e A=b -w /tmp --hostname box base:1 sh -c 'echo $A $(pwd) $(hostname)')" "b /tmp box"
is "init" "$(run --rm --init --init-path /usr/bin/tini-static base:1 cat /proc/1/comm)" podman-init
is "standard input" "$(echo through | run --rm -i base:1 cat)" through
is "ulimit" "$(run --rm --ulimit nofile=99:99 base:1 sh -c 'ulimit -n')" 99
is "sysctl" "$(run --rm --sysctl net.ipv4.ip_forward=1 base:1 cat /proc/sys/net/ipv4/ip_forward)" 1
is "terminal" "$(in_terminal "${podman[@]}" run --cgroups=$cgroups --network none --rm -it base:1 sh -c 'tty')" /dev/pts/0

run -d --name c --health-cmd 'test -e /tmp/well' --health-interval disable base:1 sh -c "$waiting" >/dev/null
eventually "logs" started p logs c
is "inspect" "$(p inspect -f '{{.State.Status}} {{.OCIRuntime}}' c)" "running $runtime"
is "exec" "$(p exec -e X=y -w /tmp -u user c sh -c 'echo $X $(pwd) $(id -u)')" "y /tmp 1000"
is "exec's exit status" "$(status p exec c sh -c 'exit 9')" 9
is "exec of nothing" "$(status p exec c nonesuch)" 127
is "exec in a terminal" "$(in_terminal "${podman[@]}" exec -it c sh -c "$sized")" "33 99"
is "unhealthy" "$(status p healthcheck run c)" 1
p exec -d c touch /tmp/well >/dev/null
eventually "exec -d, and healthy" 0 status p healthcheck run c
if has_controllers; then
  is "top" "$(p top c comm | awk 'NR == 2')" sh
  p pause c >/dev/null
  is "paused" "$(p inspect -f '{{.State.Status}}' c)" paused
  p unpause c >/dev/null
  p update --memory 64m c >/dev/null
  is "update" "$(p exec c cat /sys/fs/cgroup/memory.max)" 67108864
fi
p stop -t 20 c >/dev/null
is "stop" "$(p inspect -f '{{.State.ExitCode}}' c)" 3
is "the last words" "$(p logs c | tail -n 1)" bye
p start c >/dev/null
p kill -s KILL c >/dev/null
is "kill" "$(p wait c)" 137
p rm c >/dev/null

run -d --name gone base:1 sleep 1000 >/dev/null
p rm -f -t 0 gone >/dev/null
is "rm" "$(p ps -aq)" ""
