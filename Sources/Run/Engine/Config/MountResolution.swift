internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Snapshots
internal import SystemPackage

extension Engine {
  /// Turns the asked mounts and the image's volumes into mounts of directories that exist.
  ///
  /// - Returns: the volumes in use; those with a record are new.
  func resolveMounts(
    of record: inout ContainerRecord, image: ContainerConfig, _ snapshot: Snapshot?, _ layers: LayerFiles
  ) throws -> [(name: String, record: VolumeRecord?)] {
    var wanted = record.options.mounts
    var targets: Set<String> = []
    for index in wanted.indices {
      let target = try Self.target(wanted[index].target)
      wanted[index].target = target
      guard targets.insert(target).inserted else { throw EngineError.input("Duplicate mount point: \(target)") }
    }
    for target in (image.volumes ?? [:]).keys.sorted() {
      let target = FilePath(target).lexicallyNormalized().string
      if target != "/", targets.insert(target).inserted { wanted.append(MountOption(kind: .volume, target: target)) }
    }
    var volumes: [(name: String, record: VolumeRecord?)] = []
    for option in wanted {
      var mount = ContainerRecord.Mount(kind: option.kind, source: option.source, target: option.target)
      mount.readOnly = option.readOnly
      mount.options = option.options
      switch option.kind {
      case .bind:
        mount.source = try bindSource(option)
        mount.propagation = option.propagation
      case .tmpfs: mount.options = Self.tmpfsOptions(option)
      case .volume:
        let volume = try volume(option)
        volumes.append((volume.name, volume.record))
        let directory = volumeDirectory(volume.name)
        if option.copyUp { try copyUp(into: directory, from: option.target, of: snapshot, layers) }
        mount.name = volume.name
        mount.source = directory.string
        mount.isAnonymous = option.source == nil
      }
      record.mounts.append(mount)
    }
    return volumes
  }

  private static func target(_ text: String) throws -> String {
    guard text.hasPrefix("/") else {
      throw EngineError.input("invalid mount path: '\(text)' mount path must be absolute")
    }
    let path = FilePath(text).lexicallyNormalized().string
    guard path != "/" else { throw EngineError.input("invalid specification: destination can't be '/'") }
    return path
  }

  private func bindSource(_ option: MountOption) throws -> String {
    guard let source = option.source, source.hasPrefix("/") else {
      throw EngineError.input("invalid mount config for type \"bind\": source path must be absolute: \(option.source ?? "")")
    }
    if access(source, F_OK) != 0 {
      guard option.createSource else {
        throw EngineError.input("invalid mount config for type \"bind\": bind source path does not exist: \(source)")
      }
      do { try makeDirectories(FilePath(source)) } catch {
        throw EngineError.system(operation: "make the bind source", path: FilePath(source), error)
      }
    }
    return source
  }

  private func volume(_ option: MountOption) throws -> (name: String, record: VolumeRecord?) {
    let isAnonymous = option.source == nil
    let name = option.source ?? ContainerName.newID()
    guard ContainerName.isValid(name) else {
      throw EngineError.input(
        """
        create \(name): "\(name)" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" \
        are allowed. If you intended to pass a host directory, use absolute path
        """)
    }
    let directory = volumeDirectory(name)
    do { try makeDirectories(directory) } catch { throw EngineError.system(operation: "make", path: directory, error) }
    return (name, VolumeRecord(isAnonymous: isAnonymous))
  }

  /// Docker's: without execution, set-user-ID programs and devices, unless the options say otherwise.
  private static func tmpfsOptions(_ option: MountOption) -> [String] {
    var options = option.options
    for (word, opposite) in [("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")] {
      if !options.contains(opposite), !options.contains(word) { options.insert(word, at: 0) }
    }
    options.removeAll { $0 == "suid" || $0 == "dev" || $0 == "exec" || $0 == "rw" }
    if let size = option.size { options.append("size=\(size)") }
    if let mode = option.mode {
      options.append("mode=\(String(mode, radix: 8))")
    } else if !options.contains(where: { $0.hasPrefix("mode=") }) {
      options.append("mode=1777")
    }
    return options
  }
}
