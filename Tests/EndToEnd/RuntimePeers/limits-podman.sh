# What podman can do only where a container has a cgroup with controllers. Short: the guest may be an emulated one.
. /peers/prelude.sh

podman=(podman --runtime "$runtime" --root /data/podman --runroot /run/p --tmpdir /run/p/tmp --storage-driver overlay
  --cgroup-manager cgroupfs --events-backend file)
p() { "${podman[@]}" "$@"; }

tar -C /data/rootfs -c . | p import - base:1 >/dev/null 2>&1
p run -d --name c --network none --memory 32m --pids-limit 50 --cpus 0.5 base:1 sh -c "$waiting" >/dev/null
is "limits" "$(p exec c sh -c 'cd /sys/fs/cgroup && echo $(cat memory.max pids.max cpu.max)')" "33554432 50 50000 100000"
is "top" "$(p top c comm | awk 'NR == 2')" sh
is "stats" "$(p stats --no-stream --format '{{.PIDs}}' c | grep -c '[1-9]')" 1
p pause c >/dev/null
is "paused" "$(p inspect -f '{{.State.Status}}' c)" paused
p unpause c >/dev/null
p update --memory 64m c >/dev/null
is "update" "$(p exec c cat /sys/fs/cgroup/memory.max)" 67108864
p stop -t 60 c >/dev/null
is "stop" "$(p inspect -f '{{.State.ExitCode}}' c)" 3
p rm c >/dev/null
