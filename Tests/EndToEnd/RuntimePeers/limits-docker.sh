# What docker can do only where a container has a cgroup with controllers. Short: the guest may be an emulated one.
. /peers/prelude.sh

dockerd --data-root /data/docker --exec-root /run/d --pidfile /run/d.pid --storage-driver overlay2 --bridge none \
  --iptables=false --ip6tables=false --add-runtime "clipper=$runtime" --default-runtime clipper \
  --exec-opt native.cgroupdriver=cgroupfs >/data/dockerd.log 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
eventually "dockerd" clipper docker info -f '{{.DefaultRuntime}}'

tar -C /data/rootfs -c . | docker import - base:1 >/dev/null
docker run -d --name cc --network none --memory 32m --memory-swap 32m --pids-limit 50 --cpus 0.5 base:1 sh -c "$waiting" >/dev/null
is "limits" "$(docker exec cc sh -c 'cd /sys/fs/cgroup && echo $(cat memory.max pids.max cpu.max)')" "33554432 50 50000 100000"
is "stats" "$(docker stats --no-stream --format '{{.PIDs}}' cc | grep -c '[1-9]')" 1
docker update --memory 64m --memory-swap 64m cc >/dev/null
is "update" "$(docker exec cc cat /sys/fs/cgroup/memory.max)" 67108864
docker pause cc >/dev/null
is "paused" "$(docker inspect -f '{{.State.Status}}' cc)" paused
docker unpause cc >/dev/null
docker stop -t 60 cc >/dev/null
is "stop" "$(docker inspect -f '{{.State.ExitCode}}' cc)" 3
is "out of memory" "$(status docker run --name greedy --network none --memory 16m --memory-swap 16m base:1 \
  sh -c 'x=x; while :; do x=$x$x; done')" 137
is "out of memory is told" "$(docker inspect -f '{{.State.OOMKilled}}' greedy)" true
docker rm cc greedy >/dev/null
