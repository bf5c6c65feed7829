"""Scanning: every operation, error, paginator and waiter, from loading advisories to findings."""
import subprocess, time
from checked import *
from layers import layer

ecr = client()


def push_image(repository, tag, packages):
    status = "".join(f"Package: {n}\nStatus: install ok installed\nVersion: {v}\n\n" for n, v in packages.items())
    content = layer({"etc/os-release": b'ID=debian\nVERSION_ID="12"\n', "var/lib/dpkg/status": status.encode()})
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    for blob in (config, content):
        try:
            upload(ecr, repository, blob)
        except ecr.exceptions.LayerAlreadyExistsException:
            pass
    return ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest(config, [content]))["image"]["imageId"]


def finished(repository, tag):
    image = {"repositoryName": repository, "imageId": {"imageTag": tag}}
    ecr.get_waiter("image_scan_complete").wait(WaiterConfig={"Delay": 1, "MaxAttempts": 60}, **image)
    return ecr.describe_image_scan_findings(**image)


def record(number, package, fixed, severity):
    vector = {"critical": "L/PR:N/UI:N/S:U/C:H/I:H/A:H", "low": "H/PR:N/UI:N/S:U/C:N/I:N/A:L"}[severity]
    return {
        "id": f"DEBIAN-CVE-2026-{number}", "upstream": [f"CVE-2026-{number}"], "modified": "2026-01-02T03:04:05.123456Z",
        "published": "2026-01-01T00:00:00Z", "details": f"{package} is bad",
        "severity": [{"type": "CVSS_V3", "score": f"CVSS:3.1/AV:N/AC:{vector}"}],
        "references": [{"type": "WEB", "url": "https://example.org/"}],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
                      "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]}


def vulndb(*arguments, check=True):
    return subprocess.run(["clipper", "registry", "vulndb", *arguments], check=check, capture_output=True, text=True)


def load(records, name):
    with open(f"{name}.json", "w") as file:
        json.dump(records, file)
    return vulndb("load", f"{name}.json").stdout


assert load([record(n, "curl", "7.88.1-10+deb12u9", "low") for n in range(100, 250)]
            + [record(1, "openssl", "3.0.15-1~deb12u1", "critical")], "Debian") == \
    "Debian: 151 records loaded, 0 withdrawn, 0 of other packages\n"

# A repository's own setting, and a scan on push.
assert ecr.create_repository(repositoryName="app")["repository"]["imageScanningConfiguration"] == {"scanOnPush": False}
push_image("app", "quiet", {"bash": "5.2"})
raises("ScanNotFoundException", ecr.describe_image_scan_findings, repositoryName="app", imageId={"imageTag": "quiet"})
assert ecr.put_image_scanning_configuration(
    repositoryName="app", imageScanningConfiguration={"scanOnPush": True})["imageScanningConfiguration"]["scanOnPush"]
assert ecr.describe_repositories()["repositories"][0]["imageScanningConfiguration"]["scanOnPush"]
raises("RepositoryNotFoundException", ecr.put_image_scanning_configuration, repositoryName="none",
       imageScanningConfiguration={})
push_image("app", "1", {"curl": "7.88.1-10+deb12u8", "openssl": "3.0.14-1~deb12u2", "bash": "5.2"})
found = finished("app", "1")
assert found["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 150}, found
first = found["imageScanFindings"]["findings"][0]
assert (first["name"], first["severity"]) == ("CVE-2026-1", "CRITICAL")
attributes = {a["key"]: a["value"] for a in first["attributes"]}
assert attributes["package_name"] == "openssl" and attributes["CVSS3_SCORE"] == "9.8"
pages = list(ecr.get_paginator("describe_image_scan_findings").paginate(
    repositoryName="app", imageId={"imageTag": "1"}, PaginationConfig={"PageSize": 40}))
names = [f["name"] for page in pages for f in page["imageScanFindings"]["findings"]]
assert len(pages) == 4 and len(names) == len(set(names)) == 151
detail = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "1"}])["imageDetails"][0]
assert detail["imageScanStatus"]["status"] == "COMPLETE"
assert detail["imageScanFindingsSummary"]["findingSeverityCounts"] == {"CRITICAL": 1, "LOW": 150}

# On demand, once a day.
image = {"repositoryName": "app", "imageId": {"imageTag": "quiet"}}
assert ecr.start_image_scan(**image)["imageScanStatus"]["status"] == "IN_PROGRESS"
assert finished("app", "quiet")["imageScanFindings"]["findings"] == []
raises("LimitExceededException", ecr.start_image_scan, **image)
raises("ImageNotFoundException", ecr.start_image_scan, repositoryName="app", imageId={"imageTag": "none"})
raises("RepositoryNotFoundException", ecr.start_image_scan, repositoryName="none", imageId={"imageTag": "1"})
empty = json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": []})
ecr.put_image(repositoryName="app", imageTag="index", imageManifest=empty)
raises("UnsupportedImageTypeException", ecr.start_image_scan, repositoryName="app", imageId={"imageTag": "index"})

# The registry's rules.
assert ecr.get_registry_scanning_configuration()["scanningConfiguration"] == {"scanType": "BASIC", "rules": []}
rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{"filter": "team/*", "filterType": "WILDCARD"}]}]
put = ecr.put_registry_scanning_configuration(scanType="BASIC", rules=rules)["registryScanningConfiguration"]
assert put == {"scanType": "BASIC", "rules": rules}
ecr.create_repository(repositoryName="team/app")
batch = ecr.batch_get_repository_scanning_configuration(repositoryNames=["team/app", "app", "none"])
assert [(c["repositoryName"], c["scanFrequency"], len(c["appliedScanFilters"])) for c in batch["scanningConfigurations"]] == [
    ("team/app", "SCAN_ON_PUSH", 1), ("app", "SCAN_ON_PUSH", 0)]
assert batch["failures"][0]["failureCode"] == "REPOSITORY_NOT_FOUND"
push_image("team/app", "1", {"curl": "7.0"})
finished("team/app", "1")

# Enhanced: other findings of the same scans, renewed by what is loaded.
rules = [{"scanFrequency": "CONTINUOUS_SCAN", "repositoryFilters": [{"filter": "team", "filterType": "WILDCARD"}]}]
raises("InvalidParameterException", ecr.put_registry_scanning_configuration, scanType="BASIC", rules=rules)
ecr.put_registry_scanning_configuration(scanType="ENHANCED", rules=rules)
image = {"repositoryName": "team/app", "imageId": {"imageTag": "1"}}
raises("ValidationException", ecr.start_image_scan, **image)
found = ecr.describe_image_scan_findings(**image)
assert found["imageScanStatus"]["status"] == "ACTIVE"
enhanced = found["imageScanFindings"]["enhancedFindings"][0]
assert enhanced["packageVulnerabilityDetails"]["vulnerablePackages"][0]["version"] == "7.0" and enhanced["fixAvailable"] == "YES"
assert "1 records loaded" in load([record(7, "curl", "9", "critical")], "later")
for _ in range(60):
    found = ecr.describe_image_scan_findings(**image)
    if found["imageScanFindings"]["findingSeverityCounts"].get("CRITICAL"):
        break
    time.sleep(1)
assert found["imageScanFindings"]["enhancedFindings"][0]["title"] == "CVE-2026-7 - curl", found["imageScanStatus"]

listed = vulndb("status", "--format", "json").stdout
assert [json.loads(line)["Source"] for line in listed.splitlines()] == ["Debian", "later"], listed
vulndb("remove", "later")
assert vulndb("remove", "later", check=False).returncode != 0
