# docker, by containerd and its shim, with this runtime as the default one.
. /peers/prelude.sh

dockerd --data-root /data/docker --exec-root /run/d --pidfile /run/d.pid --storage-driver overlay2 --bridge none \
  --iptables=false --ip6tables=false --add-runtime "clipper=$runtime" --default-runtime clipper \
  --exec-opt native.cgroupdriver=cgroupfs >/data/dockerd.log 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
eventually "dockerd" clipper docker info -f '{{.DefaultRuntime}}'
run() { docker run --network none "$@"; }
get() { docker inspect -f "$1" "$2"; }

tar -C /data/rootfs -c . | docker import - base:1 >/dev/null
is "output" "$(run --rm base:1 echo hi)" hi
is "exit status" "$(status run --rm base:1 sh -c 'exit 7')" 7
is "no such program" "$(status run --rm base:1 nonesuch)" 127
is "not a program" "$(status run --rm base:1 /etc/passwd)" 126
is "user and groups" "$(run --rm --user 1000:1000 --group-add 10 base:1 id)" \
  "uid=1000(user) gid=1000(user) groups=10(wheel),1000(user)"
is "read-only" "$(run --rm --read-only --tmpfs /tmp base:1 sh -c 'touch /x 2>/dev/null || touch /tmp/x && echo only /tmp')" "only /tmp"
is "capabilities" "$(run --rm --cap-drop all --cap-add kill base:1 grep CapEff /proc/self/status)" "CapEff:	0000000000000020"
is "privileged" "$(run --rm --privileged base:1 sh -c 'mount -t tmpfs x /tmp && echo mounted')" mounted
is "seccomp" "$(run --rm base:1 grep Seccomp: /proc/self/status)" "Seccomp:	2"
docker volume create vol >/dev/null
run --rm -v vol:/data base:1 sh -c 'echo kept >/data/file'
is "volumes" "$(run --rm -v vol:/data:ro base:1 cat /data/file)" kept
is "init" "$(run --rm --init base:1 cat /proc/1/comm)" docker-init
is "standard input" "$(echo through | run --rm -i base:1 cat)" through
is "ulimit" "$(run --rm --ulimit nofile=99:99 base:1 sh -c 'ulimit -n')" 99
is "sysctl" "$(run --rm --sysctl net.ipv4.ip_forward=1 base:1 cat /proc/sys/net/ipv4/ip_forward)" 1
is "terminal" "$(in_terminal docker run --network none --rm -it base:1 tty)" /dev/pts/0

run -d --name cc --health-cmd 'test -e /tmp/well' --health-interval 1s base:1 sh -c "$waiting" >/dev/null
eventually "logs" started docker logs cc
is "exec" "$(docker exec -e X=y -w /tmp -u user cc sh -c 'echo $X $(pwd) $(id -u)')" "y /tmp 1000"
is "exec's exit status" "$(status docker exec cc sh -c 'exit 9')" 9
is "exec of nothing" "$(status docker exec cc nonesuch)" 127
is "exec in a terminal" "$(in_terminal docker exec -it cc sh -c "$sized")" "33 99"
docker exec -d cc touch /tmp/well
eventually "exec -d, and healthy" healthy get '{{.State.Health.Status}}' cc
is "top" "$(docker top cc -o comm,pid | awk 'NR == 2 {print $1}')" sh
docker pause cc >/dev/null
is "paused" "$(get '{{.State.Status}}' cc)" paused
docker unpause cc >/dev/null
if has_controllers; then
  is "stats" "$(docker stats --no-stream --format '{{.PIDs}}' cc | grep -c '[1-9]')" 1
  docker update --memory 64m --memory-swap 64m cc >/dev/null
  is "update" "$(docker exec cc cat /sys/fs/cgroup/memory.max)" 67108864
fi
docker stop -t 20 cc >/dev/null
is "stop" "$(get '{{.State.ExitCode}}' cc)" 3
docker start cc >/dev/null
docker kill cc >/dev/null
is "kill" "$(docker wait cc)" 137
docker rm cc >/dev/null
run -d --name again --restart on-failure:2 base:1 sh -c 'echo again; exit 1' >/dev/null
eventually "restart policy" "exited 2" get '{{.State.Status}} {{.RestartCount}}' again
docker rm again >/dev/null
run -d --name gone base:1 sleep 1000 >/dev/null
docker rm -f gone >/dev/null
is "rm" "$(docker ps -aq)" ""
is "nothing is left of the runtime's" "$(find /run/d -path '*runtime-clipper/moby/*')" ""
