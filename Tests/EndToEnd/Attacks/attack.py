"""What nobody sends by mistake, to the registry's own program. Each answer is the error that the specification has for
it, and none tells a stranger what exists. Usage: attack.py SUBJECT..., each a function of this file."""
import base64, bz2, datetime, difflib, functools, gzip, hashlib, hmac, io, json, os, socket, subprocess, sys, tarfile
import time, zipfile, zlib

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../ECRClients"))
from layers import layer

HOST = os.environ["HOST"]
ADDRESS = (HOST.split(":")[0], int(HOST.split(":")[1]))
LONG = "a" * 10_000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ZEROS = "sha256:" + "0" * 64


# -- requests as bytes: no library may tidy a path or a length up

def talk(data, ends=False, timeout=60):
    """All that the server says to some bytes, up to the connection's end."""
    with socket.create_connection(ADDRESS, timeout=timeout) as connection:
        answer = b""
        try:
            connection.sendall(data)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionError:
            pass
        return answer


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


ADA = basic("ada:correct-horse")


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    @property
    def codes(self):
        try:
            return [error["code"] for error in json.loads(self.body)["errors"]]
        except (ValueError, KeyError, TypeError):
            return []


def ask(method, path, headers=ADA, body=b""):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return Answer(talk("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body))


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def push(name, data, headers=ADA):
    answer = ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest(data)}", headers, data)
    assert answer.status == 201, (answer.status, answer.body)
    return {"mediaType": "application/octet-stream", "digest": digest(data), "size": len(data)}


def put(name, tag, manifest, headers=ADA):
    body = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    return ask("PUT", f"/v2/{name}/manifests/{tag}", {**headers, "Content-Type": MANIFEST}, body)


def image(name, tag, layers, config=b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'):
    types = {"mediaType": "application/vnd.oci.image.config.v1+json"}
    layers = [push(name, data) | {"mediaType": "application/vnd.oci.image.layer.v1." + kind} for data, kind in layers]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": push(name, config) | types, "layers": layers}
    answer = put(name, tag, manifest)
    assert answer.status == 201, (answer.status, answer.body)
    return answer.headers["docker-content-digest"]


# -- keys

@functools.cache
def key(user):
    made = subprocess.run(
        ["clipper", "registry", "key", "create", "--user", user, "--format", "json"], check=True, capture_output=True)
    made = json.loads(made.stdout)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def signed(user, operation, body, host=HOST, age=0):
    """Headers of a call that is signed by Signature Version 4."""
    name, secret = key(user)
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    target = "AmazonEC2ContainerRegistry_V20150921." + operation
    canonical = (f"POST\n/\n\nhost:{host}\nx-amz-date:{stamp}\nx-amz-target:{target}\n\nhost;x-amz-date;x-amz-target\n"
                 + hashlib.sha256(body).hexdigest())
    scope = f"{day}/us-east-1/ecr/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    mac = ("AWS4" + secret).encode()
    for part in [*scope.split("/"), text]:
        mac = hmac.digest(mac, part.encode(), "sha256")
    return {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Date": stamp, "X-Amz-Target": target,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={name}/{scope}, SignedHeaders=host;x-amz-date;x-amz-target, "
                             f"Signature={mac.hex()}"}


def call(user, operation, body):
    """(status, name of the error, message) of a call of ECR's; the output in place of the message where it is none."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = ask("POST", "/", signed(user, operation, data), data)
    found = json.loads(answer.body)
    if answer.status == 200:
        return 200, None, found
    return answer.status, found["__type"], found.get("message", "")


def token(user):
    status, _, found = call(user, "GetAuthorizationToken", {})
    assert status == 200, found
    return {"Authorization": "Basic " + found["authorizationData"][0]["authorizationToken"]}


# -- the attacks

def names():
    bad = ["..", "../..", "%2e%2e", "%2e%2e/%2e%2e", "app%2f..", "app%2F..%2F..%2Fetc", "app%00", "%00", ".", "app//x",
           "app\\x", "APP", "app@x", "app%0d%0aX:%20y", "%c3%28", "%zz", "$(id)", "app'--", LONG, "a/" * 5000 + "a"]
    for name in bad:
        for method, rest in [("GET", "tags/list"), ("GET", "manifests/1"), ("PUT", "manifests/1"),
                             ("DELETE", "manifests/1"), ("GET", "blobs/" + ZEROS), ("POST", "blobs/uploads/"),
                             ("PATCH", "blobs/uploads/1"),
                             ("GET", "referrers/" + ZEROS), ("POST", f"blobs/uploads/?mount={ZEROS}&from={name}")]:
            for user in (ADA, {}):
                answer = ask(method, f"/v2/{name}/{rest}", user)
                allowed = {400: "NAME_INVALID", 404: "NOT_FOUND"} if user else {401: "UNAUTHORIZED"}
                assert answer.status in allowed, (method, name[:80], rest[:80], answer.status, answer.body[:200])
                assert set(answer.codes) <= set(allowed.values()) and len(answer.body) < 1000, answer.body[:200]
    for name in ["..", "%2e%2e", LONG, "app%2f.."]:
        for page in ["", "/-/settings", "/-/tag/1", f"/-/image/{ZEROS}/layer/1/../../etc/passwd"]:
            assert ask("GET", f"/ui/r/{name}{page}").status in (400, 404), (name[:80], page)
    # What HTTP itself has no place for: refused, or not answered at all.
    for line in [b"GET /v2/app\0/tags/list HTTP/1.1", b"GET /v2/\xff\xfe/tags/list HTTP/1.1",
                 b"GET /v2/app /x HTTP/1.1", b"GET /v2/%s HTTP/1.1" % (b"a" * 200_000)]:
        answer = Answer(talk(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n", ends=True))
        assert answer.status == 0 or 400 <= answer.status < 500, (line[:40], answer.status)
    assert json.loads(ask("GET", "/v2/_catalog").body)["repositories"] == sorted(CATALOG)


def digests():
    for text in ["sha256:" + "a" * 63, "sha256:" + LONG, "sha256:..%2f..%2fpasswd", "sha256:%00", "sha256:" + "g" * 64,
                 "SHA256:" + "a" * 64, "sha1:aaaa", "..", "%2e%2e", ":", LONG]:
        for method, path in [("GET", "blobs/"), ("DELETE", "blobs/"), ("GET", "referrers/"),
                             ("POST", "blobs/uploads/?digest="), ("POST", "blobs/uploads/?from=team/secret&mount=")]:
            answer = ask(method, f"/v2/team/secret/{path}{text}")
            assert answer.status in (400, 404), (method, path, text[:80], answer.status, answer.body[:200])
            assert len(answer.body) < 1000, answer.body[:200]
    for tag in ["..", "%2e%2e", "a%2fb", "a%00", ".a", "t" * 129, LONG]:
        for method in ("GET", "PUT", "DELETE"):
            answer = ask(method, f"/v2/team/secret/manifests/{tag}", {**ADA, "Content-Type": MANIFEST}, b"{}")
            assert answer.status in (400, 404) and len(answer.body) < 1000, (method, tag[:80], answer.status)


def manifests():
    big = b'{"schemaVersion":2,"annotations":{"a":"' + b"a" * (4 << 20) + b'"}}'
    answer = put("team/secret", "big", big)
    assert answer.status == 413 and answer.codes == ["SIZE_INVALID"], (answer.status, answer.body)
    head = (f"PUT /v2/team/secret/manifests/big HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
            f"Content-Type: {MANIFEST}\r\nAuthorization: {ADA['Authorization']}\r\n"
            f"Transfer-Encoding: chunked\r\n\r\n{len(big):x}\r\n")
    answer = Answer(talk(head.encode() + big + b"\r\n0\r\n\r\n"))
    assert answer.status in (0, 413), answer.status
    for opening in ("[", '{"a":', '{"schemaVersion":2,"layers":[', '{"config":{"data":'):
        deep = (opening * 10_000).encode()
        answer = put("team/secret", "deep", deep)
        assert answer.status == 400 and answer.codes == ["MANIFEST_INVALID"], (opening, answer.status, answer.body)
        for operation in ("DescribeRepositories", "PutImage", "BatchGetImage", "PutLifecyclePolicy"):
            status, name, _ = call("ada", operation, deep)
            assert (status, name) == (400, "SerializationException"), (operation, status, name)
        closed = opening * 10_000 + ("]" if opening.endswith("[") else "}") * 10_000
        for operation, member in [("PutLifecyclePolicy", "lifecyclePolicyText"), ("SetRepositoryPolicy", "policyText"),
                                  ("StartLifecyclePolicyPreview", "lifecyclePolicyText"),
                                  ("PutImage", "imageManifest")]:
            status, name, _ = call("ada", operation, {"repositoryName": "team/secret", member: closed})
            assert (status, name) == (400, "InvalidParameterException"), (operation, status, name)
        status, name, _ = call("ada", "PutRegistryPolicy", {"policyText": closed})
        assert status == 400 and name in ("InvalidParameterException", "ValidationException"), (status, name)
    # A configuration is a blob like others until somebody looks into it.
    found = image("team/deep", "deep", [], ("[" * 10_000 + "]" * 10_000).encode())
    for page in ("tag/deep", *(f"image/{found}{part}" for part in ("", "/config", "/findings", "/bill/spdx-json"))):
        assert ask("GET", "/ui/r/team/deep/-/" + page).status < 500, page
    assert call("ada", "DescribeImages", {"repositoryName": "team/deep"})[0] == 200
    scanned("team/deep", found, "UNSUPPORTED_IMAGE")


def lengths():
    start = (f"POST /v2/team/secret/blobs/uploads/?digest={ZEROS} HTTP/1.1\r\nHost: {HOST}\r\n"
             f"Authorization: {ADA['Authorization']}\r\n")
    # Less than was said, and nobody left to be told; more than can be; more than was said.
    for length, body in [("Content-Length: 100", b"abc"), ("Content-Length: 107374182400", b"abc"),
                         ("Content-Length: -5", b"abc"), ("Content-Length: 18446744073709551616", b"abc"),
                         ("Transfer-Encoding: chunked", b"ffffffffffffffff\r\nabc"),
                         ("Transfer-Encoding: chunked", b"5\r\nab"), ("Transfer-Encoding: chunked", b"-1\r\nabc\r\n"),
                         ("Content-Length: 3", b"abcGET /healthz HTTP/9\r\n\r\n")]:
        answer = Answer(talk(f"{start}{length}\r\n\r\n".encode() + body, ends=True))
        assert answer.status in (0, 507) or 400 <= answer.status < 500, (length, answer.status, answer.body)
    answer = ask("POST", f"/v2/team/secret/blobs/uploads/?digest={ZEROS}", ADA, b"abc")
    assert answer.status == 400 and answer.codes == ["DIGEST_INVALID"], (answer.status, answer.body)
    assert ask("GET", f"/v2/team/secret/blobs/{ZEROS}").status == 404
    at = ask("POST", "/v2/team/secret/blobs/uploads/").headers["location"]
    for text in ["5-7", "0-99999999999999999999", "1-0", "a-b", "9223372036854775806-9223372036854775807"]:
        answer = ask("PATCH", at, {**ADA, "Content-Range": text}, b"abc")
        assert answer.status in (400, 416), (text, answer.status)
    assert ask("PATCH", at, {**ADA, "Content-Range": "0-2"}, b"abc").status == 202
    # Half of a piece: what came stays, and the rest may follow.
    head = f"PATCH {at} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: {ADA['Authorization']}\r\nContent-Length: 10\r\n\r\n"
    talk(head.encode() + b"def", ends=True)
    for _ in range(100):
        answer = ask("GET", at)
        if answer.headers.get("range") == "0-5":
            break
        time.sleep(0.1)
    assert answer.headers["range"] == "0-5", answer.headers
    answer = ask("PUT", f"{at}?digest={digest(b'abcdefghi')}", ADA, b"ghi")
    assert answer.status == 201, (answer.status, answer.body)
    assert ask("GET", f"/v2/team/secret/blobs/{digest(b'abcdefghi')}").body == b"abcdefghi"


def slow():
    """Two hundred that send a head byte by byte: each is ended, and others are served meanwhile."""
    connections = [socket.create_connection(ADDRESS, timeout=60) for _ in range(200)]
    open_ones = set(connections)
    deadline = time.monotonic() + 60
    served = 0
    while open_ones and time.monotonic() < deadline:
        for connection in list(open_ones):
            try:
                connection.send(b"GET /v2/ HTTP/1.1\r\nX: "[served:served + 1] or b"a")
                connection.settimeout(0.001)
                if connection.recv(4096) == b"":
                    open_ones.discard(connection)
            except TimeoutError:
                pass
            except OSError:
                open_ones.discard(connection)
        assert ask("GET", "/healthz", {}).status == 200
        served += 1
    for connection in connections:
        connection.close()
    assert not open_ones, f"{len(open_ones)} connections are still served"


def signatures():
    body = b"{}"
    good = signed("ada", "DescribeRepositories", body)
    # Sent again at once it is a retry; for anything else, or later, it is worth nothing.
    for _ in range(2):
        assert ask("POST", "/", good, body).status == 200
    def refused(headers, body=body, path="/", kind="InvalidSignatureException"):
        answer = ask("POST", path, headers, body)
        found = json.loads(answer.body)["__type"]
        assert answer.status in (400, 403) and found == kind, (answer.status, found, kind)
    refused(good, b'{"maxResults":1}')
    refused(good, path="/?a=1")
    refused({**good, "X-Amz-Target": good["X-Amz-Target"].replace("Describe", "Delete")})
    refused({**good, "X-Amz-Date": good["X-Amz-Date"][:-2] + ("1Z" if good["X-Amz-Date"][-2] != "1" else "2Z")})
    refused(signed("ada", "DescribeRepositories", body, age=3600))
    refused(signed("ada", "DescribeRepositories", body, age=-3600))
    refused(signed("ada", "DescribeRepositories", body, host="other.example"))
    for change in (lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), lambda text: text[:-1]):
        refused({**good, "Authorization": change(good["Authorization"])})
    other = good["Authorization"].replace(key("ada")[0], key("eve")[0])
    refused({**good, "Authorization": other})
    refused({**good, "Authorization": good["Authorization"].replace("/us-east-1/", "/eu-west-1/")})
    refused({**good, "Authorization": good["Authorization"].replace(key("ada")[0], "AKIA" + "A" * 16)},
            kind="UnrecognizedClientException")
    # A sign-in token with any of its letters changed.
    text = base64.b64decode(token("ada")["Authorization"].split(" ")[1]).decode()
    for index in range(4, len(text), 7):
        altered = text[:index] + ("A" if text[index] != "A" else "B") + text[index + 1:]
        answer = ask("GET", "/v2/", basic(altered))
        assert answer.status == 401 and answer.codes == ["UNAUTHORIZED"], (index, answer.status)


def strangers():
    """What is there and what is not look the same to who may see neither."""
    secret = push("team/secret", b"secret")["digest"]
    absent = digest(b"absent")

    def same(question):
        there, not_there = question("team/secret", secret), question("team/absent", absent)
        def words(text):
            for mine in ("secret", "absent", secret[7:], absent[7:]):
                text = text.replace(mine, "IT")
            return text
        def seen(answer):
            own = ("date", "x-request-id", "location", "docker-upload-uuid")
            headers = {name: words(value) for name, value in answer.headers.items() if name not in own}
            return answer.status, headers, words(answer.body.decode())
        lines = [repr(seen(answer)).split("\\n") for answer in (there, not_there)]
        assert lines[0] == lines[1], "\n".join(difflib.unified_diff(*lines))
        return there.status

    users = {"nobody": {}, "eve": token("eve"), "mallory": token("mallory"), "wrong": basic("ada:wrong"),
             "none": basic("zoe:x")}
    for user, headers in users.items():
        for method, rest in [("GET", "tags/list"), ("GET", "manifests/1"), ("HEAD", "manifests/1"),
                             ("PUT", "manifests/1"), ("DELETE", "manifests/1"), ("GET", "blobs/{}"),
                             ("HEAD", "blobs/{}"), ("DELETE", "blobs/{}"),
                             ("POST", "blobs/uploads/"), ("GET", "blobs/uploads/0"), ("GET", "referrers/{}")]:
            status = same(lambda name, blob: ask(method, f"/v2/{name}/{rest.format(blob)}", headers))
            expected = 403 if user in ("eve", "mallory") else 401
            assert status == expected, (user, method, rest, status)
        for page in ("", "/-/settings", "/-/tag/1", "/-/image/{}"):
            same(lambda name, blob: ask("GET", f"/ui/r/{name}{page.format(blob)}", headers))
    # From where a stranger may write: bytes of others are neither mounted nor found nor referred to.
    eve = users["eve"]
    push("eve/own", b"own", eve)
    assert same(lambda name, blob: ask("POST", f"/v2/eve/own/blobs/uploads/?mount={blob}&from={name}", eve)) == 202
    assert same(lambda name, blob: ask("POST", f"/v2/eve/own/blobs/uploads/?mount={blob}", eve)) == 202
    assert same(lambda name, blob: ask("GET", f"/v2/eve/own/blobs/{blob}", eve)) == 404
    manifest = lambda blob: {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [], "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob, "size": 6}}
    assert same(lambda name, blob: put("eve/own", "1", manifest(blob), eve)) in (400, 404)
    assert json.loads(ask("GET", "/v2/_catalog", eve).body)["repositories"] == ["eve/own"]
    for user in ("eve", "mallory"):
        for operation, more in [("DescribeImages", {}), ("ListImages", {}), ("GetRepositoryPolicy", {}),
                                ("GetLifecyclePolicy", {}), ("DeleteRepository", {"force": True}),
                                ("BatchGetImage", {"imageIds": [{"imageTag": "1"}]}),
                                ("InitiateLayerUpload", {}), ("StartImageScan", {"imageId": {"imageTag": "1"}}),
                                ("PutLifecyclePolicy", {"lifecyclePolicyText": "{}"}),
                                ("BatchCheckLayerAvailability", {"layerDigests": ["DIGEST"]}),
                                ("GetDownloadUrlForLayer", {"layerDigest": "DIGEST"})]:
            found = []
            for name, blob in [("team/secret", secret), ("team/absent", absent)]:
                body = json.dumps({"registryId": "000000000000", "repositoryName": name, **more})
                status, kind, message = call(user, operation, body.replace("DIGEST", blob).encode())
                found.append((status, kind, message.replace(name, "NAME")))
            assert found[0] == found[1] and found[0][:2] == (400, "AccessDeniedException"), (user, operation, found)
    own = {"repositoryName": "eve/own"}
    for blob in (secret, absent):
        status, kind, _ = call("eve", "GetDownloadUrlForLayer", {**own, "layerDigest": blob})
        assert (status, kind) == (400, "LayersNotFoundException"), (status, kind)
        layers = call("eve", "BatchCheckLayerAvailability", {**own, "layerDigests": [blob]})[2]["layers"]
        assert [layer["layerAvailability"] for layer in layers] == ["UNAVAILABLE"], layers
    # The other account's own registry has nothing of this one's.
    assert call("mallory", "DescribeRepositories", {})[2] == {"repositories": []}
    # Nothing of what was refused has happened.
    assert ask("GET", f"/v2/team/secret/blobs/{secret}").body == b"secret"


def scanned(name, found, *states):
    """Scans an image to its end, which is one of these states."""
    ids = {"repositoryName": name, "imageId": {"imageDigest": found}}
    answer = call("ada", "StartImageScan", ids)
    # Once a day and image.
    assert answer[0] == 200 or answer[1] == "LimitExceededException", answer
    deadline = time.monotonic() + 120
    state = "PENDING"
    while state in ("PENDING", "IN_PROGRESS") and time.monotonic() < deadline:
        answer = call("ada", "DescribeImageScanFindings", ids)
        assert answer[0] == 200, answer
        state = answer[2]["imageScanStatus"]["status"]
        time.sleep(0.1)
    assert state in states, (name, found, answer)


def zeros(size, compressor):
    out = [compressor.compress(b"\0" * (1 << 20)) for _ in range(size >> 20)]
    return b"".join(out) + compressor.flush()


def bombs():
    """Layers that are nothing but size."""
    def archive(files, method=zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as made:
            for name, content in files.items():
                made.writestr(name, content)
        return out.getvalue()

    # Of a gigabyte: as a layer, as a database in one, and as archives in archives.
    entry = tarfile.TarInfo("var/lib/rpm/Packages")
    entry.size = 1 << 30
    head = entry.tobuf()
    big = zlib.compressobj(9, zlib.DEFLATED, 31)
    gzipped = big.compress(head) + zeros(1 << 30, big)
    whole = bz2.BZ2Compressor()
    bzipped = whole.compress(head) + zeros(1 << 30, whole)
    inner = archive({"META-INF/MANIFEST.MF": b"\0" * (64 << 20)})
    for _ in range(4):
        inner = archive({f"{number}.jar": inner for number in range(10)})
    unclosed = layer({"package-lock.json": b"[" * (8 << 20), "etc/os-release": b"ID=debian\nVERSION_ID=12\n"})
    for tag, content, kind in [
            ("gzip", gzipped, "tar+gzip"), ("bzip2", bzipped, "tar"),
            ("short", gzip.compress(layer({"a": b"a"}))[:-6], "tar+gzip"),
            ("archives", layer({"app.jar": inner}), "tar"), ("text", unclosed, "tar")]:
        found = image("team/bomb", tag, [(content, kind)])
        scanned("team/bomb", found, "FAILED", *["COMPLETE", "ACTIVE"][:2 * (tag in ("archives", "text"))])
        # Its files, and what they waste.
        for page in ("layer/1/", "wasted", "bill/spdx-json"):
            status = ask("GET", f"/ui/r/team/bomb/-/image/{found}/{page}").status
            assert status == 200 or 400 <= status < 500, (tag, page, status)


CATALOG = []
if __name__ == "__main__":
    push("team/secret", b"a")
    for subject in sys.argv[1:]:
        CATALOG[:] = json.loads(ask("GET", "/v2/_catalog").body)["repositories"]
        started = time.monotonic()
        globals()[subject]()
        print(f"{subject}: {time.monotonic() - started:.1f} s", file=sys.stderr)
    assert ask("GET", "/healthz", {}).status == 200
