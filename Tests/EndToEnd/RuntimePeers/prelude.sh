# What the scripts beside this one share. They run in the peers' root, with their own directory at /peers, an empty one at
# /data and the runtime under test at /opt/clipper/clipper-runtime.
set -euo pipefail
runtime=/opt/clipper/clipper-runtime
# The caller's directory is not here.
unset DOCKER_CONFIG

# is NAME GOT WANTED
is() {
  [ "$2" = "$3" ] && { echo "ok: $1"; return; }
  printf 'FAILED: %s\n  got:    %s\n  wanted: %s\n' "$@" >&2
  exit 1
}

# status COMMAND [ARG...]: its exit status, whatever it is
status() {
  local status=0
  "$@" >/tmp/status.out 2>&1 || status=$?
  echo "$status"
}

# eventually NAME WANTED COMMAND [ARG...]: what it prints comes to be that
eventually() {
  local name=$1 wanted=$2 got=
  shift 2
  for _ in $(seq 200); do
    got=$("$@" 2>/dev/null) || :
    [ "$got" = "$wanted" ] && break
    sleep 0.1
  done
  is "$name" "$got" "$wanted"
}

# in_terminal COMMAND [ARG...]: in a terminal of 33 rows and 99 columns
in_terminal() { python3 /peers/terminal.py "$@" | tr -d '\r'; }

has_controllers() { grep -q memory /sys/fs/cgroup/cgroup.controllers; }

# A root file system of busybox alone.
mkdir -p /data/rootfs/{bin,etc,tmp,root,proc,sys,dev,run}
chmod 1777 /data/rootfs/tmp
cp /usr/bin/busybox /data/rootfs/bin/
for applet in $(busybox --list); do [ "$applet" = busybox ] || ln -s busybox "/data/rootfs/bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n' >/data/rootfs/etc/passwd
printf 'root:x:0:\nuser:x:1000:\nwheel:x:10:user\n' >/data/rootfs/etc/group

# A program that says when it listens for signals, and how it ends.
waiting='trap "echo bye; exit 3" TERM; echo started; while :; do sleep 0.1; done'
# Some say a terminal's size only after the program has started.
sized='until [ "$(stty size 2>/dev/null)" = "33 99" ]; do sleep 0.1; done; stty size'
