public import ImageSpec

/// What is to be built of a Dockerfile.
public struct BuildRequest: Hashable, Sendable {
  /// Name or number of a stage; nil is the last one.
  public var target: String?
  /// `--build-arg`
  public var arguments: [String: String]
  /// `--label`: these win over the file's.
  public var labels: [String: String]
  /// What the image is for.
  public var platform: Platform
  /// What runs the build.
  public var buildPlatform: Platform

  public init(
    target: String? = nil, arguments: [String: String] = [:], labels: [String: String] = [:], platform: Platform = .host,
    buildPlatform: Platform = .host
  ) {
    self.target = target
    self.arguments = arguments
    self.labels = labels
    self.platform = platform
    self.buildPlatform = buildPlatform
  }
}

/// Arguments that need no declaration, or have a meaning of their own. (Dockerfile reference, Predefined ARGs)
public enum PredefinedArguments {
  /// Known to every RUN, and to neither the history nor the cache key where no ARG declares them: a proxy changes
  /// nothing about the result.
  public static let proxies: [String] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"]
    .flatMap { [$0, $0.lowercased()] }

  /// Known in FROM, and in a stage after `ARG name`.
  public static func platforms(_ request: BuildRequest) -> [String: String] {
    var result: [String: String] = [:]
    for (prefix, platform) in [("TARGET", request.platform), ("BUILD", request.buildPlatform)] {
      result["\(prefix)PLATFORM"] = platform.description
      result["\(prefix)OS"] = platform.os
      result["\(prefix)ARCH"] = platform.architecture
      result["\(prefix)VARIANT"] = platform.variant ?? ""
    }
    return result
  }

  /// Seconds since 1970 that stand for every date of the result. (reproducible-builds.org, SOURCE_DATE_EPOCH)
  public static let sourceDateEpoch = "SOURCE_DATE_EPOCH"
  public static let sandboxHostname = "BUILDKIT_SANDBOX_HOSTNAME"

  /// Those that ask Docker's builder for what this one does not do.
  static func unsupported(_ name: String, _ value: String) -> Bool {
    let isOn = value == "1" || value.lowercased() == "true"
    switch name {
    case "BUILDKIT_INLINE_CACHE", "BUILDKIT_MULTI_PLATFORM", "BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE": return isOn
    case "BUILDKIT_SYNTAX":
      let repository = value.split(separator: "/").last.map { $0.prefix { $0 != ":" && $0 != "@" } }
      return repository != "dockerfile" && repository != "dockerfile-upstream"
    default: return false
    }
  }
}

/// A file's own error has its place; these have none.
public enum BuildRequestError: Error, Hashable, Sendable, CustomStringConvertible {
  case unknownTarget(String, stages: [String])
  case unsupportedArgument(String)
  case invalidEpoch(String)

  public var description: String {
    switch self {
    case .unknownTarget(let name, let stages):
      "target stage \"\(name)\" could not be found; the stages are \(stages.joined(separator: ", "))"
    case .unsupportedArgument(let name): "build argument \(name) asks for something that clipper build does not support"
    case .invalidEpoch(let text):
      text == "context"
        ? "SOURCE_DATE_EPOCH=context needs a git context, which clipper build does not support; give seconds since 1970"
        : "SOURCE_DATE_EPOCH is seconds since 1970, not \"\(text)\""
    }
  }
}
