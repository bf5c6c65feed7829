/// Operating system and processor, in GOOS and GOARCH names. (image-spec, image-index.md, platform)
public struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
  public var os: String
  public var architecture: String
  public var variant: String?
  public var osVersion: String?
  public var osFeatures: [String]?

  enum CodingKeys: String, CodingKey {
    case os, architecture, variant
    case osVersion = "os.version"
    case osFeatures = "os.features"
  }

  public init(
    os: String, architecture: String, variant: String? = nil, osVersion: String? = nil, osFeatures: [String]? = nil
  ) {
    self.os = os
    self.architecture = architecture
    self.variant = variant
    self.osVersion = osVersion
    self.osFeatures = osFeatures
  }

  /// Parses `os/arch[/variant]`, or `arch` or `os` alone with the rest from `host`, and normalises the names
  /// (`x86_64` is `amd64`, `aarch64` is `arm64`, arm64's `v8` is left out).
  public init(parsing text: String, host: Platform = .host) throws(PlatformError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { $0.lowercased() }
    guard !parts.contains(""), (1...3).contains(parts.count) else { throw .malformed(text) }
    if parts.count == 1 {
      if Self.systems.contains(parts[0]) {
        self = Platform(os: parts[0], architecture: host.architecture, variant: host.variant)
      } else if let (architecture, variant) = Self.normalised(architecture: parts[0], variant: nil) {
        self = Platform(os: host.os, architecture: architecture, variant: variant)
      } else {
        throw .malformed(text)
      }
      return
    }
    guard Self.systems.contains(parts[0]),
      let (architecture, variant) = Self.normalised(architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
    else { throw .malformed(text) }
    self = Platform(os: parts[0], architecture: architecture, variant: variant)
  }

  public var description: String { [os, architecture, variant].compactMap { $0 }.joined(separator: "/") }

  /// True where an image for `other` runs on this platform: the same system and processor, and no newer variant.
  public func runs(_ other: Platform) -> Bool {
    guard os == other.os, architecture == other.architecture else { return false }
    let mine = variant ?? Self.defaultVariant(architecture)
    let theirs = other.variant ?? Self.defaultVariant(architecture)
    return mine == theirs || (architecture == "arm" && theirs < mine) || (architecture == "amd64" && theirs <= mine)
  }

  public static let host: Platform = {
    #if arch(x86_64)
      Platform(os: "linux", architecture: "amd64")
    #elseif arch(arm64)
      Platform(os: "linux", architecture: "arm64")
    #else
      #error("name this processor as GOARCH does")
    #endif
  }()

  private static let systems: Set<String> = ["linux", "windows", "darwin", "freebsd", "wasip1"]
  private static let architectures: Set<String> = [
    "amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "loong64", "mips64le", "mips64", "wasm",
  ]

  private static func normalised(architecture: String, variant: String?) -> (String, String?)? {
    switch (architecture, variant) {
    case ("x86_64", let variant), ("x86-64", let variant), ("amd64", let variant): ("amd64", variant == "v1" ? nil : variant)
    case ("aarch64", let variant), ("arm64", let variant): ("arm64", variant == "v8" || variant == "8" ? nil : variant)
    case ("i386", nil), ("386", nil): ("386", nil)
    case ("armhf", nil): ("arm", "v7")
    case ("armel", nil): ("arm", "v6")
    case ("arm", let variant): ("arm", variant.map { $0.hasPrefix("v") ? $0 : "v\($0)" } ?? "v7")
    case (let name, let variant): architectures.contains(name) ? (name, variant) : nil
    }
  }

  private static func defaultVariant(_ architecture: String) -> String {
    switch architecture {
    case "arm64": "v8"
    case "arm": "v7"
    default: "v1"
    }
  }
}

public enum PlatformError: Error, Equatable, CustomStringConvertible {
  case malformed(String)

  public var description: String {
    switch self {
    case .malformed(let text): "\"\(text.prefix(80))\" is not a platform; write os/architecture[/variant], for example linux/amd64"
    }
  }
}
