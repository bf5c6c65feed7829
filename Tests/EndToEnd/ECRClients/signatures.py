"""botocore's own signer, on requests that are hard to canonicalise, against the registry's reading of them."""
import datetime, http.client, json, os, random, ssl
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HOST = os.environ["HOST"]
TARGET = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
KEY = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
CONTEXT = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
connection = http.client.HTTPSConnection(*HOST.split(":"), context=CONTEXT)


def send(request, body=None):
    """Answers (status, type of the error) of a request as it stands."""
    target = request.url[len("https://" + HOST):] or "/"
    connection.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", HOST)
    for name, value in request.headers.items():
        connection.putheader(name, value)
    data = request.data if body is None else body
    data = data.encode() if isinstance(data, str) else data
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    text = answer.read()
    return answer.status, None if answer.status == 200 else json.loads(text).get("__type")


def request(path="/", headers=(), body="{}"):
    all_headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET}
    all_headers.update(headers)
    return AWSRequest("POST", "https://" + HOST + path, headers=all_headers, data=body)


def signed(request, credentials=KEY, service="ecr", region="us-east-1"):
    SigV4Auth(credentials, service, region).add_auth(request)
    return request


# Queries in any order and encoding, headers with blanks, commas and empty values: all are read as botocore wrote them.
good = [
    request(), request("/?b=2&a=1"), request("/?a=2&a=1&a="), request("/?a"), request("/?A=1&a=2&_=3&-=4&~=5"),
    request("/?space=a%20b&plus=a%2Bb&slash=%2F&percent=%25&utf8=%C3%A4&equal=a%3Db"),
    request("/?a%20b=c"), request("/?X-Amz-Other=1"),
    request(headers={"X-Blanks": "  a   b  c  "}), request(headers={"X-Quoted": '"a   b"'}),
    request(headers={"X-Comma": "a,b, c"}), request(headers={"X-Empty": ""}),
    request(headers={"X-Amz-Meta-Long": "x" * 3000}), request(headers={"x-amz-zz": "1", "X-Amz-Aa": "2"}),
    request(body='{"maxResults": 1}'), request(body=""),
]
generator = random.Random(4)
alphabet = "abcABC019-_.~%20%2F%25%C3%A4"
for _ in range(100):
    pairs = []
    for _ in range(generator.randrange(1, 6)):
        name, value = ("".join(generator.choice(["a", "B", "0", "-", "_", ".", "~", "%20", "%2F", "%25", "%C3%A4", "%3D"])
                               for _ in range(generator.randrange(0, 6))) for _ in range(2))
        pairs.append("k" + name + "=" + value)
    good.append(request("/?" + "&".join(pairs)))
for each in good:
    assert send(signed(each)) == (200, None), (each.url, dict(each.headers), send(each))

# What is altered after it was signed is refused.
def refused(error, each, **arguments):
    found = send(each, **arguments)
    assert found[0] in (400, 403) and found[1] == error, (error, found, each.url)

invalid = "InvalidSignatureException"
refused(invalid, signed(request()), body='{"maxResults":1}')
refused(invalid, signed(request(), Credentials(KEY.access_key, "x" * 40)))
refused("UnrecognizedClientException", signed(request(), Credentials("AKIAUNKNOWN", KEY.secret_key)))
refused(invalid, signed(request(), service="s3"))
for name, value in [("X-Amz-Target", TARGET.replace("Describe", "Delete")), ("Content-Type", "application/x-amz-json-1.0")]:
    each = signed(request())
    del each.headers[name]
    each.headers[name] = value
    refused(invalid, each)
each = signed(request("/?a=1&b=2"))
each.url = each.url.replace("a=1", "a=2")
refused(invalid, each)
for digit in (0, 17, 63):
    each = signed(request())
    value = each.headers["Authorization"]
    at = value.index("Signature=") + len("Signature=") + digit
    del each.headers["Authorization"]
    each.headers["Authorization"] = value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1:]
    refused(invalid, each)
for part, other in [("us-east-1", "us-west-2"), ("/ecr/", "/sts/"), ("aws4_request", "aws5_request")]:
    each = signed(request())
    value = each.headers["Authorization"]
    del each.headers["Authorization"]
    each.headers["Authorization"] = value.replace(part, other)
    refused("IncompleteSignatureException" if part == "aws4_request" else invalid, each)

# A session token that the key does not have, a signature in the query, two of a header.
refused("UnrecognizedClientException", signed(request(), Credentials(KEY.access_key, KEY.secret_key, "token")))
each = request()
SigV4QueryAuth(KEY, "ecr", "us-east-1", expires=60).add_auth(each)
refused("IncompleteSignatureException", each)
each = signed(request())
each.headers.add_header("X-Amz-Target", TARGET)
refused("IncompleteSignatureException", each)

# Without TLS's protection of the body, its hash must have been signed; with TLS, a client may leave it out.
each = request(headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
assert send(signed(each)) == (200, None)
each = request(headers={"X-Amz-Content-SHA256": "0" * 64})
refused(invalid, signed(each))

# A clock that is wrong by more than five minutes.
class Clock(SigV4Auth):
    def add_auth(self, request, offset):
        import botocore.auth
        real = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(seconds=offset)
        try:
            super().add_auth(request)
        finally:
            botocore.auth.get_current_datetime = real
        return request

for offset, error in [(-240, None), (240, None), (-400, invalid), (400, invalid)]:
    each = Clock(KEY, "ecr", "us-east-1").add_auth(request(), offset)
    assert send(each)[1] == error, (offset, send(each))
print("ok", len(good))
