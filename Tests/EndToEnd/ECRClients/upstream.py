"""A registry that wants bearer tokens, as Docker Hub does: one image, and a count of what it was asked for."""
import base64, hashlib, http.server, json, threading

OCI = "application/vnd.oci.image."
USER, PASSWORD = "ada", "token-of-ada"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Upstream:
    def __init__(self, port, name, layer):
        config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
        self.layer, self.port, self.name, self.asked, self.stopped = layer, port, name, [], False
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
            "config": {"mediaType": OCI + "config.v1+json", "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": OCI + "layer.v1.tar", "digest": digest(layer), "size": len(layer)}]}).encode()
        self.blobs = {digest(config): config, digest(layer): layer}
        handler = type("Handler", (Handler,), {"upstream": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.stopped = True
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        up = self.upstream
        if up.stopped:
            # A connection that was kept open ends too.
            self.close_connection = True
            return None
        if self.path.startswith("/token"):
            wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', Content_Type="application/json")
            return self.answer(200, b'{"token":"let-me-in"}', Content_Type="application/json")
        if self.headers.get("Authorization") != "Bearer let-me-in":
            challenge = f'Bearer realm="http://127.0.0.1:{up.port}/token",service="up",scope="repository:{up.name}:pull"'
            return self.answer(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', WWW_Authenticate=challenge)
        up.asked.append((self.command, self.path))
        base = f"/v2/{up.name}/"
        if self.path == "/v2/":
            return self.answer(200, b"{}")
        if self.path in (base + "manifests/1", base + "manifests/" + digest(up.manifest)):
            return self.answer(200, up.manifest, Content_Type=OCI + "manifest.v1+json",
                               Docker_Content_Digest=digest(up.manifest))
        blob = up.blobs.get(self.path.removeprefix(base + "blobs/"))
        if blob is not None:
            return self.answer(200, blob, Content_Type="application/octet-stream")
        self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}', Content_Type="application/json")

    do_HEAD = do_GET
