public import DistributionSpec
public import ImageSpec

/// Why a registry did not do what it was asked for.
public enum RegistryError: Error, Hashable, Sendable, CustomStringConvertible {
  case nameInvalid(String)
  case repositoryUnknown(String)
  case repositoryExists(String)
  case repositoryNotEmpty(String)
  case manifestUnknown(String, repository: String)
  case manifestArchived(String, repository: String)
  case manifestInvalid(String)
  case manifestTooLarge(limit: Int)
  /// What a manifest names and its repository lacks.
  case referencesUnknown([Digest], manifests: Bool, repository: String)
  case digestMismatch(expected: Digest, actual: Digest)
  case tagImmutable(String, repository: String)
  case blobUnknown(Digest, repository: String)
  /// Every image that it is part of is archived.
  case blobArchived(Digest, repository: String)
  case blobReferenced(Digest, by: Digest, repository: String)
  case manifestReferenced(Digest, by: Digest, repository: String)
  case uploadUnknown(String)
  case uploadBusy(String)
  /// A chunk that does not begin where the upload stands.
  case uploadOutOfOrder(String, received: Int64)
  case sizeMismatch(expected: Int64, actual: Int64)
  case lifecyclePolicyUnknown(repository: String)
  case lifecyclePreviewInProgress(repository: String)
  case tooManyExclusions(limit: Int)
  /// `If-Match` or `If-None-Match` does not hold.
  case conditionFailed(String, current: Digest?, repository: String)
  /// An image without the signatures that its repository demands.
  case signatureRequired(SignatureShortfall)

  /// The error in the distribution-spec's words; its HTTP status is the code's.
  public var code: ErrorCode {
    switch self {
    case .nameInvalid: .nameInvalid
    case .repositoryUnknown: .nameUnknown
    case .repositoryExists, .repositoryNotEmpty, .blobReferenced, .manifestReferenced, .lifecyclePolicyUnknown,
      .lifecyclePreviewInProgress, .tooManyExclusions:
      .unsupported
    case .manifestUnknown, .manifestArchived: .manifestUnknown
    case .manifestInvalid: .manifestInvalid
    case .manifestTooLarge, .sizeMismatch: .sizeInvalid
    case .referencesUnknown: .manifestBlobUnknown
    case .digestMismatch: .digestInvalid
    case .tagImmutable: .tagInvalid
    case .blobUnknown, .blobArchived: .blobUnknown
    case .uploadUnknown: .blobUploadUnknown
    case .uploadBusy: .blobUploadInvalid
    case .uploadOutOfOrder: .rangeInvalid
    case .signatureRequired: .denied
    case .conditionFailed: .manifestInvalid
    }
  }

  public var description: String {
    switch self {
    case .nameInvalid(let name):
      "invalid repository name \"\(name.prefix(160))\": lower-case letters and digits, separated by one of . / _ __ or dashes"
    case .repositoryUnknown(let name): "the repository \"\(name)\" does not exist in this registry"
    case .repositoryExists(let name): "the repository \"\(name)\" already exists"
    case .repositoryNotEmpty(let name): "the repository \"\(name)\" still has images"
    case .manifestUnknown(let reference, let repository):
      "\(reference) is not known in the repository \"\(repository)\""
    case .manifestArchived(let reference, let repository):
      "\(reference) of the repository \"\(repository)\" is archived; push it again or restore it (UpdateImageStorageClass)"
    case .manifestInvalid(let why): "manifest invalid: \(why)"
    case .manifestTooLarge(let limit): "the manifest is larger than \(limit) bytes"
    case .referencesUnknown(let digests, let manifests, let repository):
      "the manifest names \(manifests ? "manifests" : "blobs") that the repository \"\(repository)\" lacks: "
        + digests.prefix(8).map(\.description).joined(separator: ", ") + (digests.count > 8 ? ", …" : "")
    case .digestMismatch(let expected, let actual): "the content has the digest \(actual), not \(expected)"
    case .tagImmutable(let tag, let repository):
      "the image tag \"\(tag)\" already exists in the \"\(repository)\" repository and cannot be overwritten because "
        + "the tag is immutable."
    case .blobUnknown(let digest, let repository): "the blob \(digest) is not known in the repository \"\(repository)\""
    case .blobArchived(let digest, let repository):
      "the blob \(digest) of the repository \"\(repository)\" is part of archived images alone; push one again or restore "
        + "it (UpdateImageStorageClass)"
    case .blobReferenced(let digest, let manifest, _):
      "the blob \(digest) is part of the manifest \(manifest); delete that first"
    case .manifestReferenced(let digest, let index, _):
      "the manifest \(digest) is part of the index \(index); delete that first"
    case .uploadUnknown(let id): "the upload \(id.prefix(64)) is not known: it ended, expired or never began"
    case .uploadBusy(let id): "another request is writing to the upload \(id)"
    case .uploadOutOfOrder(_, let received): "the upload has \(received) bytes; the next chunk must begin there"
    case .lifecyclePolicyUnknown(let name): "the repository \"\(name)\" has no lifecycle policy"
    case .lifecyclePreviewInProgress(let name): "a preview of the repository \"\(name)\" is under way; wait for its end"
    case .tooManyExclusions(let limit): "pulls of at most \(limit) principals are left out; remove one first"
    case .signatureRequired(let shortfall): shortfall.description
    case .conditionFailed(let reference, let current, let repository):
      "\(reference) in the repository \"\(repository)\" is \(current.map(\.description) ?? "not there"), which the request "
        + "does not want changed"
    case .sizeMismatch(let expected, let actual): "\(expected) bytes were announced and \(actual) came"
    }
  }
}

extension RegistryError {
  /// As the body of an answer: what is missing is one entry each, and what the error is about is its detail, as docker
  /// distribution has it.
  var body: ErrorBody {
    switch self {
    case .referencesUnknown(let digests, _, _):
      ErrorBody(
        errors: digests.prefix(32).enumerated().map { index, digest in
          .init(code, message: index == 0 ? description : nil, detail: .object(["digest": .string(digest.description)]))
        })
    default: ErrorBody(code, message: description, detail: detail)
    }
  }

  private var detail: ErrorDetail? {
    switch self {
    case .nameInvalid(let name), .repositoryUnknown(let name), .repositoryExists(let name), .repositoryNotEmpty(let name),
      .lifecyclePolicyUnknown(let name), .lifecyclePreviewInProgress(let name):
      .object(["name": .string(String(name.prefix(256)))])
    case .manifestUnknown(let reference, let name), .manifestArchived(let reference, let name):
      .object(["name": .string(name), "reference": .string(reference)])
    case .tagImmutable(let tag, let name): .object(["name": .string(name), "tag": .string(tag)])
    case .blobUnknown(let digest, let name), .blobArchived(let digest, let name), .blobReferenced(let digest, _, let name),
      .manifestReferenced(let digest, _, let name):
      .object(["name": .string(name), "digest": .string(digest.description)])
    case .digestMismatch(let expected, let actual):
      .object(["expected": .string(expected.description), "actual": .string(actual.description)])
    case .sizeMismatch(let expected, let actual):
      .object(["expected": .number(Double(expected)), "actual": .number(Double(actual))])
    case .uploadOutOfOrder(_, let received): .object(["received": .number(Double(received))])
    case .manifestTooLarge(let limit), .tooManyExclusions(let limit): .object(["limit": .number(Double(limit))])
    case .conditionFailed(let reference, let current, let name):
      .object([
        "name": .string(name), "reference": .string(reference),
        "digest": current.map { .string($0.description) } ?? .null,
      ])
    case .signatureRequired(let shortfall):
      .object([
        "policy": .string(shortfall.policy), "digest": .string(shortfall.image.description),
        "signed": .number(Double(shortfall.signed)), "required": .number(Double(shortfall.required)),
      ])
    case .manifestInvalid, .referencesUnknown, .uploadUnknown, .uploadBusy: nil
    }
  }
}
