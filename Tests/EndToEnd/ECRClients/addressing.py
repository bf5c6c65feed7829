"""Names of AWS's shape, accounts and regions; and the requests of two programs in Go, header by header.

docker-credential-ecr-login (ecr-login/api/client.go) calls GetAuthorizationToken with the account of the image's host
name, and takes a proxyEndpoint of AWS's shape alone; the kubelet's ecr-credential-provider does the same by version 2 of
the SDK, whose requests carry and sign more headers. Terraform asks STS who it is before anything else.
"""
import base64, http.client, os, re, ssl, uuid
import botocore.auth, botocore.awsrequest, botocore.credentials
from checked import *

PATTERN = re.compile(
    r"^(\d{12})\.dkr[\.\-]ecr(\-fips)?\.([a-zA-Z0-9][a-zA-Z0-9-_]*)\.(amazonaws\.com(\.cn)?|on\.aws)(:\d+)?$")
PORT = os.environ["HOST"].split(":")[1]
keys = botocore.credentials.Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
trust.check_hostname = False


def send(host, method, path, body=b"", headers={}):
    connection = http.client.HTTPSConnection("127.0.0.1", int(PORT), context=trust)
    connection.request(method, path, body, headers | {"Host": f"{host}:{PORT}"})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def signed(region, host, target, body, headers={}, service="ecr"):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, "Host": f"{host}:{PORT}",
               "Content-Length": str(len(body))} | headers
    request = botocore.awsrequest.AWSRequest("POST", f"https://{host}:{PORT}/", headers, body)
    botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    return send(host, "POST", "/", body, dict(request.headers.items()))


def token(region, account, sdk2=False):
    more = {"Amz-Sdk-Invocation-Id": str(uuid.uuid4()), "Amz-Sdk-Request": "attempt=1; max=3"} if sdk2 else {}
    status, body, _ = signed(
        region, f"api.ecr.{region}.amazonaws.com", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        json.dumps({"registryIds": [account]}).encode(), more)
    assert status == 200, body
    data = json.loads(body)["authorizationData"][0]
    user, password = base64.b64decode(data["authorizationToken"]).decode().split(":", 1)
    assert user == "AWS" and ":" not in password
    return data["proxyEndpoint"].removeprefix("https://"), data["authorizationToken"]


for sdk2 in (False, True):
    for account, region in (("123456789012", "eu-west-1"), ("123456789012", "us-east-1"), ("210987654321", "eu-west-1")):
        endpoint, authorization = token(region, account, sdk2)
        named = PATTERN.match(endpoint)
        assert named and (named[1], named[3]) == (account, region), endpoint
        # docker signs in there with what it was given.
        host = endpoint.split(":")[0]
        status, _, headers = send(host, "GET", "/v2/")
        assert status == 401 and headers["Www-Authenticate"].startswith("Basic "), (status, headers)
        assert send(host, "GET", "/v2/", headers={"Authorization": "Basic " + authorization})[0] == 200

# Each account and region has repositories of its own, under names that lead there.
for region in ("eu-west-1", "us-east-1"):
    ecr = client(region_name=region)
    made = ecr.create_repository(repositoryName="same/name")["repository"]
    assert made["repositoryUri"] == f"123456789012.dkr.ecr.{region}.amazonaws.com:{PORT}/same/name", made
    assert made["repositoryArn"] == f"arn:aws:ecr:{region}:123456789012:repository/same/name", made
    push(ecr, "same/name", region, imageTag="here")
_, authorization = token("eu-west-1", "123456789012")
basic = {"Authorization": "Basic " + authorization}
found = [send(f"123456789012.dkr.ecr.{region}.amazonaws.com", "GET", "/v2/same/name/manifests/here", headers=basic)[1]
         for region in ("eu-west-1", "us-east-1")]
assert len({digest(manifest) for manifest in found}) == 2
assert send("123456789012.dkr-ecr.eu-west-1.on.aws", "GET", "/v2/same/name/tags/list", headers=basic)[0] == 200
assert send("999999999999.dkr.ecr.eu-west-1.amazonaws.com", "GET", "/v2/same/name/tags/list", headers=basic)[0] == 404
assert send("registry.test", "GET", "/v2/123456789012/us-east-1/same/name/tags/list", headers=basic)[0] == 200

# What Terraform asks before and while it makes a repository.
who = boto3.client("sts", region_name="eu-west-1", endpoint_url=ENDPOINT).get_caller_identity()
assert who["Account"] == "123456789012" and who["Arn"].startswith("arn:aws:iam::123456789012:"), who
ecr = client(region_name="eu-west-1")
arn = ecr.create_repository(
    repositoryName="terraform/made", imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": False},
    encryptionConfiguration={"encryptionType": "AES256"}, tags=[{"Key": "by", "Value": "terraform"}],
)["repository"]["repositoryArn"]
assert len(ecr.describe_repositories(repositoryNames=["terraform/made"])["repositories"]) == 1
assert ecr.list_tags_for_resource(resourceArn=arn)["tags"][0]["Value"] == "terraform"
ecr.delete_repository(repositoryName="terraform/made", force=True)
raises("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=["terraform/made"])
