import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The unit of systemd that is a container's cgroup. (`--systemd-cgroup`)
struct SystemdUnit: Hashable, Codable {
  /// `libpod-1a2b.scope`
  let name: String
  /// `machine.slice`: what it lies in.
  let slice: String
  /// Of the user's own systemd.
  let user: Bool

  /// From `linux.cgroupsPath` as runc reads it, `slice:prefix:name`: a scope `prefix-name.scope`, or a slice where the
  /// name is one's.
  init(_ bundle: Bundle, id: String) throws {
    try self.init(path: bundle.config.linux?.cgroupsPath ?? "", id: id, user: Self.isUsers)
  }

  init(path: String, id: String, user: Bool) throws {
    self.user = user
    let standard = user ? "user.slice" : "system.slice"
    if path.isEmpty {
      slice = standard
      name = "clipper-\(id).scope"
    } else {
      guard let (slice, unit) = try Self.split(path) else {
        throw RuntimeError.configuration(
          property: "linux.cgroupsPath",
          problem: "is \"\(path)\": with --systemd-cgroup it must be \"slice:prefix:name\"")
      }
      self.slice = slice.isEmpty ? standard : slice
      name = unit
    }
    // (systemd.unit(5)) Its own refusal names a unit and not what the name came from.
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@".utf8)
    guard name.utf8.count <= 255, name.utf8.allSatisfy({ plain.contains($0) }) else {
      throw RuntimeError.configuration(
        property: "linux.cgroupsPath",
        problem: "makes the unit \"\(name)\", which cannot be one: letters, digits and : - _ . \\ @, 255 at most")
    }
  }

  var isSlice: Bool { name.hasSuffix(".slice") }

  /// The slice and the unit of `slice:prefix:name`; nil for a path of another form.
  static func split(_ path: String) throws -> (slice: String, unit: String)? {
    let parts = path.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
    guard parts.count == 3, !path.contains("/") else { return nil }
    guard parts[0].isEmpty || Self.isSliceName(parts[0]), !parts[2].isEmpty else {
      throw RuntimeError.configuration(
        property: "linux.cgroupsPath", problem: "is \"\(path)\", whose first part is no slice, or whose last is empty")
    }
    if parts[2].hasSuffix(".slice") { return (parts[0], parts[2]) }
    return (parts[0], parts[1].isEmpty ? "\(parts[2]).scope" : "\(parts[1])-\(parts[2]).scope")
  }

  /// `a-b.slice`: a name of parts between single dashes.
  private static func isSliceName(_ name: String) -> Bool {
    guard name.hasSuffix(".slice") else { return false }
    let stem = name.dropLast(6)
    return stem == "-" || stem.split(separator: "-", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
  }

  /// `a-b.slice` lies in `a.slice`: the path of directories. (systemd.slice(5))
  static func directories(of slice: String) -> [String] {
    var above = ""
    return slice.dropLast(6).split(separator: "-").map { part in
      above = above.isEmpty ? String(part) : "\(above)-\(part)"
      return "\(above).slice"
    }
  }

  /// Of a unit on the bus. Bytes other than letters and digits are `_` and two hex digits, as is a digit in front.
  static func objectPath(of name: String) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var bytes: [UInt8] = []
    for (index, byte) in name.utf8.enumerated() {
      let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
      let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
      if isLetter || (isDigit && index > 0) {
        bytes.append(byte)
      } else {
        bytes += [UInt8(ascii: "_"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return "/org/freedesktop/systemd1/unit/" + String(decoding: bytes, as: UTF8.self)
  }

  /// Whether the caller's own systemd is the one to ask: an ordinary user's, also where it is root of a user namespace.
  private static var isUsers: Bool { geteuid() != 0 || !UserNamespaces.isInitial }
}

extension SystemdUnit: JSONReadable {
  init(_ json: inout JSONScanner) throws(JSONError) {
    var (name, slice, user): (String?, String?, Bool?)
    try json.members { (key, json) throws(JSONError) in
      switch key {
      case "name": name = try json.string()
      case "slice": slice = try json.string()
      case "user": user = try json.bool()
      default: try json.skip()
      }
    }
    guard let name else { throw json.missing("name") }
    guard let slice else { throw json.missing("slice") }
    guard let user else { throw json.missing("user") }
    self.name = name
    self.slice = slice
    self.user = user
  }
}
