/// One instruction of a stage.
public struct Instruction: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case arg([ArgDeclaration])
    case env([KeyValue])
    case label([KeyValue])
    case run(RunInstruction)
    case copy(CopyInstruction)
    case add(CopyInstruction)
    case workdir(String)
    case user(String)
    case entrypoint(CommandLine)
    case cmd(CommandLine)
    case expose([String])
    case volume([String])
    case stopSignal(String)
    case shell([String])
    /// nil is NONE.
    case healthcheck(HealthcheckInstruction?)
    case onBuild(trigger: String)
    case maintainer(String)
  }

  public var kind: Kind
  /// As written, continued lines joined, without heredocs.
  public var text: String
  public var location: SourceRange
  /// The character that escapes in this instruction's words.
  public var escape: UInt8
}

/// Shell form or exec (JSON) form.
public enum CommandLine: Hashable, Sendable {
  case shell(String)
  case exec([String])
}

public struct KeyValue: Hashable, Sendable {
  public var key: String
  public var value: String

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }
}

/// `ARG name` or `ARG name=default`.
public struct ArgDeclaration: Hashable, Sendable {
  public var name: String
  public var value: String?

  public init(name: String, value: String? = nil) {
    self.name = name
    self.value = value
  }
}

public struct RunInstruction: Hashable, Sendable {
  public enum Network: String, Hashable, Sendable { case `default`, none, host }

  public enum Body: Hashable, Sendable {
    case command(CommandLine)
    /// A heredoc that begins with `#!`: a program of its own.
    case script(name: String, content: String)
  }

  public var body: Body
  public var network: Network
}

/// COPY and ADD.
public struct CopyInstruction: Hashable, Sendable {
  public var sources: [String]
  public var files: [Heredoc]
  public var destination: String
  /// Name or number of a stage, or an image.
  public var from: String?
  public var chown: String?
  public var chmod: String?
  /// Of what an http(s) source must be. (ADD)
  public var checksum: String?
  /// Whether archives are unpacked; nil: local ones. (ADD)
  public var unpack: Bool?
}

/// Durations are nanoseconds; 0 takes the default.
public struct HealthcheckInstruction: Hashable, Sendable {
  public var command: CommandLine
  public var interval: Int64 = 0
  public var timeout: Int64 = 0
  public var startPeriod: Int64 = 0
  public var startInterval: Int64 = 0
  public var retries: Int = 0
}
