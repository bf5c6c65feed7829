internal import Engine
internal import Kernel
internal import SystemPackage

/// `-v`, `--mount` and `--tmpfs`.
enum MountFlags {
  static func mounts(_ parsed: FlagSet.Parsed) throws -> [MountOption] {
    try parsed.all("volume").map(volume) + parsed.all("mount").map(mount) + parsed.all("tmpfs").map(tmpfs)
  }

  private static let propagations: Set<String> = ["private", "rprivate", "shared", "rshared", "slave", "rslave"]

  /// `[source:]target[:options]`
  private static func volume(_ text: String) throws -> MountOption {
    func failure(_ reason: String) -> Failure {
      Failure("invalid volume specification: '\(text)': \(reason)", status: 125)
    }
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count), !parts.contains("") else { throw failure("write [source:]target[:options]") }
    if parts.count == 1 { return MountOption(kind: .volume, target: parts[0]) }
    let isPath =
      parts[0].hasPrefix("/") || parts[0] == "." || parts[0] == ".." || parts[0].hasPrefix("./")
      || parts[0].hasPrefix("../")
    var mount = MountOption(
      kind: isPath ? .bind : .volume, source: isPath ? try absolute(parts[0]) : parts[0], target: parts[1])
    mount.createSource = isPath
    for option in parts.count == 3 ? parts[2].split(separator: ",").map(String.init) : [] {
      switch option {
      case "ro", "readonly": mount.readOnly = true
      // Labels of SELinux, and hints for file sharing of virtual machines: there is neither here.
      case "rw", "z", "Z", "consistent", "cached", "delegated": break
      case "nocopy" where !isPath: mount.copyUp = false
      case let propagation where isPath && propagations.contains(propagation): mount.propagation = propagation
      default: throw failure("invalid mode: \(option)")
      }
    }
    return mount
  }

  private static func absolute(_ path: String) throws -> String {
    if path.hasPrefix("/") { return FilePath(path).lexicallyNormalized().string }
    return FilePath(try Execution.workingDirectoryPath()).pushing(FilePath(path)).lexicallyNormalized().string
  }

  /// `type=bind,src=…,dst=…,readonly`
  private static func mount(_ text: String) throws -> MountOption {
    func failure(_ reason: String) -> Failure { ContainerFlags.failure(text, "mount", reason) }
    let fields = text.split(separator: ",").map { field in
      let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return (key: parts[0].lowercased(), value: parts.count == 2 ? parts[1] : nil)
    }
    let type = fields.last { $0.key == "type" }?.value?.lowercased() ?? "volume"
    guard let kind = MountOption.Kind(rawValue: type) else {
      throw failure("invalid mount type \(type): use bind, volume or tmpfs")
    }
    var mount = MountOption(kind: kind, target: "")
    for (key, value) in fields {
      func text() throws -> String {
        guard let value, !value.isEmpty else { throw failure("\(key) needs a value") }
        return value
      }
      func toggle() throws -> Bool {
        switch value?.lowercased() {
        case nil, "true", "1": true
        case "false", "0": false
        default: throw failure("invalid value for \(key): \(value ?? "")")
        }
      }
      switch key {
      case "type", "consistency": break
      case "source", "src": mount.source = kind == .bind ? try absolute(try text()) : try text()
      case "target", "dst", "destination": mount.target = try text()
      case "readonly", "ro": mount.readOnly = try toggle()
      case "rw": mount.readOnly = try !toggle()
      case "bind-propagation" where kind == .bind:
        guard propagations.contains(try text()) else { throw failure("invalid propagation \(try text())") }
        mount.propagation = try text()
      case "bind-create-src" where kind == .bind: mount.createSource = try toggle()
      case "volume-nocopy" where kind == .volume: mount.copyUp = try !toggle()
      case "tmpfs-size" where kind == .tmpfs: mount.size = try Quantity.bytes(try text(), flag: "mount tmpfs-size")
      case "tmpfs-mode" where kind == .tmpfs: mount.mode = try mode(try text(), failure)
      default: throw failure("\(key) is not supported for a mount of type \(type)")
      }
    }
    guard !mount.target.isEmpty else { throw failure("target is required") }
    if kind == .tmpfs, mount.source != nil { throw failure("a tmpfs has no source") }
    if kind == .bind, mount.source == nil { throw failure("source is required for a bind mount") }
    return mount
  }

  private static func mode(_ text: String, _ failure: (String) -> Failure) throws -> UInt32 {
    guard let mode = UInt32(text, radix: 8), mode <= 0o7777 else {
      throw failure("invalid mode \(text): write it in octal")
    }
    return mode
  }

  /// `/path[:options]`
  private static func tmpfs(_ text: String) throws -> MountOption {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    var mount = MountOption(kind: .tmpfs, target: parts.first ?? "")
    for option in parts.count == 2 ? parts[1].split(separator: ",").map(String.init) : [] {
      switch ContainerFlags.pair(option) {
      case ("size", let size)? where !size.hasSuffix("%"): mount.size = try Quantity.bytes(size, flag: "tmpfs size")
      case ("mode", let text)?: mount.mode = try mode(text) { ContainerFlags.failure(text, "tmpfs", $0) }
      default:
        if option == "ro" { mount.readOnly = true } else if option != "rw" { mount.options.append(option) }
      }
    }
    return mount
  }

  /// The mounts of another container, for `--volumes-from`: `container[:ro|rw]`.
  static func mounts(from text: String, _ engine: Engine) throws -> [MountOption] {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let mode = parts.count == 2 ? parts[1] : "rw"
    guard let name = parts.first, mode == "ro" || mode == "rw" else {
      throw ContainerFlags.failure(text, "volumes-from", "write container[:ro|rw]")
    }
    return try engine.container(name).record.mounts.compactMap { mount in
      guard mount.kind != .tmpfs else { return nil }
      var option = MountOption(
        kind: mount.kind, source: mount.kind == .volume ? mount.name : mount.source, target: mount.target)
      option.readOnly = mount.readOnly || mode == "ro"
      option.propagation = mount.propagation
      option.copyUp = false
      return option
    }
  }
}
