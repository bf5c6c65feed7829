"""The registry beside Debian's docker-registry (distribution), nginx and floors in C, all on loopback, in plain HTTP.

usage: registry.py PROGRAMS [ROUNDS [PART...]]   parts: manifests blobs pushes memory tags collection
Every round measures each server once, and the order turns. A ratio is Clipper's figure over the peer's."""
import json, os, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time, urllib.request

PROGRAMS = os.path.abspath(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
LOAD = f"{PROGRAMS}/registry-load"
work = tempfile.mkdtemp(prefix="registry-bench.", dir=os.environ.get("BENCH_TMP", "/var/tmp"))
GiB = 1 << 30


class Server:
    """A process that answers on a port, with a directory of its own."""

    def __init__(self, name, port):
        self.name, self.port, self.directory, self.process = name, port, f"{work}/{name}", None
        os.makedirs(self.directory, exist_ok=True)

    def start(self):
        log = open(f"{self.directory}.log", "ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, env=self.environment())
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}{self.probe}", timeout=5).read()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit(f"{self.name} does not start: see {self.directory}.log")
                time.sleep(0.05)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.process = None

    def environment(self):
        return os.environ

    probe = "/v2/"

    def memory(self):
        """Resident kB now, and at most so far."""
        text = open(f"/proc/{self.process.pid}/status").read()
        return tuple(int(re.search(rf"{key}:\s+(\d+)", text).group(1)) for key in ("VmRSS", "VmHWM"))


class Clipper(Server):
    def command(self):
        return [f"{PROGRAMS}/clipper", "--root", self.directory, "registry", "serve", "--tls", "off", "--anonymous", "push",
                "--listen", f"127.0.0.1:{self.port}"]


class Distribution(Server):
    def command(self):
        with open(f"{self.directory}.yml", "w") as file:
            json.dump({"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}},
                       "storage": {"filesystem": {"rootdirectory": self.directory}, "delete": {"enabled": True},
                                   "cache": {"blobdescriptor": "inmemory"}},
                       "http": {"addr": f"127.0.0.1:{self.port}"}}, file)
        return ["docker-registry", "serve", f"{self.directory}.yml"]

    def environment(self):
        return {**os.environ, "OTEL_TRACES_EXPORTER": "none"}


class Nginx(Server):
    probe = "/probe"

    def command(self):
        open(f"{self.directory}/probe", "w").write("ok")
        with open(f"{self.directory}.conf", "w") as file:
            file.write(f"""
              daemon off; worker_processes 2; pid {self.directory}.pid; error_log {self.directory}.err;
              user root; events {{}}
              http {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {self.directory}/tmp1;
                proxy_temp_path {self.directory}/tmp2; fastcgi_temp_path {self.directory}/tmp3;
                uwsgi_temp_path {self.directory}/tmp4; scgi_temp_path {self.directory}/tmp5;
                server {{ listen 127.0.0.1:{self.port}; root {self.directory}; }} }}""")
        return ["nginx", "-c", f"{self.directory}.conf"]


def here(program):
    if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin"):
        return True
    print(f"left out, not here: {program}")
    return False


def load(*words):
    return float(subprocess.check_output([LOAD, *map(str, words)], timeout=900))


def row(name, clipper, peer, peer_name, unit, wanted=""):
    print(f"{name:44s} {clipper:10.3f} {unit:5s} x{clipper / peer:6.3f} of {peer_name} ({peer:.3f})  {wanted}", flush=True)


def single(name, value, unit, wanted=""):
    print(f"{name:44s} {value:10.3f} {unit:5s}{'':24s} {wanted}", flush=True)


def registries():
    return [Clipper("clipper", 5081)] + ([Distribution("distribution", 5082)] if here("docker-registry") else [])


def turning(servers, rounds):
    for n in range(rounds):
        yield from (servers if n % 2 == 0 else servers[::-1])


def rate(port, path, method):
    """Requests a second and the 99th percentile in milliseconds."""
    return tuple(map(float, subprocess.check_output([LOAD, "rate", str(port), "32", "3", method, path]).split()))


def manifests():
    servers = [server.start() for server in registries()]
    for server in servers:
        load("push", server.port, 1, 50, 1024, "hot")
    for method in ("HEAD", "GET"):
        rates, tails = {s.name: [] for s in servers}, {s.name: [] for s in servers}
        for server in turning(servers, ROUNDS):
            requests, tail = rate(server.port, "/v2/hot/7/manifests/v7", method)
            rates[server.name].append(requests)
            tails[server.name].append(tail)
        if len(servers) == 2:
            row(f"manifest {method} by tag", statistics.median(rates["clipper"]),
                statistics.median(rates["distribution"]), "distribution", "1/s", "asked: x2")
            row(f"manifest {method} by tag, 99th percentile", statistics.median(tails["clipper"]),
                statistics.median(tails["distribution"]), "distribution", "ms", "asked: no worse")
        else:
            single(f"manifest {method} by tag", statistics.median(rates["clipper"]), "1/s")
    for server in servers:
        server.stop()


def big_file():
    path = f"{work}/big"
    if not os.path.exists(path):
        with open(path, "wb") as file:
            for _ in range(GiB // (16 << 20)):
                file.write(os.urandom(16 << 20))
            file.flush()
            os.fsync(file.fileno())
    return path


def blobs():
    """GET beside nginx, PUT beside hash-and-write in C: one blob of 1 GiB, from the page cache."""
    path = big_file()
    server = Clipper("clipper", 5081).start()
    digest = subprocess.check_output(["sha256sum", path], text=True).split()[0]
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/v2/big/blobs/uploads/?digest=sha256:{digest}",
                                     data=open(path, "rb"), method="POST", headers={"Content-Length": str(GiB)})
    urllib.request.urlopen(request).read()
    if here("nginx"):
        other = Nginx("nginx", 5083).start()
        os.link(path, f"{other.directory}/big")
        places = {"clipper": (server.port, f"/v2/big/blobs/sha256:{digest}"), "nginx": (other.port, "/big")}
        times = {name: [] for name in places}
        for name in turning(list(places), ROUNDS + 1):
            times[name].append(load("get", *places[name]))
        other.stop()
        rate = {name: 1024 / statistics.median(t[1:]) for name, t in times.items()}
        row("GET of 1 GiB", rate["clipper"], rate["nginx"], "nginx's sendfile", "MiB/s", "asked: x0.9")
    times = {"clipper": [], "floor": []}
    for n, name in enumerate(turning(["clipper", "floor"], ROUNDS)):
        if name == "floor":
            times[name].append(load("floor", path, f"{work}/copy"))
        else:
            times[name].append(load("put", server.port, 1, path, f"put{n}"))
            # Each time into an empty store.
            server.stop()
            shutil.rmtree(server.directory)
            os.makedirs(server.directory)
            server.start()
    server.stop()
    rate = {name: 1024 / statistics.median(t) for name, t in times.items()}
    row("PUT of 1 GiB", rate["clipper"], rate["floor"], "hash and write in C", "MiB/s", "asked: x0.8")
    os.unlink(f"{work}/copy")


def pushes():
    servers = [server.start() for server in registries()]
    times = {server.name: [] for server in servers}
    for n, server in enumerate(turning(servers, ROUNDS)):
        times[server.name].append(load("push", server.port, 8, 2000, 1024, f"small{n}"))
    for server in servers:
        server.stop()
    if len(servers) == 2:
        row("2,000 small images by eight clients", statistics.median(times["clipper"]),
            statistics.median(times["distribution"]), "distribution", "s", "asked: x0.5")
    else:
        single("2,000 small images by eight clients", statistics.median(times["clipper"]), "s")


def memory():
    path = big_file()
    server = Clipper("clipper", 5081).start()
    time.sleep(2)
    single("idle, resident", server.memory()[0] / 1024, "MiB", "asked: at most 40")
    seconds = load("put", server.port, 8, path, "eight")
    single("eight pushes of 1 GiB at once, resident at most", server.memory()[1] / 1024, "MiB", "asked: at most 120")
    single("eight pushes of 1 GiB at once", 8 * 1024 / seconds, "MiB/s")
    server.stop()
    shutil.rmtree(server.directory)


def tags():
    """The time of one page in a repository of 1,000 tags and in one of 100,000."""
    server = Clipper("clipper", 5081).start()
    base = f"http://127.0.0.1:{server.port}"
    load("push", server.port, 1, 50, 64, "tags")
    times = {}
    for count in (1000, 100_000):
        repository = f"tags/{0 if count == 1000 else 1}"
        reference = json.load(urllib.request.urlopen(f"{base}/v2/{repository}/tags/list"))["tags"][0]
        accept = {"Accept": "application/vnd.docker.distribution.manifest.v2+json"}
        manifest = urllib.request.urlopen(urllib.request.Request(f"{base}/v2/{repository}/manifests/{reference}",
                                                                 headers=accept))
        digest, kind, body = manifest.headers["Docker-Content-Digest"], manifest.headers["Content-Type"], manifest.read()
        for start in range(0, count, 50):
            more = "&".join(f"tag=t{n:06d}" for n in range(start, start + 50))
            urllib.request.urlopen(urllib.request.Request(
                f"{base}/v2/{repository}/manifests/{digest}?{more}", data=body, method="PUT",
                headers={"Content-Type": kind})).read()
        url = f"{base}/v2/{repository}/tags/list?n=100&last=t{count // 2:06d}"
        samples = []
        for _ in range(200):
            begin = time.perf_counter()
            urllib.request.urlopen(url).read()
            samples.append(time.perf_counter() - begin)
        times[count] = statistics.median(samples) * 1000
    server.stop()
    row("page of 100 tags out of 100,000", times[100_000], times[1000], "the same out of 1,000", "ms", "asked: grows with the page")


def collection():
    """A collection over 100,000 blobs, and what it does to pushes."""
    server = Clipper("clipper", 5081).start()
    load("blobs", server.port, 8, 100_000, 64, "many")
    alone = 500 / load("push", server.port, 4, 500, 1024, "alone")
    seconds, rates, done = [], [], threading.Event()

    def push():
        n = 0
        while not done.is_set():
            rates.append(100 / load("push", server.port, 4, 100, 1024, f"beside{n}"))
            n += 1

    thread = threading.Thread(target=push)
    thread.start()
    for _ in range(3):
        begin = time.perf_counter()
        subprocess.check_call([f"{PROGRAMS}/clipper", "--root", server.directory, "registry", "gc"],
                              stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
    done.set()
    thread.join()
    server.stop()
    single("collection over 100,000 blobs", statistics.median(seconds), "s", "asked: seconds")
    row("pushes beside it", statistics.median(rates), alone, "pushes alone", "1/s", "asked: x0.75")


try:
    print(f"ratio xR: Clipper's figure is R of the peer's; medians of {ROUNDS} rounds in turns\n")
    for part in sys.argv[3:] or ["manifests", "blobs", "pushes", "memory", "tags", "collection"]:
        globals()[part]()
finally:
    subprocess.call(["rm", "-rf", work])
