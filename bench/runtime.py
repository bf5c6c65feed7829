"""The runtimes alone, beside each other and beside the floor in C: one bundle, one config.json (what dockerd writes,
with its whole seccomp profile), an overlay root that the caller has mounted, as engines do.

Every round runs each tool once, and the order turns, so that what disturbs one disturbs all. What is timed is a
process from posix_spawn to its end."""
import ctypes, json, os, shutil, signal, statistics, struct, subprocess, tempfile, time

NULL = os.open("/dev/null", os.O_RDWR)
STREAMS = [(os.POSIX_SPAWN_DUP2, NULL, 0), (os.POSIX_SPAWN_DUP2, NULL, 1)]
CLIPPER, FLOOR = "clipper-runtime", "floor"


def spawn(command, streams=STREAMS):
    start = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=streams)
    _, status = os.waitpid(pid, 0)
    elapsed = time.perf_counter() - start
    if status != 0:
        raise SystemExit(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}")
    return elapsed


class Tool:
    """A runtime by its command line; the floor has the same four operations."""

    def __init__(self, bench, name, program):
        self.bench, self.name, self.program = bench, name, program
        self.root = f"{bench.states}/{name}"
        os.makedirs(self.root, mode=0o700, exist_ok=True)

    def command(self, *words):
        return [self.program, "--root", self.root, *words]

    def run(self, id):
        return spawn(self.command("run", "--bundle", self.bench.bundle(self, id), id))

    def create(self, id, program="/bin/true"):
        return spawn(self.command("create", "--bundle", self.bench.bundle(self, id, program), id))

    def start(self, id):
        return spawn(self.command("start", id))

    def delete(self, id):
        return spawn(self.command("delete", "--force", id))

    def exec(self, id):
        return spawn(self.command("exec", id, "/bin/true"))

    def pid(self, id):
        return json.loads(subprocess.check_output(self.command("state", id)))["pid"]


class Floor(Tool):
    def files(self, id):
        return [self.bench.rootfs, self.bench.directory, f"{self.bench.cgroups}/bench/{id}", self.bench.filter]

    def run(self, id):
        return spawn([self.program, "run", *self.files(id), "/bin/true"])

    def create(self, id, program="/bin/true"):
        return spawn([self.program, "create", *self.files(id), program, f"{self.root}/{id}"])

    def start(self, id):
        return spawn([self.program, "start", f"{self.root}/{id}"])

    def delete(self, id):
        return spawn([self.program, "delete", f"{self.root}/{id}", f"{self.bench.cgroups}/bench/{id}"])

    def exec(self, id):
        return spawn([self.program, "exec", str(self.pid(id)), f"{self.bench.cgroups}/bench/{id}", self.bench.filter,
                      "/bin/true"])

    def pid(self, id):
        return int(open(f"{self.root}/{id}/pid").read())


class RuntimeBench:
    def __init__(self, programs, work, rounds):
        self.programs, self.work, self.rounds = programs, work, rounds
        self.directory = f"{work}/bundle"
        # As the runtimes' own: in memory.
        self.states = tempfile.mkdtemp(prefix="bench.", dir="/run")
        self.rootfs = f"{self.directory}/rootfs"
        self.filter = f"{work}/filter"
        self.count = 0
        # The cgroup2 tree, where the tools look for it.
        self.cgroups = next(path for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                            if os.path.exists(path + "/cgroup.procs"))
        self.config = json.load(open(os.path.dirname(os.path.abspath(__file__)) + "/config.json"))
        self.tools = {CLIPPER: Tool(self, CLIPPER, f"{programs}/clipper-runtime")}
        for name in ("crun", "runc"):
            if shutil.which(name):
                self.tools[name] = Tool(self, name, shutil.which(name))
            else:
                print(f"left out, not here: {name} (tools/peers setup makes a root that has it)")
        self.tools[FLOOR] = Floor(self, FLOOR, f"{programs}/floor-runtime")

    # A bundle

    def setup(self):
        lower = f"{self.work}/lower"
        for path in ("bin", "etc", "proc", "sys", "dev", "tmp"):
            os.makedirs(f"{lower}/{path}")
        shutil.copy(shutil.which("busybox"), f"{lower}/bin/busybox")
        os.symlink("busybox", f"{lower}/bin/true")
        shutil.copy(f"{self.programs}/floor-runtime", f"{lower}/bin/pause")
        for name in ("resolv.conf", "hostname", "hosts"):
            open(f"{lower}/etc/{name}", "w").close()
        for path in ("upper", "overlay-work", "bundle/rootfs"):
            os.makedirs(f"{self.work}/{path}")
        for name in ("resolv.conf", "hostname", "hosts"):
            open(f"{self.directory}/{name}", "w").close()
        subprocess.check_call(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={self.work}/upper,"
                               f"workdir={self.work}/overlay-work", self.rootfs])
        os.makedirs(f"{self.cgroups}/bench", exist_ok=True)
        # Orphans of `create` come to this process, which reaps them.
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        self.tools[CLIPPER].run("first")
        self.write_filter()
        for tool in self.tools.values():
            self.check(tool)

    def bundle(self, tool, id, program="/bin/true"):
        """Written anew for each start: only the cgroup's name differs, and the program."""
        self.config["linux"]["cgroupsPath"] = f"/bench/{id}"
        self.config["process"]["args"] = [program]
        with open(f"{self.directory}/config.json", "w") as file:
            json.dump(self.config, file, separators=(",", ":"))
        return self.directory

    def write_filter(self):
        """The floor loads the filter that libseccomp made of the profile: the runtime keeps it."""
        cache = f"{self.tools[CLIPPER].root}/.seccomp"
        data = open(f"{cache}/{os.listdir(cache)[0]}", "rb").read()
        place = data.index(b"\n") + 1
        place += 4 + struct.unpack_from("<I", data, place)[0] + 4
        size = struct.unpack_from("<I", data, place)[0]
        with open(self.filter, "wb") as file:
            file.write(data[place + 12:place + 12 + size])

    def check(self, tool):
        """Each one really has the cgroup, the filter and the masks."""
        id = self.name(tool)
        self.begin(tool, id)
        pid = tool.pid(id)
        status = open(f"/proc/{pid}/status").read()
        assert "Seccomp:\t2" in status and "CapBnd:\t00000000a80425fb" in status, f"{tool.name}: {status}"
        assert open(f"{self.cgroups}/bench/{id}/cgroup.procs").read().split() == [str(pid)], tool.name
        mounts = open(f"/proc/{pid}/mounts").read()
        assert "/proc/keys" in mounts and "/proc/sys proc ro" in mounts and "overlay / overlay" in mounts, f"{tool.name}: {mounts}"
        for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), f"{tool.name}: {kind}"
        self.end(tool, id)

    def name(self, tool):
        self.count += 1
        return f"{tool.name}-{self.count}"

    def begin(self, tool, id):
        """A container that stays."""
        tool.create(id, "/bin/pause")
        tool.start(id)

    def end(self, tool, id):
        tool.delete(id)
        self.reap()

    def reap(self):
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            pass

    # Times

    def turns(self, title, operation, rounds=None, warm=2):
        """Median of each tool's seconds, and of what its steps took, if it has several."""
        times = {name: [] for name in self.tools}
        order = list(self.tools.values())
        for turn in range((rounds or self.rounds * 10) + warm):
            for tool in order:
                steps = operation(tool)
                if turn >= warm:
                    times[tool.name].append(steps)
            order.append(order.pop(0))
        for part in times[FLOOR][0]:
            medians = {name: statistics.median(steps[part] for steps in taken) for name, taken in times.items()}
            self.report(title if part == "all" else f"  {part}", medians)

    def report(self, title, medians):
        own = medians[CLIPPER]
        words = [f"clipper-runtime {own * 1000:7.3f} ms"]
        for name, value in medians.items():
            if name != CLIPPER:
                words.append(f"{name} {value * 1000:7.3f} ms (x{own / value:.2f})")
        print(f"{title:24s} " + "   ".join(words), flush=True)

    def run(self, tool):
        return {"all": tool.run(self.name(tool))}

    def life(self, tool):
        id = self.name(tool)
        steps = {"create": tool.create(id), "start": tool.start(id), "delete": tool.delete(id)}
        self.reap()
        return {"all": sum(steps.values()), **steps}

    def execs(self):
        ids = {name: self.name(tool) for name, tool in self.tools.items()}
        for name, tool in self.tools.items():
            self.begin(tool, ids[name])
        self.turns("exec", lambda tool: {"all": tool.exec(ids[tool.name])})
        for name, tool in self.tools.items():
            self.end(tool, ids[name])

    # Memory

    def memory(self):
        """Of the process that waits for `start`."""
        print()
        for name, tool in self.tools.items():
            id = self.name(tool)
            tool.create(id)
            fields = {}
            for line in open(f"/proc/{tool.pid(id)}/smaps_rollup"):
                words = line.split()
                if words[0].endswith(":") and len(words) == 3:
                    fields[words[0][:-1]] = int(words[1])
            private = fields["Private_Clean"] + fields["Private_Dirty"]
            print(f"created, {name:16s} {fields['Rss']:6d} kB resident  {fields['Pss']:6d} kB proportional  "
                  f"{private:6d} kB private", flush=True)
            self.end(tool, id)
        program = f"{self.programs}/clipper-runtime"
        print(f"{'program':25s} {os.path.getsize(program) / 1e6:.1f} MB", flush=True)

    # What is left behind

    def held(self):
        """Everything of the kernel's that a runtime could leave: mounts, cgroups, descriptors, namespaces, processes."""
        mounts = len(open("/proc/self/mountinfo").readlines())
        cgroups = sum(len(names) for _, names, _ in os.walk(f"{self.cgroups}/bench"))
        namespaces = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                namespaces |= {os.readlink(f"/proc/{pid}/ns/{kind}") for kind in os.listdir(f"/proc/{pid}/ns")}
            except OSError:
                continue
        states = sum(len(names) for tool in self.tools.values() for names in [os.listdir(tool.root)])
        return {"mounts": mounts, "cgroups": cgroups, "descriptors": len(os.listdir("/proc/self/fd")),
                "namespaces": len(namespaces), "state directories": states}

    def settled(self):
        """When nothing changes any more: the kernel takes namespaces and cgroups away in its own time."""
        held = None
        for _ in range(100):
            held, last = self.held(), held
            if held == last:
                break
            time.sleep(0.1)
        return held

    def alive_at_once(self, count):
        tool = self.tools[CLIPPER]
        before = self.settled()
        ids = [self.name(tool) for _ in range(count)]
        times = [tool.create(id, "/bin/pause") + tool.start(id) for id in ids]
        during = self.held()
        alive = sum(os.path.exists(f"/proc/{tool.pid(id)}") for id in (ids[0], ids[-1]))
        for id in ids:
            self.end(tool, id)
        self.compare(f"{count} alive at once", times, before)
        assert during["cgroups"] - before["cgroups"] == count and alive == 2, (before, during)

    def one_after_another(self, count):
        tool = self.tools[CLIPPER]
        before = self.settled()
        times = [self.life(tool)["all"] for _ in range(count)]
        self.compare(f"{count} one after another", times, before)

    def compare(self, title, times, before):
        part = max(1, len(times) // 10)
        first, last = statistics.median(times[:part]), statistics.median(times[-part:])
        for _ in range(100):
            left = {kind: number - before[kind] for kind, number in self.held().items() if number > before[kind]}
            if not left:
                break
            time.sleep(0.1)
        print(f"{title:24s} first tenth {first * 1000:.3f} ms, last tenth {last * 1000:.3f} ms (x{last / first:.2f}), "
              f"left behind: {left or 'nothing'}", flush=True)

    # All

    def measure(self):
        print(f"\nratio xR: clipper-runtime's time is R of the other's; medians of {self.rounds * 10} rounds in turns\n")
        self.turns("run", self.run)
        self.turns("create, start, delete", self.life)
        self.execs()
        self.memory()
        self.one_after_another(1000)
        self.alive_at_once(500)

    def close(self):
        for tool in self.tools.values():
            for id in os.listdir(tool.root):
                if not id.startswith("."):
                    subprocess.run(tool.command("delete", "--force", id) if tool.name != FLOOR else ["true"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.states, ignore_errors=True)
        subprocess.run(["umount", "-l", self.rootfs])
        subprocess.run(["rmdir", f"{self.cgroups}/bench"])


def runtime(programs, work, rounds):
    bench = RuntimeBench(programs, work, rounds)
    try:
        bench.setup()
        bench.measure()
    finally:
        bench.close()
