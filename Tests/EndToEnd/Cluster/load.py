"""Pushes, moves and deletes tags through replicas of one registry, each request at another one; kills one of them in the
middle; then reads every tag at every one that is left.

usage: load.py SECONDS URL=PID URL=PID URL=PID     the first one is killed after a third of the time
"""
import base64, concurrent.futures, hashlib, http.client, json, os, random, signal, sys, threading, time, urllib.parse

seconds = float(sys.argv[1])
replicas = [argument.split("=") for argument in sys.argv[2:]]
living = [url for url, _ in replicas]
victim, victim_pid = replicas[0][0], int(replicas[0][1])
start = time.monotonic()
sign_in = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}
count = dict(images=0, moves=0, deletes=0, retries=0, pulls=0)
lock = threading.Lock()


class Lost(Exception):
    """No answer: what was asked for may have happened or not."""


def send(method, path, body=b"", headers={}):
    """One request at a replica that the balancer believes to live."""
    url = urllib.parse.urlsplit(random.choice(living))
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers | sign_in)
        answer = connection.getresponse()
        return answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Lost(str(error))
    finally:
        connection.close()


def until_answered(work):
    """As clients do: what was lost, or met a server's trouble, is done again from its start."""
    for attempt in range(40):
        try:
            return work()
        except Lost:
            with lock:
                count["retries"] += 1
            time.sleep(0.05 * (attempt + 1))
    raise AssertionError("40 attempts without an answer")


def check(answer, *statuses):
    status, headers, body = answer
    if status in statuses:
        return headers, body
    # Whoever had the upload was killed: its hold runs out, or the upload is begun again.
    if status >= 500 or status in (404, 409, 416, 429):
        raise Lost(f"{status} {body[:200]}")
    raise AssertionError(f"{status} {body[:500]}")


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def push_blob(name, data):
    def attempt():
        headers, _ = check(send("POST", f"/v2/{name}/blobs/uploads/"), 202)
        location = headers["location"]
        half = len(data) // 2
        for piece in (data[:half], data[half:]):
            headers, _ = check(send("PATCH", location, piece, {"Content-Type": "application/octet-stream"}), 202)
            location = headers["location"]
        mark = "&" if "?" in location else "?"
        check(send("PUT", f"{location}{mark}digest={digest(data)}"), 201)

    until_answered(attempt)


def image(name):
    config = json.dumps({"architecture": "amd64", "os": "linux", "author": random.randbytes(8).hex()}).encode()
    size = random.choice([100, 5_000, 200_000, 200_000, 9_000_000])
    layer = random.randbytes(size)
    for blob in (config, layer):
        push_blob(name, blob)
    return json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest(layer), "size": size}],
    }).encode()


def put_tag(name, tag, manifest):
    kind = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    until_answered(lambda: check(send("PUT", f"/v2/{name}/manifests/{tag}", manifest, kind), 201))


def work(number):
    """One client. It alone writes its tags, so it knows what each of them must be in the end."""
    random.seed(number * 7919)
    name, tags = f"team/app{number % 3}", {}
    while time.monotonic() - start < seconds:
        manifest = image(name)
        tag = f"t{number}-{len(tags)}"
        put_tag(name, tag, manifest)
        tags[tag] = manifest
        with lock:
            count["images"] += 1
        if random.random() < 0.3:
            moved = random.choice(list(tags))
            if tags[moved] is not None:
                put_tag(name, moved, manifest)
                tags[moved] = manifest
                with lock:
                    count["moves"] += 1
        if random.random() < 0.15:
            gone = random.choice(list(tags))
            if tags[gone] is not None:
                def delete():
                    status, headers, body = send("DELETE", f"/v2/{name}/manifests/{gone}")
                    # 404: the answer to an earlier attempt was lost.
                    if status != 404:
                        check((status, headers, body), 202)
                until_answered(delete)
                tags[gone] = None
                with lock:
                    count["deletes"] += 1
        known = random.choice(list(tags))
        if tags[known] is not None:
            _, body = until_answered(lambda: check(send("GET", f"/v2/{name}/manifests/{known}"), 200))
            assert body == tags[known], f"{known}: a tag was answered with what it did not name"
            with lock:
                count["pulls"] += 1
    return name, tags


def kill():
    time.sleep(seconds / 3)
    os.kill(victim_pid, signal.SIGKILL)
    time.sleep(0.3)
    living.remove(victim)


killer = threading.Thread(target=kill)
killer.start()
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    results = list(pool.map(work, range(8)))
killer.join()

expected = {}
for name, tags in results:
    expected.setdefault(name, {}).update(tags)
blobs = set()
everywhere = list(living)
for url in everywhere:
    living[:] = [url]
    for name, tags in expected.items():
        _, body = check(send("GET", f"/v2/{name}/tags/list"), 200)
        alive = {tag for tag, manifest in tags.items() if manifest is not None}
        assert set(json.loads(body)["tags"]) == alive, f"{name} at {url}: other tags than were acknowledged"
        for tag in alive:
            _, body = check(send("GET", f"/v2/{name}/manifests/{tag}"), 200)
            assert body == tags[tag], f"{name}:{tag} at {url}: other bytes than were acknowledged"
            for blob in [json.loads(body)["config"]] + json.loads(body)["layers"]:
                if blob["digest"] in blobs:
                    continue
                _, data = check(send("GET", f"/v2/{name}/blobs/{blob['digest']}"), 200)
                assert digest(data) == blob["digest"] and len(data) == blob["size"], f"{blob['digest']} at {url}"
                blobs.add(blob["digest"])
print(f"{count['images']} images, {count['moves']} tags moved, {count['deletes']} deleted, {count['pulls']} read, "
      f"{count['retries']} requests repeated; {sum(len(t) for t in expected.values())} tags and {len(blobs)} blobs as "
      f"acknowledged at {len(everywhere)} replicas")
