import Kernel
import RuntimeSpec

/// A mount's options, sorted by what they mean. (runtime-spec, config.md, Linux mount options)
struct MountOptions {
  /// A bind mount; true also binds what is mounted below the source.
  var bind: Bool?
  var set: MountAttributes = []
  var clear: MountAttributes = []
  /// The same for the whole tree of mounts.
  var recursiveSet: MountAttributes = []
  var recursiveClear: MountAttributes = []
  var propagation: (MountPropagation, recursive: Bool)?
  /// Options of the superblock that have no value (`sync`), and the file system's own.
  var flags: [String] = []
  var data: [(String, String)] = []
  /// A tmpfs begins with what the image has at its place.
  var copyUp = false
  /// Owners are mapped: by the mount's own mappings, or else by the container's. true: the tree's as well.
  var idMapped: Bool?
  /// Only changes an existing mount at the destination.
  var remount = false

  init(_ options: [String]) throws {
    for option in options { try add(option) }
  }

  /// The type `bind` says the same as the option.
  init(_ mount: ContainerMount) throws {
    try self.init(mount.options ?? [])
    if mount.type == "bind", bind == nil, !remount { bind = false }
  }

  /// nil for an unknown name.
  static func propagation(_ name: String) -> (MountPropagation, recursive: Bool)? { propagations[name] }

  private mutating func add(_ option: String) throws {
    if let (attributes, on) = Self.attributes[option] {
      change(&set, &clear, attributes, on)
      return
    }
    if option.first == "r", let (attributes, on) = Self.attributes[String(option.dropFirst())] {
      change(&recursiveSet, &recursiveClear, attributes, on)
      return
    }
    if let propagation = Self.propagations[option] {
      self.propagation = propagation
      return
    }
    switch option {
    case "bind": bind = bind ?? false
    case "rbind": bind = true
    case "remount": remount = true
    case "tmpcopyup": copyUp = true
    case "idmap": idMapped = false
    case "ridmap": idMapped = true
    case "defaults", "async", "loud", "nomand", "noiversion", "nolazytime", "_netdev", "": break
    case "sync", "dirsync", "mand", "lazytime", "silent", "iversion": flags.append(option)
    default:
      if let separator = option.firstIndex(of: "=") {
        data.append((String(option[..<separator]), String(option[option.index(after: separator)...])))
      } else {
        flags.append(option)
      }
    }
  }

  private func change(
    _ set: inout MountAttributes, _ clear: inout MountAttributes, _ attributes: MountAttributes, _ on: Bool
  ) {
    if !attributes.isDisjoint(with: .timeMask) {
      // One field of three values: the kernel wants it cleared whole.
      clear.formUnion(.timeMask)
      if on || attributes == .timeMask { set.subtract(.timeMask) }
      if on { set.formUnion(attributes) } else { set.subtract(attributes) }
      return
    }
    if on {
      set.formUnion(attributes)
      clear.subtract(attributes)
    } else {
      clear.formUnion(attributes)
      set.subtract(attributes)
    }
  }

  private static let attributes: [String: (MountAttributes, Bool)] = [
    "ro": (.readOnly, true), "rw": (.readOnly, false), "nosuid": (.noSetID, true), "suid": (.noSetID, false),
    "nodev": (.noDevices, true), "dev": (.noDevices, false), "noexec": (.noExecute, true), "exec": (.noExecute, false),
    "nodiratime": (.noDirectoryTime, true), "diratime": (.noDirectoryTime, false), "noatime": (.noAccessTime, true),
    "atime": (.noAccessTime, false), "relatime": (.timeMask, false), "norelatime": ([], false),
    "strictatime": (.strictAccessTime, true), "nostrictatime": (.strictAccessTime, false),
    "nosymfollow": (.noSymlinks, true), "symfollow": (.noSymlinks, false),
  ]

  private static let propagations: [String: (MountPropagation, recursive: Bool)] = [
    "private": (.private, false), "rprivate": (.private, true), "shared": (.shared, false), "rshared": (.shared, true),
    "slave": (.slave, false), "rslave": (.slave, true), "unbindable": (.unbindable, false),
    "runbindable": (.unbindable, true),
  ]

  /// For `features`.
  static var known: [String] {
    let names = attributes.keys + attributes.keys.map { "r\($0)" } + propagations.keys
    return
      (names + [
        "bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap", "defaults", "async", "sync", "dirsync", "mand",
        "nomand", "lazytime", "nolazytime", "silent", "loud", "iversion", "noiversion",
      ]).sorted()
  }
}
