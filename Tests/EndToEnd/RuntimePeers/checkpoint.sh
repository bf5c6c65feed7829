# checkpoint and restore by criu: memory, a tmpfs and a bind mount come back, pipes are the caller's new ones.
. /peers/prelude.sh

criu check >/tmp/criu.out 2>&1 || { echo "SKIPPED: criu cannot work on this kernel: $(tail -n 1 /tmp/criu.out)"; exit 0; }
# By itself criu gives up after ten seconds: an emulated machine takes longer.
echo 'timeout 300' >/tmp/criu.conf
export CRIU_CONFIG_FILE=/tmp/criu.conf
mkdir -p /data/bundle /data/shared
cd /data/bundle
"$runtime" spec
# configure PROGRAM TERMINAL
configure() {
  python3 - "$@" <<'E'
import json, sys
config = json.load(open("config.json"))
config["process"].update(args=["sh", "-c", sys.argv[1]], terminal=sys.argv[2] == "true")
config["process"].pop("rlimits", None)
config["root"]["path"] = "/data/rootfs"
config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/counter", "/shared")] + [
    {"destination": "/run", "type": "tmpfs", "source": "tmpfs"},
    {"destination": "/tmp", "type": "none", "source": "/data/shared", "options": ["bind"]},
]
json.dump(config, open("config.json", "w"))
E
}
counter='n=0; while :; do n=$((n + 1)); echo $n >/tmp/n.new; mv /tmp/n.new /tmp/n; echo $n >/run/n; sleep 0.05; done'
count() { cat /data/shared/n; }
goes_on() { [ "$(count)" -gt "$1" ] && echo yes; }
c=("$runtime" --root /run/clipper-test)
state() { "${c[@]}" state "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["status"])'; }

configure "$counter" false
"${c[@]}" run -d one >/dev/null </dev/null 2>&1
eventually "it counts" yes goes_on 3
"${c[@]}" checkpoint --image-path /data/images --work-path /data/work --leave-running one
is "left running" "$(state one)" running
"${c[@]}" checkpoint --image-path /data/images --work-path /data/work one
is "ended by the checkpoint" "$(status "${c[@]}" state one)" 1
before=$(count)
"${c[@]}" restore -d --image-path /data/images --work-path /data/work --pid-file /data/pid two >/dev/null </dev/null 2>&1
is "restored under another name" "$(state two)" running
eventually "it counts on" yes goes_on "$before"
is "from where it was" "$([ "$(count)" -lt $((before + 500)) ] && echo yes)" yes
is "the pid file" "$(cat /data/pid)" "$("${c[@]}" state two | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')"
is "exec" "$("${c[@]}" exec two sh -c 'test "$(cat /run/n)" -gt 3 && hostname')" clipper
"${c[@]}" kill two KILL
eventually "stopped" stopped state two
"${c[@]}" delete two

rm -r /data/images
configure 'read line; echo "heard $line"; exit 5' false
sleep 1000 | "${c[@]}" run -d pipes 2>/dev/null | cat >/dev/null &
eventually "a container with pipes" running state pipes
"${c[@]}" checkpoint --image-path /data/images pipes
is "other pipes" "$(echo word | "${c[@]}" restore --image-path /data/images pipes || echo "status $?")" "heard word
status 5"
is "removed" "$(status "${c[@]}" state pipes)" 1

rm -r /data/images
# Without programs that come and go: criu gives up where one ends while it looks.
configure 'until [ -e /tmp/go ]; do read -t 1 line; done; tty' true
in_terminal "${c[@]}" run terminal >/dev/null &
eventually "a container with a terminal" running state terminal
"${c[@]}" checkpoint --image-path /data/images terminal
touch /data/shared/go
is "another terminal" "$(in_terminal "${c[@]}" restore --image-path /data/images terminal)" /dev/pts/0

is "refused by name" "$(status "${c[@]}" checkpoint --lazy-pages pipes; grep -c 'lazy-pages is not supported' /tmp/status.out)" "1
1"
is "no images" "$(status "${c[@]}" restore --image-path /nonesuch gone; grep -c 'open the directory of images /nonesuch' /tmp/status.out)" "1
1"
is "nothing is left" "$("${c[@]}" list -q)" ""
