internal import Crypto
internal import FoundationEssentials
internal import ImageSpec

/// The forms that a bill of materials is written in.
public enum BillFormat: String, Hashable, Sendable, CaseIterable {
  case spdxJSON = "spdx-json"
  case spdxTagValue = "spdx-tag-value"
  /// Version 1.6.
  case cycloneDXJSON = "cyclonedx-json"
  case cycloneDX15JSON = "cyclonedx-json-1.5"

  public var mediaType: String {
    switch self {
    case .spdxJSON: "application/spdx+json"
    case .spdxTagValue: "text/spdx"
    case .cycloneDXJSON: "application/vnd.cyclonedx+json; version=1.6"
    case .cycloneDX15JSON: "application/vnd.cyclonedx+json; version=1.5"
    }
  }
}

/// What an image consists of: the same image, name and time give the same bytes.
public struct BillOfMaterials: Sendable {
  let image: ScannedImage
  /// As it was asked for: `registry.example/app:1`.
  let name: String
  /// Unix seconds.
  let created: Int64

  /// - Parameter created: Unix seconds, such as `SOURCE_DATE_EPOCH`; nil takes the image's own time, or 1970 where it has
  ///   none.
  public init(_ image: ScannedImage, name: String, created: Int64? = nil) {
    self.image = image
    self.name = name
    self.created = created ?? image.config.created.flatMap(Self.seconds) ?? 0
  }

  public func document(_ format: BillFormat) throws -> [UInt8] {
    switch format {
    case .spdxJSON: try Self.encoded(SPDXDocument(self))
    case .spdxTagValue: SPDXTagValue.text(SPDXDocument(self))
    case .cycloneDXJSON: try Self.encoded(CycloneDXDocument(self, version: "1.6"))
    case .cycloneDX15JSON: try Self.encoded(CycloneDXDocument(self, version: "1.5"))
    }
  }

  /// Without a version: the next one writes the same document of the same image.
  static let tool = "clipper"

  /// The image's own Package URL. (Package URL types, oci)
  var imageURL: String {
    let repository = name.prefix { $0 != "@" }
    let last = repository.split(separator: "/").last.map { $0.prefix { $0 != ":" } } ?? "image"
    let digest = PackageURL.encoded(image.digest.description)
    let query = "arch=\(PackageURL.encoded(image.config.architecture))"
    return "pkg:oci/\(PackageURL.encoded(last.lowercased()))@\(digest)?\(query)"
  }

  /// `2026-01-02T03:04:05Z`
  var timestamp: String { Date(timeIntervalSince1970: Double(created)).formatted(.iso8601) }

  /// A UUID that follows from what the document is about. (RFC 9562, 5.8)
  func identifier(_ kind: String) -> String {
    let text = "\(kind)\n\(image.digest)\n\(name)\n\(created)"
    var bytes = Array(SHA256.hash(data: Array(text.utf8)).prefix(16))
    bytes[6] = bytes[6] & 0x0f | 0x80
    bytes[8] = bytes[8] & 0x3f | 0x80
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
    let parts = [digits[..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10...]]
    return parts.map { $0.joined() }.joined(separator: "-")
  }

  private static func encoded(_ document: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(document)) + [0x0a]
  }

  /// Of an RFC 3339 time, the fraction left out.
  private static func seconds(_ time: String) -> Int64? {
    guard let dot = time.firstIndex(of: ".") else { return parsed(time) }
    let zone = time[dot...].drop { $0 == "." || $0.isNumber }
    return parsed(String(time[..<dot]) + String(zone))
  }

  private static func parsed(_ time: String) -> Int64? {
    guard let date = try? Date(time, strategy: .iso8601) else { return nil }
    return Int64(exactly: date.timeIntervalSince1970.rounded(.down)).map { max(0, $0) }
  }
}
