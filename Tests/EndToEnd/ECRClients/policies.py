"""Users, keys and policies: `clipper registry` makes them, boto3 and the registry's own protocol meet them."""
import base64, json, os, ssl, subprocess, urllib.error, urllib.request
import boto3, botocore.exceptions

HOST = os.environ["HOST"]
CONTEXT = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])


def clipper(*arguments, text=None, status=0):
    done = subprocess.run(["clipper", "registry", *arguments], input=text, capture_output=True, text=True)
    assert done.returncode == status, (arguments, done)
    return done.stdout


def client(**key):
    return boto3.client("ecr", region_name="eu-west-1", endpoint_url="https://" + HOST, **key)


def key_of(user, *options):
    made = json.loads(clipper("key", "create", "--user", user, "--format", "json", *options))
    made = made.get("AccessKey") or made["Credentials"]
    key = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    if "SessionToken" in made:
        key["aws_session_token"] = made["SessionToken"]
    return key


def denied(call, **arguments):
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException", error
        return str(error)
    raise AssertionError(f"{arguments} was allowed")


def status(path, user=None, method="GET"):
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    try:
        asked = urllib.request.Request("https://" + HOST + path, headers=headers, method=method)
        return urllib.request.urlopen(asked, context=CONTEXT).status
    except urllib.error.HTTPError as error:
        return error.code


admin = client()
for name in ("team/app", "other/app", "bob/app"):
    admin.create_repository(repositoryName=name, tags=[{"Key": "team", "Value": name.split("/")[0]}])

# A policy of the operator's own, by a variable and by a tag.
document = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    {"Sid": "Home", "Effect": "Allow", "Action": "ecr:*", "Resource": "arn:aws:ecr:*:*:repository/${aws:username}/*"},
    {"Sid": "Team", "Effect": "Allow", "Action": ["ecr:Describe*", "ecr:List*"], "Resource": "*",
     "Condition": {"StringEquals": {"ecr:ResourceTag/team": "team"}}}]}
clipper("policy", "create", "home", "--document", "-", text=json.dumps(document))
clipper("user", "add", "--no-password", "--policy", "home", "bob")
assert "home" in clipper("policy", "list") and json.loads(clipper("policy", "show", "home")) == document
bob = client(**key_of("bob"))
assert bob.describe_images(repositoryName="bob/app")["imageDetails"] == []
assert bob.describe_images(repositoryName="team/app")["imageDetails"] == []
message = denied(bob.describe_images, repositoryName="other/app")
assert "arn:aws:iam::000000000000:user/bob is not authorized to perform: ecr:DescribeImages" in message, message
denied(bob.describe_images, repositoryName="other/none")
denied(bob.delete_repository, repositoryName="team/app")
bob.create_repository(repositoryName="bob/new")

# docker's side of the same: the token has its key's rights.
token = bob.get_authorization_token()["authorizationData"][0]["authorizationToken"]
login = base64.b64decode(token).decode()
assert status("/v2/bob/app/tags/list", login) == 200 and status("/v2/other/app/tags/list", login) == 403
assert status("/v2/other/none/tags/list", login) == 403 and status("/v2/other/app/tags/list") == 401

# What simulate says is what is done.
assert "allowed" in clipper("policy", "simulate", "--user", "bob", "--repository", "bob/app", "--action", "ecr:PutImage")
simulated = clipper(
    "policy", "simulate", "--user", "bob", "--repository", "other/app", "--action", "ecr:PutImage", "--format", "json",
    status=1)
assert json.loads(simulated)["EvaluationResults"][0]["EvalDecision"] == "implicitDeny", simulated

# A repository's policy, with and without force.
policy = json.dumps({"Version": "2008-10-17", "Statement": [
    {"Sid": "new statement", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:user/bob"},
     "Action": ["ecr:ListImages"]}]})
assert admin.set_repository_policy(repositoryName="other/app", policyText=policy)["policyText"] == policy
assert bob.list_images(repositoryName="other/app")["imageIds"] == []
assert status("/v2/other/app/tags/list", login) == 200
assert "repository policy (new statement)" in clipper(
    "policy", "simulate", "--user", "bob", "--repository", "other/app", "--action", "ecr:ListImages")
lock = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:Set*"}]})
try:
    admin.set_repository_policy(repositoryName="other/app", policyText=lock)
    raise AssertionError("a lock-out was taken without force")
except admin.exceptions.InvalidParameterException:
    pass
admin.set_repository_policy(repositoryName="other/app", policyText=lock, force=True)
denied(admin.set_repository_policy, repositoryName="other/app", policyText=lock, force=True)
admin.delete_repository_policy(repositoryName="other/app")
try:
    admin.get_repository_policy(repositoryName="other/app")
    raise AssertionError("a policy that was deleted is there")
except admin.exceptions.RepositoryPolicyNotFoundException:
    pass

# The registry's policy.
whole = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::000000000000:user/bob"}, "Action": "ecr:CreateRepository",
     "Resource": "*"}]})
admin.put_registry_policy(policyText=whole)
denied(bob.create_repository, repositoryName="bob/more")
assert admin.get_registry_policy()["policyText"] == whole
admin.delete_registry_policy()
bob.create_repository(repositoryName="bob/more")

# Keys that end; users whose policies change, and who go.
temporary = client(**key_of("bob", "--duration", "15m"))
temporary.describe_images(repositoryName="bob/app")
clipper("policy", "detach", "--user", "bob", "home")
denied(temporary.describe_images, repositoryName="bob/app")
assert status("/v2/bob/app/tags/list", login) == 403
clipper("user", "attach", "bob", "AmazonEC2ContainerRegistryReadOnly")
bob.describe_images(repositoryName="other/app")
assert "AmazonEC2ContainerRegistryReadOnly" in clipper("user", "list")
clipper("user", "remove", "bob")
assert "bob" not in clipper("user", "list") and "bob" not in clipper("key", "list")
try:
    bob.describe_images(repositoryName="other/app")
    raise AssertionError("the key of a user that was removed is good")
except botocore.exceptions.ClientError as error:
    assert error.response["Error"]["Code"] == "UnrecognizedClientException", error
assert status("/v2/bob/app/tags/list", login) == 401
print("ok")
