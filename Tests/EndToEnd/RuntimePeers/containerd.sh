# containerd's own client, by the same shim that Kubernetes uses.
. /peers/prelude.sh

cat >/tmp/containerd.toml <<E
version = 3
root = "/data/containerd"
state = "/run/c"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/c.sock"
E
export CONTAINERD_ADDRESS=/run/c.sock CONTAINERD_NAMESPACE=clipper-test
containerd -c /tmp/containerd.toml >/data/containerd.log 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
eventually "containerd" 0 status ctr version
ctr_run=(ctr run --runtime io.containerd.runc.v2 --runc-binary "$runtime" --rootfs)
# It asks for CPU shares of its own accord.
has_controllers || ctr_run+=(--cpu-shares 0)
task_status() { ctr task ls | awk -v id="$1" '$1 == id {print $3}'; }

is "output" "$("${ctr_run[@]}" --rm /data/rootfs one echo hi)" hi
is "exit status" "$(status "${ctr_run[@]}" --rm /data/rootfs two sh -c 'exit 7')" 7
is "no such program" "$(status "${ctr_run[@]}" --rm /data/rootfs three nonesuch; grep -o 'not found in $PATH' /tmp/status.out)" \
  "1
not found in \$PATH"
is "terminal" "$(in_terminal "${ctr_run[@]}" --rm -t /data/rootfs four sh -c "$sized")" "33 99"

"${ctr_run[@]}" -d /data/rootfs c sh -c "$waiting" >/dev/null
is "exec" "$(ctr task exec --exec-id e1 c echo there)" there
is "exec's exit status" "$(status ctr task exec --exec-id e2 c sh -c 'exit 9')" 9
is "exec of nothing" "$(status ctr task exec --exec-id e3 c nonesuch)" 1
is "exec in a terminal" "$(in_terminal ctr task exec -t --exec-id e4 c sh -c "$sized")" "33 99"
is "ps" "$(ctr task ps c | awk 'NR == 2 {print $1}')" "$(ctr task ls | awk '$1 == "c" {print $2}')"
ctr task metrics c >/dev/null
ctr task pause c
is "paused" "$(task_status c)" PAUSED
ctr task resume c
is "resumed" "$(task_status c)" RUNNING
ctr task kill -s TERM c
eventually "kill" STOPPED task_status c
is "delete" "$(ctr task delete c 2>&1 | grep -o 'exit code 3')" "exit code 3"
ctr container delete c

"${ctr_run[@]}" -d /data/rootfs all sh -c 'sleep 1000 & sleep 1000 & wait'
ctr task kill -a -s KILL all
eventually "kill of all" STOPPED task_status all
ctr task delete all 2>/dev/null || :
"${ctr_run[@]}" -d /data/rootfs forced sleep 1000
ctr task delete -f forced 2>/dev/null || :
ctr container delete all forced
is "delete" "$(ctr task ls -q; ctr container ls -q)" ""
is "nothing is left of the runtime's" "$(ls /run/containerd/runc/$CONTAINERD_NAMESPACE)" ""
