"""What a whole registry is told: templates, settings of the account, replication, and caches of other registries."""
import base64, concurrent.futures, os, ssl, threading, time, urllib.error, urllib.request
import upstream
from checked import *

ecr = client()
trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
basic = {"Authorization": "Basic " + base64.b64encode(f"ada:{os.environ['PASSWORD']}".encode()).decode()}


def get(path, host=ENDPOINT, method="GET"):
    request = urllib.request.Request(host + path, headers=basic, method=method)
    try:
        with urllib.request.urlopen(request, context=trust if host.startswith("https") else None) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


# Templates and settings.
made = ecr.create_repository_creation_template(
    prefix="made", appliedFor=["CREATE_ON_PUSH", "PULL_THROUGH_CACHE", "REPLICATION"], imageTagMutability="MUTABLE",
    resourceTags=[{"Key": "made", "Value": "by template"}], description="for tests")["repositoryCreationTemplate"]
assert made["prefix"] == "made"
ecr.create_repository_creation_template(prefix="ROOT", appliedFor=["REPLICATION"])
pages = list(ecr.get_paginator("describe_repository_creation_templates").paginate(PaginationConfig={"PageSize": 1}))
assert [len(page["repositoryCreationTemplates"]) for page in pages] == [1, 1], pages
ecr.update_repository_creation_template(prefix="made", description="changed")
raises("TemplateAlreadyExistsException", ecr.create_repository_creation_template, prefix="made", appliedFor=["REPLICATION"])
ecr.delete_repository_creation_template(prefix="ROOT")
raises("TemplateNotFoundException", ecr.delete_repository_creation_template, prefix="ROOT")
assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
raises("InvalidParameterException", ecr.put_account_setting, name="BLOB_MOUNTING", value="PERHAPS")

# Replication, to a realm of this server and to another server.
here = {"region": "eu-west-1", "registryId": "000000000000"}
there = {"region": "eu-west-1", "registryId": "222222222222"}
raises("InvalidParameterException", ecr.put_replication_configuration,
       replicationConfiguration={"rules": [{"destinations": [{"region": "eu-west-1", "registryId": "333333333333"}]}]})
rules = {"rules": [{"destinations": [here, there], "repositoryFilters": [{"filter": "prod", "filterType": "PREFIX_MATCH"}]}]}
ecr.put_replication_configuration(replicationConfiguration=rules)
assert ecr.describe_registry()["replicationConfiguration"] == rules
ecr.create_repository(repositoryName="prod/app")
image = push(ecr, "prod/app", "one", imageTag="1")
deadline = time.monotonic() + 60
while True:
    states = ecr.describe_image_replication_status(repositoryName="prod/app", imageId={"imageTag": "1"})["replicationStatuses"]
    if [state["status"] for state in states] == ["COMPLETE", "COMPLETE"]:
        break
    assert time.monotonic() < deadline, states
    time.sleep(0.1)
for path, host in (("/v2/000000000000/eu-west-1/prod/app", ENDPOINT), ("/v2/prod/app", os.environ["PEER"])):
    status, body = get(f"{path}/manifests/1", host)
    assert status == 200 and digest(body) == image["imageDigest"], (status, body)
    for descriptor in json.loads(body)["layers"]:
        assert digest(get(f"{path}/blobs/{descriptor['digest']}", host)[1]) == descriptor["digest"]

# A cache of a registry of Amazon ECR's kind, which signs in with an access key.
key = "arn:aws:secretsmanager:us-east-1:000000000000:secret:ecr-pullthroughcache/key-a1b2c3"
made = ecr.create_pull_through_cache_rule(
    ecrRepositoryPrefix="peer", upstreamRegistryUrl="222222222222.dkr.ecr.eu-west-1.amazonaws.com", credentialArn=key)
assert made["upstreamRegistry"] == "ecr", made
assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="peer")["isValid"] is True
assert digest(get("/v2/peer/prod/app/manifests/1")[1]) == image["imageDigest"]
ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="peer")

# A cache of a registry that wants tokens.
layer = os.urandom(9 << 20)
up = upstream.Upstream(int(os.environ["UPSTREAM_PORT"]), "team/app", layer)
raises("UnsupportedUpstreamRegistryException", ecr.create_pull_through_cache_rule,
       ecrRepositoryPrefix="evil", upstreamRegistryUrl="169.254.169.254")
arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:ecr-pullthroughcache/bearer-a1b2c3"
raises("SecretNotFoundException", ecr.create_pull_through_cache_rule, ecrRepositoryPrefix="made",
       upstreamRegistryUrl="bearer.test", credentialArn=arn.replace("bearer-", "other-"))
ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="made", upstreamRegistryUrl="bearer.test", credentialArn=arn)
ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="hub", upstreamRegistryUrl="registry-1.docker.io")
raises("PullThroughCacheRuleAlreadyExistsException", ecr.create_pull_through_cache_rule, ecrRepositoryPrefix="made",
       upstreamRegistryUrl="quay.io")
pages = list(ecr.get_paginator("describe_pull_through_cache_rules").paginate(PaginationConfig={"PageSize": 1}))
assert [len(page["pullThroughCacheRules"]) for page in pages] == [1, 1], pages
assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="made")["isValid"] is True
got = ecr.batch_get_image(repositoryName="made/team/app", imageIds=[{"imageTag": "1"}, {"imageTag": "none"}])
assert digest(got["images"][0]["imageManifest"].encode()) == digest(up.manifest), got
assert got["failures"][0]["failureCode"] == "ImageNotFound", got
tags = ecr.list_tags_for_resource(resourceArn=ecr.describe_repositories(repositoryNames=["made/team/app"])["repositories"][0]["repositoryArn"])
assert tags["tags"] == [{"Key": "made", "Value": "by template"}], tags
# One download for all who wait for it.
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    bodies = list(pool.map(lambda _: get(f"/v2/made/team/app/blobs/{digest(layer)}"), range(6)))
assert all(body == (200, layer) for body in bodies)
assert len([path for _, path in up.asked if path.endswith(digest(layer))]) == 1, up.asked
url = ecr.get_download_url_for_layer(repositoryName="made/team/app", layerDigest=json.loads(up.manifest)["config"]["digest"])["downloadUrl"]
assert json.loads(urllib.request.urlopen(url, context=trust).read())["os"] == "linux"
# The cached image is served on when its upstream is gone.
up.stop()
assert get("/v2/made/team/app/manifests/1")[0] == 200
assert ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="made")["isValid"] is False
raises("UnableToGetUpstreamImageException", ecr.batch_get_image, repositoryName="made/team/other", imageIds=[{"imageTag": "1"}])
assert get("/v2/made/team/other/manifests/1")[0] == 503
ecr.update_pull_through_cache_rule(ecrRepositoryPrefix="hub", credentialArn=arn)
ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="hub")
raises("PullThroughCacheRuleNotFoundException", ecr.delete_pull_through_cache_rule, ecrRepositoryPrefix="hub")
print(" ".join(sorted(called["ecr"])))
