public import ConfigurationFiles
public import RegistryServer
internal import SystemPackage

/// What is written down of each request.
struct LogSection: Sendable {
  enum Target: ConfigurationValue, Hashable {
    case none, standardError
    case file(FilePath)

    init?(configuration text: String) {
      switch text {
      case "none": self = .none
      case "stderr": self = .standardError
      case _ where text.hasPrefix("/"): self = .file(FilePath(text))
      default: return nil
      }
    }
    var configurationText: String {
      switch self {
      case .none: "none"
      case .standardError: "stderr"
      case .file(let path): path.string
      }
    }
    static var expected: String { "none, stderr or a path that begins with /" }
  }

  let access: Target
  let format: AccessLog.Format

  init(_ section: ConfigurationReader.Section) {
    access = section.value("access", default: .none)
    format = section.value("access-format", default: .json)
  }

  func accessLog(_ metrics: ServerMetrics) throws -> AccessLog? {
    switch access {
    case .none: nil
    case .standardError: try AccessLog(.standardError, format: format, lost: metrics.accessLogLinesLost)
    case .file(let path): try AccessLog(.file(path), format: format, lost: metrics.accessLogLinesLost)
    }
  }
}

extension AccessLog.Format: ConfigurationValue {}
