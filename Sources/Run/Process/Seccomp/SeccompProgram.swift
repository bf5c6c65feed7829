import CSeccomp
import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// A compiled seccomp filter.
struct SeccompProgram {
  /// Classic BPF, 8 bytes per instruction.
  let instructions: [UInt8]
  let flags: UInt32

  /// The filter that a bundle asks for: `linux.seccomp`, or Docker's default by annotation; nil for none.
  ///
  /// - Parameter cache: directory of compiled filters; compiling takes libseccomp several milliseconds.
  static func make(_ bundle: Bundle, _ process: ContainerProcess, cache: FilePath?) throws -> SeccompProgram? {
    if let name = bundle.annotation("seccomp") {
      guard bundle.config.linux?.seccomp == nil else {
        throw RuntimeError.configuration(
          property: "annotations.dev.clipper.seccomp", problem: "and linux.seccomp exclude each other")
      }
      switch name {
      case "docker-default":
        var capabilities: CapabilitySet = []
        for name in process.capabilities?.bounding ?? [] { capabilities.formUnion(Names.capability(name) ?? []) }
        let relevant = capabilities.intersection(DockerSeccomp.relevantCapabilities)
        let key = "docker-default \(DockerSeccomp.version) capabilities=\(relevant.rawValue) \(machine)"
        return try cached(Array(key.utf8), cache) { DockerSeccomp.profile(capabilities: relevant) }
      case "unconfined": return nil
      default: throw RuntimeError.configuration(property: "annotations.dev.clipper.seccomp", problem: "is \"\(name)\"")
      }
    }
    guard let profile = bundle.config.linux?.seccomp else { return nil }
    return try cached(Array("\(machine) ".utf8) + bundle.seccompText, cache) { profile }
  }

  /// The kind of machine and the library: a filter is valid for these.
  private static var machine: String { "arch=\(seccomp_arch_native()) libseccomp=\(library)" }

  /// The version of libseccomp.
  static var library: String {
    let library = seccomp_version()?.pointee
    return "\(library?.major ?? 0).\(library?.minor ?? 0).\(library?.micro ?? 0)"
  }

  func load() throws(Errno) -> CInt {
    var failure: Errno?
    let listener = instructions.withUnsafeBytes { bytes -> CInt in
      do throws(Errno) { return try Privileges.setSeccompFilter(bytes, flags: flags) } catch {
        failure = error
        return -1
      }
    }
    if let failure { throw failure }
    return listener
  }

  // MARK: Cache

  private static func cached(_ key: [UInt8], _ cache: FilePath?, _ profile: () -> LinuxSeccomp) throws -> SeccompProgram
  {
    let file = cache.map { SeccompCache(directory: $0, key: key) }
    if let program = file?.read() { return program }
    let program = try SeccompCompiler.compile(profile())
    file?.write(program)
    return program
  }
}

/// Compiled filters on disk: `<directory>/<hash of the key>`, each with its whole key, which is compared byte by byte.
/// The directory belongs to the runtime's user alone; what does not check out is compiled again.
///
/// ```
/// "clipper-bpf 2\n"  key length (4)  key  flags (4)  program length (4)  checksum of the program (8)  program
/// ```
struct SeccompCache {
  private let file: FilePath
  private let directory: FilePath
  private let key: [UInt8]
  private static let magic = Array("clipper-bpf 2\n".utf8)

  init(directory: FilePath, key: [UInt8]) {
    self.directory = directory
    self.key = key
    file = directory.appending(String(Self.hash(key[...]), radix: 16))
  }

  /// FNV-1a, over eight bytes at a time. It names a file and finds damage; nothing trusts it.
  private static func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.withUnsafeBytes { bytes in
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count)
      func add(_ word: UInt64) {
        hash = (hash ^ word) &* 0x100_0000_01b3
        hash ^= hash >> 32
      }
      let whole = bytes.count & ~7
      for offset in stride(from: 0, to: whole, by: 8) {
        add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
      }
      for byte in bytes[whole...] { add(UInt64(byte)) }
      return hash
    }
  }

  func read() -> SeccompProgram? {
    guard let descriptor = try? openat2(workingDirectory, file.string, flags: O_RDONLY | O_NOFOLLOW),
      let status = try? status(of: descriptor.number), status.st_uid == geteuid(), status.st_mode & 0o022 == 0,
      let content = try? readAll(descriptor.number, limit: 1 << 20)
    else { return nil }
    var rest = content[...]
    guard take(&rest, Self.magic.count) == Self.magic[...], let length = number(&rest, 4),
      take(&rest, length) == key[...],
      let flags = number(&rest, 4), let size = number(&rest, 4), let checksum = take(&rest, 8), rest.count == size,
      size % 8 == 0, size > 0,
      checksum == Self.bytes(Self.hash(rest), 8)[...]
    else { return nil }
    return SeccompProgram(instructions: Array(rest), flags: UInt32(flags))
  }

  func write(_ program: SeccompProgram) {
    let content =
      Self.magic + Self.bytes(UInt64(key.count), 4) + key + Self.bytes(UInt64(program.flags), 4)
      + Self.bytes(UInt64(program.instructions.count), 4) + Self.bytes(Self.hash(program.instructions[...]), 8)
      + program.instructions
    // It only saves time: a full disk, for one, must not stop a container.
    try? makeDirectories(directory, mode: 0o700)
    try? placeFile(file, content, mode: 0o600)
  }

  private func take(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> ArraySlice<UInt8>? {
    guard rest.count >= count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  private func number(_ rest: inout ArraySlice<UInt8>, _ size: Int) -> Int? {
    take(&rest, size).map { $0.reversed().reduce(0) { $0 << 8 | Int($1) } }
  }

  private static func bytes(_ number: UInt64, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> UInt64($0 * 8)) }
  }
}
