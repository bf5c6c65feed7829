# buildah, which calls the runtime itself.
. /peers/prelude.sh

# Its defaults are above what a container without CAP_SYS_RESOURCE may set.
cat >/tmp/containers.conf <<E
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
E
export CONTAINERS_CONF=/tmp/containers.conf
buildah=(buildah --root /data/buildah --runroot /run/b --storage-driver overlay)
b() { "${buildah[@]}" "$@"; }
run=("${buildah[@]}" run --runtime "$runtime" --isolation oci --network none)

base=$(b from scratch)
tar -C /data/rootfs -cf /tmp/rootfs.tar .
b add -q "$base" /tmp/rootfs.tar / >/dev/null
b commit -q "$base" base:1 >/dev/null
c=$(b from base:1)
is "output" "$("${run[@]}" "$c" echo hi)" hi
is "exit status" "$(status "${run[@]}" "$c" sh -c 'exit 7')" 7
is "terminal" "$(in_terminal "${buildah[@]}" run -t --runtime "$runtime" --isolation oci --network none "$c" tty)" /dev/pts/0

mkdir /tmp/context
cat >/tmp/context/Dockerfile <<'E'
FROM base:1
RUN echo built >/made
USER 1000
RUN id -u >/tmp/who
E
b build -q --network none --runtime "$runtime" --isolation oci -t built:1 /tmp/context >/dev/null
c=$(b from built:1)
is "RUN" "$("${run[@]}" "$c" cat /made /tmp/who | tr '\n' ' ')" "built 1000 "
is "a RUN that fails" "$(printf 'FROM base:1\nRUN exit 5\n' >/tmp/context/Dockerfile
  status b build -q --network none --runtime "$runtime" --isolation oci /tmp/context
  grep -o 'exit status 5' /tmp/status.out | head -n 1)" "5
exit status 5"
