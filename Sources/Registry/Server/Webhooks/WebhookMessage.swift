import Crypto
import FoundationEssentials

/// An event as it goes over the wire.
struct WebhookMessage: Hashable, Sendable {
  let contentType: String
  let body: [UInt8]
}

extension WebhookMessage {
  /// `id` is the same with each attempt: receivers tell by it that they had the event already.
  init(_ event: RegistryEvent, id: String, format: Webhook.Format, realms: RealmTable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let region = realms.regionName(of: event.realm), account = realms.account(of: event.realm)
    switch format {
    case .cloudEvents:
      contentType = "application/cloudevents+json; charset=utf-8"
      body = Array(try encoder.encode(CloudEvent(event, id, account: account, region: region)))
    case .eventBridge:
      contentType = "application/json"
      body = Array(try encoder.encode(BridgeEvent(event, id, account: account, region: region)))
    }
  }

  /// `sha256=<hexadecimal>`: HMAC-SHA256 of the body.
  func signature(_ secret: String) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: body, using: SymmetricKey(data: Array(secret.utf8)))
    let digits = code.map { byte in
      let text = String(byte, radix: 16)
      return text.count == 1 ? "0" + text : text
    }
    return "sha256=" + digits.joined()
  }
}

/// (CloudEvents 1.0, JSON event format)
private struct CloudEvent: Encodable {
  var specversion = "1.0"
  let id: String
  let source: String
  let type: String
  let subject: String
  let time: String
  var datacontenttype = "application/json"
  let data: Content

  struct Content: Encodable {
    let account: String
    let region: String
    let repository: String
    let digest: String?
    let tag: String?
    let mediaType: String?
    let size: Int64?
    let principal: String
    let remote: String
    let requestID: String
    let details: [String: String]?

    enum CodingKeys: String, CodingKey {
      case account, region, repository, digest, tag, mediaType, size, principal, remote
      case requestID = "requestId"
      case details
    }
  }

  init(_ event: RegistryEvent, _ id: String, account: String, region: String) {
    self.id = id
    source = "/registry/\(account)/\(region)"
    type = "dev.clipper.registry.\(event.kind.rawValue)"
    subject = event.repository + (event.tag.map { ":\($0)" } ?? "") + (event.digest.map { "@\($0)" } ?? "")
    time = Timestamp.text(event.time)
    data = Content(
      account: account, region: region, repository: event.repository, digest: event.digest, tag: event.tag,
      mediaType: event.mediaType, size: event.size, principal: event.origin.principal, remote: event.origin.remote,
      requestID: event.origin.requestID, details: event.details.isEmpty ? nil : event.details)
  }
}

/// (Amazon ECR user guide, Amazon ECR events and EventBridge)
private struct BridgeEvent: Encodable {
  var version = "0"
  let id: String
  let detailType: String
  var source = "aws.ecr"
  let account: String
  let time: String
  let region: String
  let resources: [String]
  let detail: Detail

  enum CodingKeys: String, CodingKey {
    case version, id
    case detailType = "detail-type"
    case source, account, time, region, resources, detail
  }

  struct Detail: Encodable {
    var actionType: String?
    var result: String?
    var scanStatus: String?
    var severities: [String: Int]?
    let repository: String
    let digest: String?
    var tag: String?
    var tags: [String]?

    enum CodingKeys: String, CodingKey {
      case actionType = "action-type"
      case result
      case scanStatus = "scan-status"
      case severities = "finding-severity-counts"
      case repository = "repository-name"
      case digest = "image-digest"
      case tag = "image-tag"
      case tags = "image-tags"
    }
  }

  init(_ event: RegistryEvent, _ id: String, account: String, region: String) {
    self.id = id
    self.account = account
    self.region = region
    // Seconds, without a fraction.
    time = Timestamp.text(event.time).prefix(19) + "Z"
    if event.kind == .scan {
      detailType = "ECR Image Scan"
      resources = ["arn:aws:ecr:\(region):\(account):repository/\(event.repository)"]
      var detail = Detail(repository: event.repository, digest: event.digest, tags: event.tag.map { [$0] } ?? [])
      detail.scanStatus = event.details["status"] ?? "COMPLETE"
      detail.severities = event.details.compactMapValues(Int.init)
      self.detail = detail
    } else {
      detailType = "ECR Image Action"
      resources = []
      var detail = Detail(repository: event.repository, digest: event.digest)
      detail.actionType = event.kind == .push ? "PUSH" : "DELETE"
      detail.result = "SUCCESS"
      detail.tag = event.tag
      self.detail = detail
    }
  }
}
