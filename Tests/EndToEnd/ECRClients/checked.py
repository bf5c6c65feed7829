"""Clients of boto3 whose every answer is held against botocore's model of it: raw members, types, enumerations, errors."""
import base64, boto3, botocore.exceptions, hashlib, json, os

ENDPOINT = os.environ.get("ENDPOINT") or "https://" + os.environ["HOST"]
# What every service may say whatever the operation is.
COMMON = {
    "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "SerializationException",
    "MissingAuthenticationTokenException", "ThrottlingException", "UnknownOperationException",
}
called = {"ecr": set(), "ecr-public": set()}


def check(shape, value, path):
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), (path, value)
        for name, member in value.items():
            assert name in shape.members, f"{path}.{name} is not in the model of {shape.name}"
            if member is not None:
                check(shape.members[name], member, f"{path}.{name}")
        for name in shape.required_members:
            assert name in value, f"{path}.{name} is missing"
    elif kind == "list":
        assert isinstance(value, list), (path, value)
        for index, member in enumerate(value):
            check(shape.member, member, f"{path}[{index}]")
    elif kind == "map":
        for key, member in value.items():
            check(shape.value, member, f"{path}.{key}")
    elif kind == "string":
        assert isinstance(value, str), (path, value)
        assert not shape.enum or value in shape.enum, (path, value, shape.enum)
    elif kind in ("integer", "long"):
        assert isinstance(value, int), (path, value)
    elif kind in ("double", "float", "timestamp"):
        assert isinstance(value, (int, float)), (path, value)
    elif kind == "boolean":
        assert isinstance(value, bool), (path, value)


def client(service="ecr", **settings):
    settings = {"region_name": "us-east-1", "endpoint_url": ENDPOINT} | settings
    made = boto3.client(service, config=boto3.session.Config(retries={"max_attempts": 1}), **settings)

    def after(http_response, parsed, model, **_):
        called[service].add(model.name)
        body = json.loads(http_response.content)
        if http_response.status_code == 200:
            check(model.output_shape, body, model.name)
            return
        code = parsed["Error"]["Code"]
        declared = {shape.name for shape in model.error_shapes}
        assert code in declared | COMMON, f"{model.name} raised {code}, which its model does not have"
        shape = next((s for s in model.error_shapes if s.name == code), None)
        if shape:
            check(shape, {k: v for k, v in body.items() if k != "__type"}, code)

    made.meta.events.register(f"after-call.{service}", after)
    return made


def raises(code, function, **arguments):
    try:
        function(**arguments)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, (code, error)
        return error
    raise AssertionError(f"{code} was not raised")


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def upload(ecr, repository, content, part=6 << 20):
    started = ecr.initiate_layer_upload(repositoryName=repository)
    for first in range(0, len(content), part):
        piece = content[first:first + part]
        ecr.upload_layer_part(
            repositoryName=repository, uploadId=started["uploadId"], partFirstByte=first,
            partLastByte=first + len(piece) - 1, layerPartBlob=piece)
    return ecr.complete_layer_upload(
        repositoryName=repository, uploadId=started["uploadId"], layerDigests=[digest(content)])["layerDigest"]


OCI = "application/vnd.oci.image."


def manifest(config, layers, **more):
    return json.dumps({
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
        "config": {"mediaType": OCI + "config.v1+json", "digest": digest(config), "size": len(config)},
        "layers": [{"mediaType": OCI + "layer.v1.tar", "digest": digest(l), "size": len(l)} for l in layers],
    } | more)


def push(ecr, repository, text, **image):
    """An image that `text` tells from others; the repository has to be there."""
    config, layer = json.dumps({"architecture": "amd64", "os": "linux", "author": text}).encode(), text.encode() * 100
    known = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest(config), digest(layer)])
    there = {l["layerDigest"] for l in known["layers"] if l["layerAvailability"] == "AVAILABLE"}
    for content in (config, layer):
        if digest(content) not in there:
            upload(ecr, repository, content)
    return ecr.put_image(repositoryName=repository, imageManifest=manifest(config, [layer]), **image)["image"]["imageId"]
