/// A Dockerfile, parsed. (Dockerfile reference)
public struct Dockerfile: Hashable, Sendable {
  public var directives: Directives
  /// `ARG` before the first `FROM`, with where each stands.
  public var globalArguments: [Instruction]
  /// At least one.
  public var stages: [Stage]

  /// - Parameter file: the name for messages.
  public init(parsing text: String, file: String) throws(DockerfileError) {
    var reader = LineReader(text, file: file)
    let lines = try reader.readAll()
    directives = reader.directives
    guard !lines.isEmpty else {
      throw DockerfileError(.malformed("\(file) is empty: it has no instructions"), at: nil)
    }
    globalArguments = []
    stages = []
    for line in lines {
      let parsed = try InstructionParser(line, escape: directives.escape).parse()
      switch parsed {
      case .from(let base, let name, let platform):
        stages.append(
          Stage(
            index: stages.count, name: name, base: base, platform: platform, instructions: [], text: trimmed(line.text),
            location: line.location, escape: directives.escape))
      case .instruction(let instruction):
        if !stages.isEmpty {
          stages[stages.count - 1].instructions.append(instruction)
        } else if case .arg = instruction.kind {
          globalArguments.append(instruction)
        } else {
          throw DockerfileError(.malformed("no build stage in current context: FROM comes first"), at: line.location)
        }
      }
    }
    guard !stages.isEmpty else {
      throw DockerfileError(.malformed("\(file) has no build stage: FROM is missing"), at: nil)
    }
  }

  /// The stage of a name, or of a number that counts from 0.
  public func stage(_ name: String) -> Stage? {
    stages.last { $0.name == name.lowercased() } ?? Int(name).flatMap { stages.indices.contains($0) ? stages[$0] : nil }
  }

  /// Parses an instruction that an image's ONBUILD recorded.
  public static func trigger(_ text: String, of image: String) throws(DockerfileError) -> Instruction {
    var reader = LineReader(text, file: "ONBUILD of \(image)")
    let lines = try reader.readAll()
    guard let line = lines.first, lines.count == 1 else {
      throw DockerfileError(.malformed("ONBUILD of \(image) is not one instruction: \"\(text.prefix(100))\""), at: nil)
    }
    guard case .instruction(let instruction) = try InstructionParser(line, escape: reader.directives.escape).parse() else {
      throw DockerfileError(.malformed("FROM isn't allowed as an ONBUILD trigger"), at: line.location)
    }
    return instruction
  }
}

/// What one FROM begins.
public struct Stage: Hashable, Sendable {
  public var index: Int
  /// In lower case.
  public var name: String?
  /// A stage or an image, variables not filled in.
  public var base: String
  public var platform: String?
  public var instructions: [Instruction]
  public var text: String
  public var location: SourceRange
  public var escape: UInt8

  /// The name, or the number.
  public var displayName: String { name ?? "stage-\(index)" }
}
