"""Repositories, layers and images: every operation, error and paginator."""
import base64, os, ssl, urllib.error, urllib.request
from checked import *

ecr = client()

# Repositories and their tags.
for name in ("team/app", "team/b", "team/c"):
    made = ecr.create_repository(repositoryName=name, tags=[{"Key": "owner", "Value": "ada"}])["repository"]
    assert made["imageTagMutability"] == "MUTABLE" and made["encryptionConfiguration"] == {"encryptionType": "AES256"}
arn = made["repositoryArn"]
raises("RepositoryAlreadyExistsException", ecr.create_repository, repositoryName="team/b")
raises("InvalidParameterException", ecr.create_repository, repositoryName="BAD")
raises("KmsException", ecr.create_repository, repositoryName="team/kms", encryptionConfiguration={"encryptionType": "KMS"})
ecr.tag_resource(resourceArn=arn, tags=[{"Key": "cost", "Value": "12"}])
ecr.untag_resource(resourceArn=arn, tagKeys=["owner"])
assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "cost", "Value": "12"}]
raises("TooManyTagsException", ecr.tag_resource, resourceArn=arn,
       tags=[{"Key": f"k{n}", "Value": ""} for n in range(51)])
raises("InvalidTagParameterException", ecr.tag_resource, resourceArn=arn, tags=[{"Key": "aws:x", "Value": ""}])
pages = list(ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2}))
assert [len(page["repositories"]) for page in pages] == [2, 1], pages
raises("RepositoryNotFoundException", ecr.describe_repositories, repositoryNames=["none"])
made = ecr.put_image_tag_mutability(
    repositoryName="team/b", imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "dev*"}])
assert made["imageTagMutabilityExclusionFilters"][0]["filter"] == "dev*"

# Layers.
raises("RepositoryNotFoundException", ecr.initiate_layer_upload, repositoryName="none")
assert ecr.initiate_layer_upload(repositoryName="team/app")["partSize"] == 10 << 20
large = os.urandom(13 << 20)
assert upload(ecr, "team/app", large) == digest(large)
raises("LayerPartTooSmallException", upload, ecr=ecr, repository="team/app", content=large[:9 << 20], part=4 << 20)
raises("LayerAlreadyExistsException", upload, ecr=ecr, repository="team/app", content=large)
started = ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"]
this = {"repositoryName": "team/app", "uploadId": started}
raises("EmptyUploadException", ecr.complete_layer_upload, layerDigests=[digest(b"x")], **this)
ecr.upload_layer_part(partFirstByte=0, partLastByte=2, layerPartBlob=b"abc", **this)
late = raises("InvalidLayerPartException", ecr.upload_layer_part, partFirstByte=9, partLastByte=9, layerPartBlob=b"x", **this)
assert late.response["lastValidByteReceived"] == 2
raises("InvalidLayerException", ecr.complete_layer_upload, layerDigests=[digest(b"x")], **this)
raises("UploadNotFoundException", ecr.complete_layer_upload, layerDigests=[digest(b"x")], **this)
raises("LayersNotFoundException", ecr.get_download_url_for_layer, repositoryName="team/app", layerDigest=digest(b"x"))
raises("LayerInaccessibleException", ecr.get_download_url_for_layer, repositoryName="team/app", layerDigest=digest(large))

# Images.
first = push(ecr, "team/app", "one", imageTag="1")
config = b"{}"
upload(ecr, "team/app", config)
big = ecr.put_image(repositoryName="team/app", imageTag="big", imageManifest=manifest(config, [large]))["image"]
url = ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest(large))["downloadUrl"]
trust = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE")) if url.startswith("https") else None
assert urllib.request.urlopen(url, context=trust).read() == large
try:
    urllib.request.urlopen(url.replace("expires=", "expires=1"), context=trust)
    raise SystemExit("an altered address was honoured")
except urllib.error.HTTPError as refusal:
    assert refusal.code == 403
raises("ImageAlreadyExistsException", push, ecr=ecr, repository="team/app", text="one", imageTag="1")
raises("LayersNotFoundException", ecr.put_image, repositoryName="team/app", imageManifest=manifest(b"absent", []))
raises("ImageDigestDoesNotMatchException", ecr.put_image, repositoryName="team/app",
       imageManifest=manifest(config, []), imageDigest=digest(b"x"))
raises("RepositoryNotFoundException", ecr.put_image, repositoryName="none", imageManifest="{}")
index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
         "manifests": [{"mediaType": OCI + "manifest.v1+json", "digest": digest(b"x"), "size": 1}]}
raises("ReferencedImagesNotFoundException", ecr.put_image, repositoryName="team/app", imageManifest=json.dumps(index))
push(ecr, "team/b", "two", imageTag="1")
raises("ImageTagAlreadyExistsException", push, ecr=ecr, repository="team/b", text="three", imageTag="1")
push(ecr, "team/b", "three", imageTag="dev")
push(ecr, "team/b", "four", imageTag="dev")
for number in range(5):
    push(ecr, "team/c", f"image {number}", **({} if number == 2 else {"imageTag": str(number)}))
pages = list(ecr.get_paginator("list_images").paginate(repositoryName="team/c", PaginationConfig={"PageSize": 2}))
assert [len(page["imageIds"]) for page in pages] == [2, 2, 1], pages
tagged = ecr.get_paginator("list_images").paginate(repositoryName="team/c", filter={"tagStatus": "TAGGED"})
assert len(tagged.build_full_result()["imageIds"]) == 4
pages = list(ecr.get_paginator("describe_images").paginate(repositoryName="team/c", PaginationConfig={"PageSize": 3}))
assert [len(page["imageDetails"]) for page in pages] == [3, 2], pages
assert all(detail["imageStatus"] == "ACTIVE" for page in pages for detail in page["imageDetails"])
raises("ImageNotFoundException", ecr.describe_images, repositoryName="team/c", imageIds=[{"imageTag": "none"}])
raises("InvalidParameterException", ecr.list_images, repositoryName="team/c", nextToken="?")
got = ecr.batch_get_image(repositoryName="team/c", imageIds=[{"imageTag": "0"}, {"imageTag": "none"}],
                          acceptedMediaTypes=[OCI + "manifest.v1+json"])
assert len(got["images"]) == 1 and got["failures"][0]["failureCode"] == "ImageNotFound"
assert digest(got["images"][0]["imageManifest"].encode()) == got["images"][0]["imageId"]["imageDigest"]

# Referrers, their subject first.
subject = got["images"][0]
descriptor = {"mediaType": OCI + "manifest.v1+json", "digest": subject["imageId"]["imageDigest"],
              "size": len(subject["imageManifest"])}
upload(ecr, "team/c", config)
for kind in ("text/sbom", "text/signature", "text/sbom"):
    artifact = manifest(config, [], subject=descriptor, artifactType=kind, annotations={"n": str(len(called["ecr"])) + kind + os.urandom(4).hex()})
    ecr.put_image(repositoryName="team/c", imageManifest=artifact)
wanted = {"repositoryName": "team/c", "subjectId": {"imageDigest": descriptor["digest"]}}
page = ecr.list_image_referrers(maxResults=2, **wanted)
assert len(page["referrers"]) == 2
assert len(ecr.list_image_referrers(nextToken=page["nextToken"], **wanted)["referrers"]) == 1
only = ecr.list_image_referrers(filter={"artifactTypes": ["text/signature"]}, **wanted)["referrers"]
assert [r["artifactType"] for r in only] == ["text/signature"]

# Away with them.
gone = ecr.batch_delete_image(repositoryName="team/c", imageIds=[{"imageTag": "0"}, {"imageTag": "none"}])
assert len(gone["imageIds"]) == 1 and gone["failures"][0]["failureCode"] == "ImageNotFound"
raises("RepositoryNotEmptyException", ecr.delete_repository, repositoryName="team/c")
assert ecr.delete_repository(repositoryName="team/c", force=True)["repository"]["repositoryName"] == "team/c"
raises("RepositoryNotFoundException", ecr.delete_repository, repositoryName="team/c")

# Signing in.
token = ecr.get_authorization_token()["authorizationData"][0]
assert base64.b64decode(token["authorizationToken"]).startswith(b"AWS:") and token["proxyEndpoint"] == ENDPOINT
print(" ".join(sorted(called["ecr"])))
