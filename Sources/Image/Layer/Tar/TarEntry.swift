/// One entry of a tar archive. Names are bytes: a file's name need not be valid UTF-8.
public struct TarEntry: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    case file
    case directory
    case symbolicLink
    case hardLink
    case characterDevice
    case blockDevice
    case fifo
  }

  public var kind: Kind
  /// As the archive has it, a directory's without the slash at its end.
  public var name: [UInt8]
  /// Target of a symbolic or hard link.
  public var linkName: [UInt8] = []
  /// Permission bits with set-user-ID, set-group-ID and sticky.
  public var mode: UInt32
  public var userID: UInt32 = 0
  public var groupID: UInt32 = 0
  /// Bytes of content that follow; 0 but for files.
  public var size: Int64 = 0
  /// Seconds and nanoseconds since 1970.
  public var modified: Int64 = 0
  public var modifiedNanoseconds: Int64 = 0
  public var deviceMajor: UInt32 = 0
  public var deviceMinor: UInt32 = 0
  /// Extended attributes. (the `SCHILY.xattr.` records of PAX headers)
  public var attributes: [String: [UInt8]] = [:]

  public init(kind: Kind, name: [UInt8], mode: UInt32) {
    self.kind = kind
    self.name = name
    self.mode = mode
  }

  /// The name for messages: invalid UTF-8 is repaired.
  public var displayName: String { String(decoding: name, as: UTF8.self) }
}

/// Splits a name into its components, without empty ones and `.`. nil where `..` leads above the start.
func components(of name: some Swift.Collection<UInt8>) -> [[UInt8]]? {
  var components: [[UInt8]] = []
  for part in name.split(separator: UInt8(ascii: "/")) {
    if part.elementsEqual([UInt8(ascii: ".")]) { continue }
    if part.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")]) {
      if components.popLast() == nil { return nil }
      continue
    }
    components.append(Array(part))
  }
  return components
}
