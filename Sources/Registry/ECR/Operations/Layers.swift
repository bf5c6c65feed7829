internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer

/// An upload's ID as ECR writes it: a UUID's form over the 32 digits that the registry knows it by.
struct UploadID: Sendable {
  let text: String

  init(_ id: String) {
    var text = ""
    for (index, character) in id.enumerated() {
      if [8, 12, 16, 20].contains(index) { text.append("-") }
      text.append(character)
    }
    self.text = text
  }

  /// As the registry knows it.
  static func parse(_ text: String) -> String { text.lowercased().replacing("-", with: "") }
}

extension ECRError {
  static func uploadNotFound(_ id: String, _ repository: String, registry: String) -> ECRError {
    ECRError(
      "UploadNotFoundException",
      "Layer upload with id '\(id)' not found in the repository with name '\(repository)' in the registry with id "
        + "'\(registry)'")
  }
}

extension Call {
  /// The repository is there, and what the registry says of uploads turns into ECR's words.
  fileprivate func uploading<Result>(_ id: String, in name: String, _ body: () throws -> Result) throws -> Result {
    try naming(name) {
      guard try registry.repositoryExists(name) else { throw RegistryError.repositoryUnknown(name) }
      do { return try body() } catch RegistryError.uploadUnknown {
        throw ECRError.uploadNotFound(id, name, registry: registryID)
      } catch RegistryError.uploadBusy {
        throw ECRError.invalidParameter("uploadId", "another request is writing to this upload")
      }
    }
  }
}

struct InitiateLayerUpload: OperationInput {
  var registryId: String?
  var repositoryName: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName }

  struct Output: Encodable {
    let uploadId: String
    /// Bytes that a part should have.
    let partSize: Int64
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    return try call.naming(repositoryName) {
      _ = try call.registry.repository(repositoryName)
      return Output(
        uploadId: UploadID(try call.server.uploads.begin(in: repositoryName, of: call.registry)).text,
        partSize: 10 << 20)
    }
  }
}

struct UploadLayerPart: OperationInput {
  var registryId: String?
  var repositoryName: String
  var uploadId: String
  var partFirstByte: Int64
  /// Inclusive.
  var partLastByte: Int64
  var layerPartBlob: Data

  enum CodingKeys: String, CodingKey, CaseIterable {
    case registryId, repositoryName, uploadId, partFirstByte, partLastByte, layerPartBlob
  }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let uploadId: String
    let lastByteReceived: Int64
  }

  /// 20 MiB in base64, and what stands around it.
  static let bodyLimit = (20 << 20) / 3 * 4 + (64 << 10)

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    guard partFirstByte <= partLastByte, partLastByte - partFirstByte + 1 == Int64(layerPartBlob.count) else {
      throw ECRError.invalidParameter(
        "layerPartBlob", "must have the bytes from partFirstByte to partLastByte, which it does not")
    }
    let id = UploadID.parse(uploadId)
    let received = try call.uploading(uploadId, in: repositoryName) {
      do {
        return try call.server.uploads.append(
          Array(layerPartBlob), at: partFirstByte, to: id, in: repositoryName, of: call.registry)
      } catch RegistryError.uploadOutOfOrder(_, let received) {
        throw outOfOrder(received, call)
      }
    }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName, uploadId: uploadId, lastByteReceived: received - 1)
  }

  private func outOfOrder(_ received: Int64, _ call: Call) -> ECRError {
    ECRError(
      "InvalidLayerPartException",
      "The layer part upload is not valid: the upload has \(received) bytes, and this part begins at \(partFirstByte)",
      details: [
        "registryId": .text(call.registryID), "repositoryName": .text(repositoryName), "uploadId": .text(uploadId),
        "lastValidByteReceived": .number(max(0, received - 1)),
      ])
  }
}

struct CompleteLayerUpload: OperationInput {
  var registryId: String?
  var repositoryName: String
  var uploadId: String
  var layerDigests: [String]

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, uploadId, layerDigests }

  struct Output: Encodable {
    let registryId: String
    let repositoryName: String
    let uploadId: String
    let layerDigest: String
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    let named = Set(layerDigests)
    guard named.count == 1, let digest = try? Digest(parsing: layerDigests[0]) else {
      throw ECRError(
        "InvalidLayerException",
        "Layer digests '\(layerDigests.prefix(3).joined(separator: ", "))' are not one sha256 or sha512 digest")
    }
    let id = UploadID.parse(uploadId)
    try call.uploading(uploadId, in: repositoryName) {
      guard try call.server.uploads.received(by: id, in: repositoryName, of: call.registry) > 0 else {
        throw ECRError("EmptyUploadException", "Layer upload with id '\(uploadId)' has no layer parts")
      }
      let isKnown = try call.registry.offeredBlob(digest, in: repositoryName) != nil
      do {
        _ = try call.server.uploads.complete(id, expecting: digest, in: repositoryName, of: call.registry)
      } catch is LayerPartTooSmall {
        throw ECRError("LayerPartTooSmallException", "Layer parts have at least 5 MiB, all but the last one.")
      } catch RegistryError.digestMismatch(let expected, let actual) {
        throw ECRError(
          "InvalidLayerException", "Layer digest '\(expected)' does not match the digest of what was sent, '\(actual)'")
      }
      if isKnown {
        throw ECRError(
          "LayerAlreadyExistsException",
          "Layer with digest '\(digest)' already exists in the repository with name '\(repositoryName)' in the registry "
            + "with id '\(call.registryID)'")
      }
    }
    return Output(
      registryId: call.registryID, repositoryName: repositoryName, uploadId: uploadId, layerDigest: digest.description)
  }
}

struct BatchCheckLayerAvailability: OperationInput {
  var registryId: String?
  var repositoryName: String
  var layerDigests: [String]

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, layerDigests }

  struct Layer: Encodable {
    let layerDigest: String
    let layerAvailability: String
    let layerSize: Int64?
  }

  struct Failure: Encodable {
    let layerDigest: String
    let failureCode: String
    let failureReason: String
  }

  struct Output: Encodable {
    var layers: [Layer] = []
    var failures: [Failure] = []
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    return try call.naming(repositoryName) {
      _ = try call.registry.repository(repositoryName)
      var output = Output()
      for text in layerDigests {
        if text.isEmpty {
          output.failures.append(
            Failure(
              layerDigest: text, failureCode: "MissingLayerDigest",
              failureReason: "Invalid request parameters: layer digest cannot be empty"))
        } else if let digest = try? Digest(parsing: text) {
          let blob = try call.registry.offeredBlob(digest, in: repositoryName)
          let isArchived =
            try blob != nil && call.registry.storageClass(ofBlob: digest, in: repositoryName) == .archive
          output.layers.append(
            Layer(
              layerDigest: text,
              layerAvailability: blob == nil ? "UNAVAILABLE" : isArchived ? "ARCHIVED" : "AVAILABLE",
              layerSize: blob?.size))
        } else {
          output.failures.append(
            Failure(
              layerDigest: text, failureCode: "InvalidLayerDigest",
              failureReason:
                "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"))
        }
      }
      return output
    }
  }
}

struct GetDownloadUrlForLayer: OperationInput {
  var registryId: String?
  var repositoryName: String
  var layerDigest: String

  enum CodingKeys: String, CodingKey, CaseIterable { case registryId, repositoryName, layerDigest }

  struct Output: Encodable {
    let downloadUrl: String
    let layerDigest: String
  }

  func run(_ call: Call) throws -> Output {
    try call.checkName(repositoryName, registry: registryId)
    guard let digest = try? Digest(parsing: layerDigest) else {
      throw ECRError.invalidParameter("layerDigest", "must be a sha256 or sha512 digest")
    }
    try call.naming(repositoryName) {
      _ = try call.registry.repository(repositoryName)
      // A layer that a cache's rule covers comes when the address is asked for.
      let isComing = try call.server.cache?.known(digest, in: repositoryName, of: call.registry) != nil
      guard try isComing || call.registry.blob(digest, in: repositoryName) != nil else {
        throw ECRError(
          "LayersNotFoundException",
          "The following layers with digests '\(digest)' do not exist in the repository with name '\(repositoryName)' "
            + "in the registry with id '\(call.registryID)'")
      }
      switch try call.registry.storageClass(ofBlob: digest, in: repositoryName) {
      case .standard?: break
      case let other:
        throw ECRError(
          "LayerInaccessibleException",
          "The layer '\(digest)' is not available because it is "
            + (other == nil ? "not associated with an image" : "part of archived images alone"))
      }
    }
    let link = DownloadLink(
      realm: call.registry.realm, repository: repositoryName, digest: digest, keyID: call.caller.id,
      expires: SignatureTime.now.seconds + LayerDownload.lifetime)
    return Output(
      downloadUrl: call.baseURL + LayerDownload(link, signature: call.authenticator.sign(link)).target,
      layerDigest: digest.description)
  }
}

extension Operation {
  static let layers = [
    Operation(InitiateLayerUpload.self), Operation(UploadLayerPart.self, bodyLimit: UploadLayerPart.bodyLimit),
    Operation(CompleteLayerUpload.self), Operation(BatchCheckLayerAvailability.self),
    Operation(GetDownloadUrlForLayer.self),
  ]
}
