"""The registry beside Debian's docker-registry (distribution), nginx and floors in C, all on loopback, in plain HTTP.

usage: registry.py PROGRAMS [ROUNDS [PART...]]   parts: manifests blobs pushes memory large
Every round measures each server once, and the order turns. A ratio is Clipper's figure over the peer's."""
import datetime, hashlib, hmac, json, os, re, shutil, signal, statistics, subprocess, sys, tempfile, threading, time, urllib.error, urllib.request

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
        # The same file: what a copy of it costs depends on how the kernel has laid out its pages.
        os.link(f"{server.directory}/content/blobs/sha256/{digest}", f"{other.directory}/big")
        places = {"clipper": (server.port, f"/v2/big/blobs/sha256:{digest}"), "nginx": (other.port, "/big")}
        times = {name: [] for name in places}
        # Short, and each as fast as the kernel happens to place it and its client: more of them.
        for name in turning(list(places), 5 * ROUNDS + 1):
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


class ECR:
    """Calls of ECR's API, signed by a key of the server's. (AWS Signature Version 4)"""

    def __init__(self, server):
        self.port = server.port
        key = json.loads(subprocess.check_output([f"{PROGRAMS}/clipper", "--root", server.directory, "registry", "key",
                                                  "create", "--format", "json"]))["AccessKey"]
        self.id, self.secret = key["AccessKeyId"], key["SecretAccessKey"]

    def call(self, operation, **members):
        body = json.dumps(members).encode()
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        headers = {"content-type": "application/x-amz-json-1.1", "host": f"127.0.0.1:{self.port}", "x-amz-date": now,
                   "x-amz-target": f"AmazonEC2ContainerRegistry_V20150921.{operation}"}
        scope, names = f"{now[:8]}/us-east-1/ecr/aws4_request", ";".join(sorted(headers))
        canonical = "\n".join(["POST", "/", "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names,
                               hashlib.sha256(body).hexdigest()])
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.id}/{scope}, SignedHeaders={names}, "
                                    f"Signature={hmac.new(key, text.encode(), 'sha256').hexdigest()}")
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", data=body, headers=headers, method="POST")
        try:
            return json.load(urllib.request.urlopen(request))
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{operation}: {error} {error.read().decode()}")


OLD_ONES = json.dumps({"rules": [{"rulePriority": 1, "action": {"type": "expire"}, "selection": {
    "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10}}]})


def typical(work, count=200):
    """The median of the milliseconds that `work` takes."""
    samples = []
    for _ in range(count):
        begin = time.perf_counter()
        work()
        samples.append(time.perf_counter() - begin)
    return statistics.median(samples) * 1000


def large():
    """Pages of a repository of 100,000 tags beside those of one of 1,000; a collection over that many blobs, and what it
    does to pushes."""
    server = Clipper("clipper", 5081).start()
    ecr, times = ECR(server), {}
    for repository, count in (("small", 1000), ("large", 100_000)):
        load("many", server.port, 8, count, repository)
        url = f"http://127.0.0.1:{server.port}/v2/{repository}/tags/list?n=100&last=t{count // 2:06d}"
        pages = times[repository] = {"tags/list": typical(lambda: urllib.request.urlopen(url).read())}
        begin = time.perf_counter()
        ecr.call("StartLifecyclePolicyPreview", repositoryName=repository, lifecyclePolicyText=OLD_ONES)
        while ecr.call("GetLifecyclePolicyPreview", repositoryName=repository, maxResults=1)["status"] == "IN_PROGRESS":
            time.sleep(0.01)
        pages["evaluation"] = time.perf_counter() - begin
        for operation in ("ListImages", "DescribeImages", "GetLifecyclePolicyPreview"):
            # The second page: the first may be cheaper.
            token = ecr.call(operation, repositoryName=repository, maxResults=100)["nextToken"]
            pages[operation] = typical(lambda: ecr.call(operation, repositoryName=repository, maxResults=100, nextToken=token))
    for name in ("tags/list", "ListImages", "DescribeImages", "GetLifecyclePolicyPreview"):
        row(f"{name}, 100 out of 100,000", times["large"][name], times["small"][name], "the same out of 1,000", "ms",
            "asked: grows with the page")
    single("a lifecycle policy over 100,000 images", times["large"]["evaluation"], "s")
    collection(server)
    server.stop()


def collection(server):
    def pushes(name):
        return 100 / load("push", server.port, 4, 100, 1024, name)

    alone = statistics.median(pushes(f"alone{n}") for n in range(8))
    seconds, rates, done = [], [], threading.Event()

    def push():
        while not done.is_set():
            rates.append(pushes(f"beside{len(rates)}"))

    thread = threading.Thread(target=push)
    thread.start()
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.check_call([f"{PROGRAMS}/clipper", "--root", server.directory, "registry", "gc"],
                              stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begin)
    done.set()
    thread.join()
    single("collection over 100,000 blobs", statistics.median(seconds), "s", "asked: seconds")
    row("pushes beside it", statistics.median(rates), alone, "pushes alone", "1/s", "asked: x0.75")


try:
    print(f"ratio xR: Clipper's figure is R of the peer's; medians of {ROUNDS} rounds in turns\n")
    for part in sys.argv[3:] or ["manifests", "blobs", "pushes", "memory", "large"]:
        globals()[part]()
finally:
    subprocess.call(["rm", "-rf", work])
