#!/usr/bin/env python3
"""Times Clipper beside its peers and a floor in C, one after the other in one run, and prints ratios.

usage: run.py BIN [ROUNDS [PART...]]   BIN holds clipper, clipper-runtime, floor and floor-runtime
Peers that are not there are left out, and said so."""
import json, os, shutil, signal, statistics, subprocess, sys, tempfile, time

import runtime as runtimes

BIN = sys.argv[1]
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 10
CLIPPER = BIN + "/clipper"
work = tempfile.mkdtemp(prefix="clipper-bench.", dir="/var/tmp")
os.environ.update(CLIPPER_ROOT=work + "/root", CLIPPER_RUN_ROOT=work + "/run", DOCKER_CONFIG=work + "/docker",
                  CLIPPER_INSECURE_REGISTRIES="127.0.0.1:5055")
rows, children = [], []


def sh(command, check=True, **options):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if check and done.returncode != 0:
        raise SystemExit(f"{command}\n{done.stdout.decode(errors='replace')[-3000:]}")
    return done.stdout.decode(errors="replace").strip()


def has(program):
    return shutil.which(program) is not None


def measure(name, commands, rounds=ROUNDS, before=None, warm=1):
    """Median seconds of each named command, in turns, so that what disturbs one disturbs all."""
    times = {tool: [] for tool in commands}
    for turn in range(rounds + warm):
        for tool, command in commands.items():
            if before:
                sh(before[tool] if isinstance(before, dict) else before, check=False)
            start = time.monotonic()
            sh(command)
            if turn >= warm:
                times[tool].append(time.monotonic() - start)
    medians = {tool: statistics.median(values) for tool, values in times.items()}
    rows.append((name, medians))
    report(name, medians)


def report(name, medians):
    own = medians["clipper"]
    parts = [f"clipper {own * 1000:9.1f} ms"]
    for tool, value in medians.items():
        if tool != "clipper":
            parts.append(f"{tool} {value * 1000:9.1f} ms (x{own / value:.3f})")
    print(f"{name:34s} " + "   ".join(parts), flush=True)


def memory(pid):
    """Proportional and private resident kilobytes of a process."""
    fields = {}
    for line in open(f"/proc/{pid}/smaps_rollup"):
        words = line.split()
        if words[0].endswith(":") and len(words) == 3:
            fields[words[0][:-1]] = int(words[1])
    return fields["Rss"], fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"]


def setup():
    for directory in ("bin", "tmp", "etc"):
        os.makedirs(f"{work}/rootfs/{directory}")
    shutil.copy(shutil.which("busybox"), f"{work}/rootfs/bin/busybox")
    for applet in ("sh", "true", "sleep", "cat", "echo"):
        os.symlink("busybox", f"{work}/rootfs/bin/{applet}")
    sh(f"tar -C {work}/rootfs -cf {work}/rootfs.tar . && {CLIPPER} import {work}/rootfs.tar bb:1")
    if has("dockerd"):
        children.append(subprocess.Popen(["dockerd", "--exec-opt", "native.cgroupdriver=cgroupfs",
                                          "--insecure-registry", "127.0.0.1:5055", "--data-root", work + "/docker-data"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for _ in range(300):
            if subprocess.run(["docker", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.1)
        sh(f"docker import {work}/rootfs.tar bb:1")
    if has("podman"):
        sh(f"podman import {work}/rootfs.tar bb:1")


def runs():
    floor = f"rm -rf {work}/floor && mkdir {work}/floor && {BIN}/floor {work}/rootfs {work}/floor /bin/true"
    tools = {"clipper": CLIPPER + " run --rm --network none bb:1 true"}
    bridge = {"clipper": CLIPPER + " run --rm bb:1 true"}
    if has("podman"):
        tools["podman"] = "podman run --cgroups=disabled --rm --network none bb:1 true"
        bridge["podman"] = "podman run --cgroups=disabled --rm bb:1 true"
    if has("dockerd"):
        tools["docker"] = "docker run --rm --network none bb:1 true"
        bridge["docker"] = "docker run --rm bb:1 true"
    tools["floor"] = floor
    tools["bash"] = ":"
    measure("run --rm --network none", tools, ROUNDS * 2)
    measure("run --rm, bridge", bridge)


def builds():
    os.makedirs(f"{work}/steps")
    with open(f"{work}/steps/Dockerfile", "w") as file:
        file.write("FROM bb:1\n" + "".join(f"RUN echo {n} > /tmp/{n}\n" for n in range(20)))
    os.makedirs(f"{work}/files/tree")
    # Half of each file is noise and half is text: about what programs and their libraries compress to.
    noise, text = os.urandom(1 << 20), b"".join(b"line %d of a file that compresses well\n" % n for n in range(320))
    for n in range(10000):
        folder = f"{work}/files/tree/{n // 100}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{n}", "wb") as file:
            start = n * 7919 % ((1 << 20) - 13000)
            file.write(n.to_bytes(8, "big") + bytes(b ^ (n & 255) for b in noise[start:start + 12800]) + text[:12800])
    with open(f"{work}/files/Dockerfile", "w") as file:
        file.write("FROM bb:1\nCOPY tree /tree\n")
    clipper, docker = f"{CLIPPER} build -q", "docker build -q"

    def both(options):
        commands = {"clipper": f"{clipper} {options}"}
        if has("dockerd"):
            commands["docker"] = f"{docker} {options}"
        return commands

    measure("build, 20 RUN steps, no cache", both(f"--no-cache -t steps:1 {work}/steps"), max(3, ROUNDS // 3))
    measure("build, 20 RUN steps, cached", both(f"-t steps:1 {work}/steps"))
    measure("COPY of 10,000 files, no cache", both(f"--no-cache -t files:1 {work}/files"), max(3, ROUNDS // 3))
    measure("COPY of 10,000 files, cached", both(f"-t files:1 {work}/files"))


def transfers():
    serve = subprocess.Popen([CLIPPER, "--root", work + "/registry", "registry", "serve", "--listen", "127.0.0.1:5055",
                              "--tls", "off", "--anonymous", "push"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    children.append(serve)
    for _ in range(300):
        if subprocess.run(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5055"], stderr=subprocess.DEVNULL).returncode == 0:
            break
        time.sleep(0.05)
    time.sleep(1)
    print(f"{'idle registry':34s} {memory(serve.pid)[0] / 1024:9.1f} MB resident", flush=True)

    # Each push goes to a name of its own over content that the registry does not have, so nothing is skipped.
    count = iter(range(1000))
    push, pull = {"clipper": [], "docker": [], "skopeo": []}, {"clipper": [], "docker": [], "skopeo": []}
    for turn in range(max(3, ROUNDS // 3)):
        n = next(count)
        sh(f"cp -r {work}/files {work}/files{n}; echo {n} > {work}/files{n}/tree/0/0")
        sh(f"{CLIPPER} build -q -t 127.0.0.1:5055/a/clipper:{n} {work}/files{n}")
        push["clipper"].append(timed(f"{CLIPPER} push -q 127.0.0.1:5055/a/clipper:{n}"))
        other = f"CLIPPER_ROOT={work}/other{n} CLIPPER_RUN_ROOT={work}/otherrun"
        pull["clipper"].append(timed(f"{other} {CLIPPER} pull -q 127.0.0.1:5055/a/clipper:{n}"))
        if has("dockerd"):
            sh(f"echo docker{n} > {work}/files{n}/tree/0/0; docker build -q -t 127.0.0.1:5055/a/docker:{n} {work}/files{n}")
            push["docker"].append(timed(f"docker push -q 127.0.0.1:5055/a/docker:{n}"))
            sh(f"docker rmi -f 127.0.0.1:5055/a/docker:{n}; docker builder prune -af; docker image prune -f")
            pull["docker"].append(timed(f"docker pull -q 127.0.0.1:5055/a/docker:{n}"))
        if has("skopeo") and has("dockerd"):
            sh(f"echo skopeo{n} > {work}/files{n}/tree/0/0; {CLIPPER} build -q -t sk:{n} {work}/files{n}; "
               f"{CLIPPER} save -o {work}/sk.tar sk:{n}; rm -rf {work}/sk; mkdir {work}/sk; tar -C {work}/sk -xf {work}/sk.tar")
            name = f"127.0.0.1:5055/a/skopeo:{n}"
            push["skopeo"].append(timed(f"skopeo copy --dest-tls-verify=false oci:{work}/sk docker://{name}"))
            pull["skopeo"].append(timed(f"skopeo copy --src-tls-verify=false docker://{name} oci:{work}/skback{n}"))
        sh(f"rm -rf {work}/files{n} {work}/other{n} {work}/skback{n}; {CLIPPER} rmi -f 127.0.0.1:5055/a/clipper:{n}")
    for name, values in (("push, 250 MB", push), ("pull, 250 MB", pull)):
        report(name, {tool: statistics.median(times) for tool, times in values.items() if times})


def timed(command):
    start = time.monotonic()
    sh(command)
    return time.monotonic() - start


def idle_container():
    sh(f"{CLIPPER} run -d --name idle bb:1 sleep 1000")
    # A supervisor gives memory back when nothing has happened for a moment.
    time.sleep(1)
    total = [0, 0, 0]
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit():
                # Not by /proc/PID/exe: a supervisor runs from a mount of its program that is attached nowhere.
                command = open(f"/proc/{entry}/cmdline", "rb").read()
                if b"clipper" not in command.split(b"\0")[0] or b"registry" in command or work.encode() not in command:
                    continue
                total = [a + b for a, b in zip(total, memory(entry))]
        except OSError:
            continue
    sh(f"{CLIPPER} rm -f idle")
    print(f"{'idle container, own processes':34s} {total[0] / 1024:9.2f} MB resident, {total[2] / 1024:.2f} MB private", flush=True)


def runtime():
    runtimes.runtime(BIN, work, ROUNDS)


def main():
    wanted = sys.argv[3:] or ["runs", "idle_container", "builds", "transfers", "runtime"]
    try:
        if wanted != ["runtime"]:
            engine([part for part in wanted if part != "runtime"])
        if "runtime" in wanted:
            runtime()
    finally:
        if wanted != ["runtime"]:
            sh(f"{CLIPPER} ps -aq | xargs -r {CLIPPER} rm -f", check=False)
        for child in children:
            child.send_signal(signal.SIGTERM)
            child.wait()
        sh(f"umount -l {work}/docker-data/overlay2/*/merged 2>/dev/null; rm -rf {work}", check=False)


def engine(parts):
    missing = [tool for tool in ("podman", "dockerd", "skopeo") if not has(tool)]
    if missing:
        print(f"left out, not here: {', '.join(missing)} (tools/peers setup makes a root that has them)")
    print(f"ratio xR: Clipper's time is R of the peer's; medians of {ROUNDS} rounds in turns\n")
    setup()
    for part in parts:
        globals()[part]()


main()
