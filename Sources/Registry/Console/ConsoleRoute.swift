internal import DistributionSpec
internal import ImageSpec
internal import Scanning

/// The pages, and where each is.
///
/// ```
/// /ui/                                       repositories
/// /ui/activity   /ui/sign-in   /ui/sign-out
/// /ui/r/<name>                               a repository; `-` begins what is in it, and no name has such a part
/// /ui/r/<name>/-/settings
/// /ui/r/<name>/-/lifecycle                   its policy, and what that would do
/// /ui/r/<name>/-/tag/<tag>
/// /ui/r/<name>/-/image/<digest>              also of an index and an artifact
///                             /manifest      its bytes
///                             /config        an image's configuration, its bytes
///                             /findings      vulnerabilities that a scan found
///                             /bill/<form>   a bill of materials
///                             /wasted        what its layers have and do not show
///                             /layer/<n>/<path…>   files of a layer, counted from 1, lowest first
/// ```
enum ConsoleRoute: Hashable, Sendable {
  case repositories, activity, signIn, signOut
  case asset(String)
  case repository(String)
  case settings(String)
  case lifecycle(String)
  case tag(String, String)
  case image(String, Digest)
  case manifest(String, Digest)
  case config(String, Digest)
  case wasted(String, Digest)
  case findings(String, Digest)
  case bill(String, Digest, BillFormat)
  /// The path's names are bytes: a file's name need not be text.
  case layer(String, Digest, number: Int, path: [[UInt8]])

  static let root = "/ui/"

  /// nil where no page has that path.
  init?(parsing path: String) {
    guard path.hasPrefix(Self.root), path.utf8.count <= 64 << 10 else { return nil }
    let parts = path.dropFirst(Self.root.count).split(separator: "/", omittingEmptySubsequences: false)
    switch parts.first {
    case "" where parts.count == 1: self = .repositories
    case "activity" where parts.count == 1: self = .activity
    case "sign-in" where parts.count == 1: self = .signIn
    case "sign-out" where parts.count == 1: self = .signOut
    case "assets" where parts.count == 2: self = .asset(String(parts[1]))
    case "r": self.init(repository: parts.dropFirst())
    default: return nil
    }
  }

  private init?(repository parts: ArraySlice<Substring>) {
    let end = parts.firstIndex(of: "-") ?? parts.endIndex
    let name = parts[..<end].joined(separator: "/")
    guard Reference.isPath(name), name.utf8.count <= 255 else { return nil }
    let rest = Array(parts[end...].dropFirst())
    switch rest.first {
    case nil where end == parts.endIndex: self = .repository(name)
    case "settings" where rest.count == 1: self = .settings(name)
    case "lifecycle" where rest.count == 1: self = .lifecycle(name)
    case "tag" where rest.count == 2 && Reference.isTag(rest[1]): self = .tag(name, String(rest[1]))
    case "image" where rest.count >= 2:
      guard let text = PercentEncoding.decode(rest[1]), let digest = try? Digest(parsing: text) else { return nil }
      self.init(name, digest, rest.dropFirst(2))
    default: return nil
    }
  }

  private init?(_ name: String, _ digest: Digest, _ rest: ArraySlice<Substring>) {
    switch rest.first {
    case nil: self = .image(name, digest)
    case "manifest" where rest.count == 1: self = .manifest(name, digest)
    case "config" where rest.count == 1: self = .config(name, digest)
    case "wasted" where rest.count == 1: self = .wasted(name, digest)
    case "findings" where rest.count == 1: self = .findings(name, digest)
    case "bill" where rest.count == 2:
      guard let format = BillFormat(rawValue: String(rest[rest.startIndex + 1])) else { return nil }
      self = .bill(name, digest, format)
    case "layer" where rest.count >= 2:
      guard let number = Int(rest[rest.startIndex + 1]), (1...10_000).contains(number) else { return nil }
      var path: [[UInt8]] = []
      for part in rest.dropFirst(2) where !part.isEmpty {
        guard let name = Self.decode(part) else { return nil }
        path.append(name)
      }
      guard path.count <= 256 else { return nil }
      self = .layer(name, digest, number: number, path: path)
    default: return nil
    }
  }

  var path: String {
    switch self {
    case .repositories: Self.root
    case .activity: "/ui/activity"
    case .signIn: "/ui/sign-in"
    case .signOut: "/ui/sign-out"
    case .asset(let name): "/ui/assets/\(name)"
    case .repository(let name): "/ui/r/\(name)"
    case .settings(let name): "/ui/r/\(name)/-/settings"
    case .lifecycle(let name): "/ui/r/\(name)/-/lifecycle"
    case .findings(let name, let digest): "/ui/r/\(name)/-/image/\(digest)/findings"
    case .bill(let name, let digest, let format): "/ui/r/\(name)/-/image/\(digest)/bill/\(format.rawValue)"
    case .tag(let name, let tag): "/ui/r/\(name)/-/tag/\(tag)"
    case .image(let name, let digest): "/ui/r/\(name)/-/image/\(digest)"
    case .manifest(let name, let digest): "/ui/r/\(name)/-/image/\(digest)/manifest"
    case .config(let name, let digest): "/ui/r/\(name)/-/image/\(digest)/config"
    case .wasted(let name, let digest): "/ui/r/\(name)/-/image/\(digest)/wasted"
    case .layer(let name, let digest, let number, let path):
      "/ui/r/\(name)/-/image/\(digest)/layer/\(number)" + path.map { "/\(Self.encode($0))" }.joined()
    }
  }

  /// The repository that a page is about.
  var repositoryName: String? {
    switch self {
    case .repositories, .activity, .signIn, .signOut, .asset: nil
    case .repository(let name), .settings(let name), .lifecycle(let name), .tag(let name, _), .image(let name, _),
      .manifest(let name, _), .config(let name, _), .wasted(let name, _), .findings(let name, _), .bill(let name, _, _),
      .layer(let name, _, _, _):
      name
    }
  }

  /// `%XX` for all but letters, digits and `-_~.`; a name that is nothing but dots is written so that no browser takes it
  /// for a step.
  static func encode(_ name: [UInt8]) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    let isDots = name.allSatisfy { $0 == UInt8(ascii: ".") }
    var bytes: [UInt8] = []
    for byte in name {
      let isPlain =
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "~"):
          true
        default: byte == UInt8(ascii: ".") && !isDots
        }
      if isPlain {
        bytes.append(byte)
      } else {
        bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func decode(_ text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte != 0 else { return nil }
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), value != 0,
        value != UInt8(ascii: "/")
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return bytes
  }
}
