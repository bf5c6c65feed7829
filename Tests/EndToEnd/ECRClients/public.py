"""Amazon ECR Public: every operation and paginator, and a pull that shows no credentials."""
import base64, os, ssl, urllib.error, urllib.request
from checked import *

ecr, private = client("ecr-public"), client("ecr")
trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


def get(path):
    try:
        with urllib.request.urlopen(ENDPOINT + path, context=trust) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


registries = ecr.get_paginator("describe_registries").paginate().build_full_result()["registries"]
assert len(registries) == 1 and registries[0]["aliases"][0]["status"] == "ACTIVE", registries
ecr.put_registry_catalog_data(displayName="Ada's images")
assert ecr.get_registry_catalog_data()["registryCatalogData"]["displayName"] == "Ada's images"
made = ecr.create_repository(
    repositoryName="open/app", catalogData={"description": "for all", "architectures": ["ARM 64"]},
    tags=[{"Key": "owner", "Value": "ada"}])
assert made["catalogData"]["architectures"] == ["ARM 64"]
arn = made["repository"]["repositoryArn"]
assert arn.startswith("arn:aws:ecr-public::")
ecr.create_repository(repositoryName="open/b")
private.create_repository(repositoryName="closed/app")
raises("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="open/app")
pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1}))
assert [page["repositories"][0]["repositoryName"] for page in pages if page["repositories"]] == ["open/app", "open/b"], pages
# What is not public is not there.
for call in (ecr.describe_images, ecr.initiate_layer_upload, ecr.delete_repository):
    raises("RepositoryNotFoundException", call, repositoryName="closed/app")
raises("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=["closed/app"])
ecr.tag_resource(resourceArn=arn, tags=[{"Key": "cost", "Value": "1"}])
ecr.untag_resource(resourceArn=arn, tagKeys=["owner"])
assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "cost", "Value": "1"}]

image = push(ecr, "open/app", "one", imageTag="1")
push(ecr, "open/app", "two", imageTag="2")
push(private, "closed/app", "one", imageTag="1")
pages = list(ecr.get_paginator("describe_images").paginate(repositoryName="open/app", PaginationConfig={"PageSize": 1}))
assert len([d for page in pages for d in page["imageDetails"]]) == 2
tags = ecr.get_paginator("describe_image_tags").paginate(repositoryName="open/app", PaginationConfig={"PageSize": 1})
assert [d["imageTag"] for d in tags.build_full_result()["imageTagDetails"]] == ["1", "2"]
raises("ImageNotFoundException", ecr.describe_images, repositoryName="open/app", imageIds=[{"imageTag": "9"}])

# Everybody may pull, and no more than that.
status, manifest_ = get("/v2/open/app/manifests/1")
assert status == 200 and digest(manifest_) == image["imageDigest"], (status, manifest_)
assert get("/v2/open/app/blobs/" + json.loads(manifest_)["layers"][0]["digest"])[0] == 200
assert get("/v2/open/app/tags/list")[0] == 200
assert get("/v2/closed/app/manifests/1")[0] == 401
try:
    urllib.request.urlopen(urllib.request.Request(ENDPOINT + "/v2/open/app/blobs/uploads/", method="POST"), context=trust)
    raise SystemExit("a stranger began a push")
except urllib.error.HTTPError as refusal:
    assert refusal.code == 401, refusal

logo = b"\x89PNG\r\n\x1a\n" + os.urandom(200)
raises("InvalidParameterException", ecr.put_repository_catalog_data, repositoryName="open/app", catalogData={"logoImageBlob": b"GIF89a"})
shown = ecr.put_repository_catalog_data(
    repositoryName="open/app", catalogData={"logoImageBlob": logo, "aboutText": "about", "usageText": "docker pull"})
assert urllib.request.urlopen(shown["catalogData"]["logoUrl"], context=trust).read() == logo
assert ecr.get_repository_catalog_data(repositoryName="open/app")["catalogData"]["aboutText"] == "about"
raises("RepositoryCatalogDataNotFoundException", ecr.get_repository_catalog_data, repositoryName="open/b")

policy = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Sid": "one", "Effect": "Deny", "Principal": "*", "Action": "ecr-public:DeleteRepository"}]})
raises("RepositoryPolicyNotFoundException", ecr.get_repository_policy, repositoryName="open/b")
ecr.set_repository_policy(repositoryName="open/b", policyText=policy)
assert json.loads(ecr.get_repository_policy(repositoryName="open/b")["policyText"]) == json.loads(policy)
ecr.delete_repository_policy(repositoryName="open/b")

gone = ecr.batch_delete_image(repositoryName="open/app", imageIds=[{"imageTag": "2"}])
assert len(gone["imageIds"]) == 1 and not gone["failures"]
raises("RepositoryNotEmptyException", ecr.delete_repository, repositoryName="open/app")
ecr.delete_repository(repositoryName="open/app", force=True)
assert get("/v2/open/app/manifests/1")[0] == 401
raises("UnsupportedCommandException", client("ecr-public", region_name="eu-west-1").describe_registries)
token = ecr.get_authorization_token()["authorizationData"]["authorizationToken"]
assert base64.b64decode(token).startswith(b"AWS:")
missing = set(ecr.meta.service_model.operation_names) - called["ecr-public"]
assert not missing, missing
