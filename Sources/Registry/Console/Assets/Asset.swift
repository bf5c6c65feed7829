internal import Crypto
internal import FoundationEssentials
internal import HTTPTypes
internal import RegistryServer

/// A file that pages name, at a path that has its hash: browsers keep it, and a new version has another path.
struct Asset: Sendable {
  let name: String
  let type: String
  let bytes: [UInt8]

  private init(_ stem: String, _ ending: String, type: String, _ text: String) {
    bytes = Array(text.utf8)
    let hash = SHA256.hash(data: bytes).prefix(6)
    name = "\(stem)-\(hash.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()).\(ending)"
    self.type = type
  }

  var path: String { ConsoleRoute.asset(name).path }

  static let style = Asset("style", "css", type: "text/css; charset=utf-8", styleText)
  static let icon = Asset("icon", "svg", type: "image/svg+xml", iconText)

  /// The one script, which stands in the pages themselves: nothing else is let run. See `Headers.policy`.
  static let script = scriptText
  static let scriptHash = "sha256-\(Data(SHA256.hash(data: Array(scriptText.utf8))).base64EncodedString())"

  static func response(_ name: String) -> RegistryResponse? {
    guard let asset = [style, icon].first(where: { $0.name == name }) else { return nil }
    var response = RegistryResponse(
      .ok, [.cacheControl: "public, max-age=31536000, immutable"], contentType: asset.type, bytes: asset.bytes)
    Headers.protect(&response)
    return response
  }
}
