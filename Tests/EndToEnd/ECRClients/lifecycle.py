"""Lifecycle policies, their previews, the archive and pull times."""
from checked import *

ecr = client()
ecr.create_repository(repositoryName="app")
this = {"repositoryName": "app"}


def policy(*rules):
    return json.dumps({"rules": [{"rulePriority": n + 1, "selection": s, "action": a} for n, (s, a) in enumerate(rules)]})


EXPIRE, ARCHIVE = {"type": "expire"}, {"type": "transition", "targetStorageClass": "archive"}
newest = policy(({"tagStatus": "tagged", "tagPatternList": ["v*"], "countType": "imageCountMoreThan", "countNumber": 2}, EXPIRE),
                ({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 4}, ARCHIVE))

# Policies.
raises("RepositoryNotFoundException", ecr.put_lifecycle_policy, repositoryName="none", lifecyclePolicyText=newest)
refused = raises("InvalidParameterException", ecr.put_lifecycle_policy, lifecyclePolicyText=newest.replace("any", "all"), **this)
assert "LifecyclePolicyText" in str(refused) and "Lifecycle policy validation failure" in str(refused), refused
raises("LifecyclePolicyNotFoundException", ecr.get_lifecycle_policy, **this)
raises("LifecyclePolicyNotFoundException", ecr.delete_lifecycle_policy, **this)
raises("LifecyclePolicyNotFoundException", ecr.start_lifecycle_policy_preview, **this)
assert ecr.put_lifecycle_policy(lifecyclePolicyText=newest, **this)["lifecyclePolicyText"] == newest
assert ecr.get_lifecycle_policy(**this)["lifecyclePolicyText"] == newest

# A preview: v1 and v2 expire, and of the four others and two kept ones the oldest two that no rule shields are archived.
for tag in ["v1", "v2", "a", "b", "v3", "c", "v4", "d"]:
    push(ecr, "app", tag, imageTag=tag)
raises("LifecyclePolicyPreviewNotFoundException", ecr.get_lifecycle_policy_preview, **this)
assert ecr.start_lifecycle_policy_preview(**this)["status"] == "IN_PROGRESS"
ecr.get_waiter("lifecycle_policy_preview_complete").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 60}, **this)
pages = list(ecr.get_paginator("get_lifecycle_policy_preview").paginate(PaginationConfig={"PageSize": 3}, **this))
assert [len(page["previewResults"]) for page in pages] == [3, 1], pages
found = {r["imageTags"][0]: r["action"]["type"] for page in pages for r in page["previewResults"]}
assert found == {"v1": "EXPIRE", "v2": "EXPIRE", "a": "TRANSITION", "b": "TRANSITION"}, found
assert pages[0]["summary"] == {
    "expiringImageTotalCount": 2,
    "transitioningImageTotalCounts": [{"targetStorageClass": "ARCHIVE", "imageTotalCount": 2}]}
one = ecr.get_lifecycle_policy_preview(imageIds=[{"imageTag": "a"}, {"imageTag": "d"}], **this)["previewResults"]
assert [r["imageTags"] for r in one] == [["a"]] and one[0]["storageClass"] == "STANDARD" and one[0]["appliedRulePriority"] == 2
assert not ecr.get_lifecycle_policy_preview(filter={"tagStatus": "UNTAGGED"}, **this)["previewResults"]
assert ecr.delete_lifecycle_policy(**this)["lifecyclePolicyText"] == newest

# The archive.
assert ecr.update_image_storage_class(imageId={"imageTag": "d"}, targetStorageClass="ARCHIVE", **this)["imageStatus"] == "ARCHIVED"
raises("ImageNotFoundException", ecr.update_image_storage_class, imageId={"imageTag": "none"}, targetStorageClass="ARCHIVE", **this)
detail = ecr.describe_images(imageIds=[{"imageTag": "d"}], **this)["imageDetails"][0]
assert detail["imageStatus"] == "ARCHIVED" and "lastArchivedAt" in detail
assert [i["imageTag"] for i in ecr.list_images(filter={"imageStatus": "ARCHIVED"}, **this)["imageIds"]] == ["d"]
assert len(ecr.list_images(**this)["imageIds"]) == 7 and len(ecr.list_images(filter={"imageStatus": "ANY"}, **this)["imageIds"]) == 8
assert ecr.batch_get_image(imageIds=[{"imageTag": "d"}], **this)["failures"][0]["failureCode"] == "ImageInaccessible"
layer = digest(b"d" * 100)
assert ecr.batch_check_layer_availability(layerDigests=[layer], **this)["layers"][0]["layerAvailability"] == "ARCHIVED"
raises("LayerInaccessibleException", ecr.get_download_url_for_layer, layerDigest=layer, **this)
assert ecr.update_image_storage_class(imageId={"imageTag": "d"}, targetStorageClass="STANDARD", **this)["imageStatus"] == "ACTIVE"
assert "lastActivatedAt" in ecr.describe_images(imageIds=[{"imageTag": "d"}], **this)["imageDetails"][0]

# Pull times.
arn = "arn:aws:iam::000000000000:user/registry"
assert ecr.register_pull_time_update_exclusion(principalArn=arn)["createdAt"]
raises("ExclusionAlreadyExistsException", ecr.register_pull_time_update_exclusion, principalArn=arn)
assert ecr.list_pull_time_update_exclusions()["pullTimeUpdateExclusions"] == [arn]
ecr.batch_get_image(imageIds=[{"imageTag": "c"}], **this)
assert "lastRecordedPullTime" not in ecr.describe_images(imageIds=[{"imageTag": "c"}], **this)["imageDetails"][0]
assert ecr.deregister_pull_time_update_exclusion(principalArn=arn)["principalArn"] == arn
raises("ExclusionNotFoundException", ecr.deregister_pull_time_update_exclusion, principalArn=arn)
ecr.batch_get_image(imageIds=[{"imageTag": "c"}], **this)
assert "lastRecordedPullTime" in ecr.describe_images(imageIds=[{"imageTag": "c"}], **this)["imageDetails"][0]

# What the command runs next.
ecr.put_lifecycle_policy(lifecyclePolicyText=newest, **this)
print(" ".join(sorted(called["ecr"])))
