/// Where a bus listens. (D-Bus Specification, Server Addresses)
public struct BusAddress: Hashable, Sendable, CustomStringConvertible {
  public let path: String
  /// In the abstract namespace of the network namespace instead of the file system. (unix(7))
  public let isAbstract: Bool
  /// systemd's own socket: the other end is systemd itself and no message bus.
  public let isPeer: Bool

  public init(path: String, isAbstract: Bool = false, isPeer: Bool = false) {
    self.path = path
    self.isAbstract = isAbstract
    self.isPeer = isPeer
  }

  public var description: String { isAbstract ? "unix:abstract=\(path)" : "unix:path=\(path)" }

  /// The addresses of a list such as `unix:path=/run/a,guid=0;unix:abstract=b` that lead to a UNIX socket, in order.
  public static func list(_ text: String) throws(BusError) -> [BusAddress] {
    var found: [BusAddress] = []
    for address in text.split(separator: ";") {
      let parts = address.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2 else { throw .address(text, problem: "is none: it has no transport") }
      guard parts[0] == "unix" else { continue }
      for option in parts[1].split(separator: ",") {
        let pair = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2, let value = unescaped(pair[1]) else { throw .address(text, problem: "is malformed") }
        if pair[0] == "path" { found.append(BusAddress(path: value)) }
        if pair[0] == "abstract" { found.append(BusAddress(path: value, isAbstract: true)) }
      }
    }
    guard !found.isEmpty else { throw .address(text, problem: "names no UNIX socket, and no other transport is known") }
    return found
  }

  /// `%2f` is a slash.
  private static func unescaped(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), value != 0
      else { return nil }
      rest = rest.dropFirst(2)
      bytes.append(value)
    }
    return String(validating: bytes, as: UTF8.self)
  }

  /// The system's bus, and systemd's own socket where no bus runs, as early at boot.
  public static func system(_ environment: (String) -> String?, isRoot: Bool) throws(BusError) -> [BusAddress] {
    if let text = environment("DBUS_SYSTEM_BUS_ADDRESS"), !text.isEmpty { return try list(text) }
    let bus = BusAddress(path: "/run/dbus/system_bus_socket")
    return isRoot ? [bus, BusAddress(path: "/run/systemd/private", isPeer: true)] : [bus]
  }

  /// The bus of the user's own systemd.
  public static func user(_ environment: (String) -> String?) throws(BusError) -> [BusAddress] {
    if let text = environment("DBUS_SESSION_BUS_ADDRESS"), !text.isEmpty { return try list(text) }
    guard let directory = environment("XDG_RUNTIME_DIR"), directory.hasPrefix("/") else {
      throw .address(
        "", problem: "of the user is not known: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set")
    }
    return [
      BusAddress(path: "\(directory)/bus"), BusAddress(path: "\(directory)/systemd/private", isPeer: true),
    ]
  }
}
