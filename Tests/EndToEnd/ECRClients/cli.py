"""Every operation of both services by the aws command line, which is run inside this process: one call each, and each ends
well or in an exception that its model declares."""
import contextlib, io, os, re, sys
import botocore.session
from awscli.clidriver import create_clidriver
from checked import ENDPOINT, OCI, digest, json, manifest

os.environ |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL_ECR": ENDPOINT, "AWS_ENDPOINT_URL_ECR_PUBLIC": ENDPOINT}
driver = create_clidriver()


def aws(*words):
    out, err = io.StringIO(), io.StringIO()
    out.buffer = io.BytesIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = driver.main(list(words))
    return status, out.getvalue() or out.buffer.getvalue().decode(), err.getvalue()


def part(content):
    with open("part", "wb") as file:
        file.write(content)
    return ["--layer-part-blob", "fileb://part"]


config = b"{}"
app, image = {"repositoryName": "cli/app"}, {"repositoryName": "cli/app", "imageId": {"imageTag": "1"}}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Sid": "s", "Effect": "Allow", "Principal": "*", "Action": "ecr:DescribeImages"}]})
REGISTRY_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::210987654321:root"}, "Action": "ecr:ReplicateImage",
     "Resource": "arn:aws:ecr:us-east-1:000000000000:repository/*"}]})
LIFECYCLE = json.dumps({"rules": [
    {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days",
                                      "countNumber": 14}, "action": {"type": "expire"}}]})
profile = {"signingProfileArn": "arn:aws:signer:us-east-1:000000000000:/signing-profiles/cosign"}
principal = {"principalArn": "arn:aws:iam::000000000000:user/scanner"}


def layers(service):
    """An upload, since each of its calls needs what the one before answered."""
    name = "cli/app" if service == "ecr" else "cli/open"
    upload = json.loads(aws(service, "initiate-layer-upload", "--repository-name", name)[1])["uploadId"]
    same = ["--repository-name", name, "--upload-id", upload]
    last = str(len(config) - 1)
    yield "upload-layer-part", [*same, "--part-first-byte", "0", "--part-last-byte", last, *part(config)]
    yield "complete-layer-upload", [*same, "--layer-digests", digest(config)]


def arn(service, name):
    service_, region = ("ecr", "us-east-1") if service == "ecr" else ("ecr-public", "")
    return f"arn:aws:{service_}:{region}:000000000000:repository/{name}"


def private():
    yield "create-repository", app
    yield "get-authorization-token", {}
    yield "describe-repositories", {}
    yield "initiate-layer-upload", app
    yield from layers("ecr")
    yield "batch-check-layer-availability", app | {"layerDigests": [digest(config)]}
    yield "put-image", app | {"imageTag": "1", "imageManifest": manifest(config, [])}
    yield "get-download-url-for-layer", app | {"layerDigest": digest(config)}
    yield "list-images", app
    yield "describe-images", app
    yield "batch-get-image", app | {"imageIds": [{"imageTag": "1"}]}
    yield "list-image-referrers", app | {"subjectId": {"imageDigest": digest(manifest(config, []).encode())}}
    yield "put-image-tag-mutability", app | {"imageTagMutability": "MUTABLE"}
    yield "tag-resource", {"resourceArn": arn("ecr", "cli/app"), "tags": [{"Key": "a", "Value": "b"}]}
    yield "list-tags-for-resource", {"resourceArn": arn("ecr", "cli/app")}
    yield "untag-resource", {"resourceArn": arn("ecr", "cli/app"), "tagKeys": ["a"]}
    yield "set-repository-policy", app | {"policyText": POLICY, "force": True}
    yield "get-repository-policy", app
    yield "delete-repository-policy", app
    yield "put-registry-policy", {"policyText": REGISTRY_POLICY}
    yield "get-registry-policy", {}
    yield "delete-registry-policy", {}
    yield "put-lifecycle-policy", app | {"lifecyclePolicyText": LIFECYCLE}
    yield "get-lifecycle-policy", app
    yield "start-lifecycle-policy-preview", app
    yield "get-lifecycle-policy-preview", app
    yield "delete-lifecycle-policy", app
    yield "update-image-storage-class", image | {"targetStorageClass": "STANDARD"}
    yield "register-pull-time-update-exclusion", principal
    yield "list-pull-time-update-exclusions", {}
    yield "deregister-pull-time-update-exclusion", principal
    yield "put-image-scanning-configuration", app | {"imageScanningConfiguration": {"scanOnPush": True}}
    yield "batch-get-repository-scanning-configuration", {"repositoryNames": ["cli/app"]}
    yield "put-registry-scanning-configuration", {"scanType": "BASIC", "rules": []}
    yield "get-registry-scanning-configuration", {}
    yield "start-image-scan", image
    yield "describe-image-scan-findings", image
    yield "put-signing-configuration", {"signingConfiguration": {"rules": [profile]}}
    yield "get-signing-configuration", {}
    yield "describe-image-signing-status", image
    yield "delete-signing-configuration", {}
    yield "put-replication-configuration", {"replicationConfiguration": {"rules": []}}
    yield "describe-registry", {}
    yield "describe-image-replication-status", image
    yield "create-pull-through-cache-rule", {"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"}
    yield "describe-pull-through-cache-rules", {}
    yield "validate-pull-through-cache-rule", {"ecrRepositoryPrefix": "none"}
    yield "update-pull-through-cache-rule", {"ecrRepositoryPrefix": "quay"}
    yield "delete-pull-through-cache-rule", {"ecrRepositoryPrefix": "quay"}
    yield "create-repository-creation-template", {"prefix": "made", "appliedFor": ["REPLICATION"]}
    yield "describe-repository-creation-templates", {}
    yield "update-repository-creation-template", {"prefix": "made", "description": "d"}
    yield "delete-repository-creation-template", {"prefix": "made"}
    yield "put-account-setting", {"name": "BLOB_MOUNTING", "value": "ENABLED"}
    yield "get-account-setting", {"name": "BLOB_MOUNTING"}
    yield "batch-delete-image", app | {"imageIds": [{"imageTag": "1"}]}
    yield "delete-repository", app | {"force": True}


def public():
    opened = {"repositoryName": "cli/open"}
    yield "create-repository", opened
    yield "get-authorization-token", {}
    yield "describe-registries", {}
    yield "describe-repositories", {}
    yield "initiate-layer-upload", opened
    yield from layers("ecr-public")
    yield "batch-check-layer-availability", opened | {"layerDigests": [digest(config)]}
    yield "put-image", opened | {"imageTag": "1", "imageManifest": manifest(config, [])}
    yield "describe-images", opened
    yield "describe-image-tags", opened
    yield "put-registry-catalog-data", {"displayName": "Ada"}
    yield "get-registry-catalog-data", {}
    yield "put-repository-catalog-data", opened | {"catalogData": {"description": "d"}}
    yield "get-repository-catalog-data", opened
    yield "set-repository-policy", opened | {"policyText": POLICY.replace("ecr:", "ecr-public:"), "force": True}
    yield "get-repository-policy", opened
    yield "delete-repository-policy", opened
    yield "tag-resource", {"resourceArn": arn("ecr-public", "cli/open"), "tags": [{"Key": "a", "Value": "b"}]}
    yield "list-tags-for-resource", {"resourceArn": arn("ecr-public", "cli/open")}
    yield "untag-resource", {"resourceArn": arn("ecr-public", "cli/open"), "tagKeys": ["a"]}
    yield "batch-delete-image", opened | {"imageIds": [{"imageTag": "1"}]}
    yield "delete-repository", opened | {"force": True}


for service, calls in (("ecr", private()), ("ecr-public", public())):
    model = botocore.session.get_session().get_service_model(service)
    names = {botocore.xform_name(name, "-"): name for name in model.operation_names}
    done = set()
    for command, given in calls:
        words = given if isinstance(given, list) else ["--cli-input-json", json.dumps(given)]
        status, out, err = aws(service, command, *words)
        done.add(command)
        if status != 0:
            code = re.search(r"An error occurred \((\w+)\)", err)
            declared = {shape.name for shape in model.operation_model(names[command]).error_shapes}
            assert code and code[1] in declared, f"{service} {command}: {err}"
            print(f"{service} {command}: {err.strip()}", file=sys.stderr)
    assert done == set(names), set(names) - done
status, password, _ = aws("ecr", "get-login-password")
assert status == 0 and password.strip() and ":" not in password
