internal import Glibc
internal import Kernel
internal import SystemPackage

/// A directory that outside names are resolved in: `..`, absolute names and links all stay inside.
///
/// Every name is split into its parent, opened by openat2 with RESOLVE_IN_ROOT, and a last component without a
/// slash, which is then used relative to the parent's descriptor only.
final class RootDirectory {
  let descriptor: CInt
  private let owned: OwnedDescriptor
  /// The parent of the last entry: archives are ordered by directory.
  private var cachedName: [UInt8]?
  private var cached: OwnedDescriptor?

  init(_ directory: consuming OwnedDescriptor) {
    descriptor = directory.number
    owned = directory
  }

  /// The parent directory of `components`, which is made with mode 0755 where it is missing. The descriptor is valid
  /// until the next call.
  func parent(of components: [[UInt8]], entry: String) throws -> CInt {
    let parents = components.dropLast()
    if parents.isEmpty { return descriptor }
    let name = Array(parents.joined(separator: [UInt8(ascii: "/")]))
    if name == cachedName, let number = cached?.number { return number }
    let opened = try openDirectory(name, parents: Array(parents), entry: entry)
    let number = opened.number
    cachedName = name
    cached = consume opened
    return number
  }

  /// Forgets the last parent's name: something on its way may have been replaced. Its descriptor stays valid until
  /// the next call of `parent`.
  func invalidate() { cachedName = nil }

  /// Calls with a directory that exists; does nothing where it does not.
  func withExisting(_ components: [[UInt8]], _ body: (CInt) throws -> Void) rethrows {
    let name = Array(components.joined(separator: [UInt8(ascii: "/")]))
    let opened: OwnedDescriptor
    do throws(Errno) {
      opened = try Self.open(descriptor, name.isEmpty ? [UInt8(ascii: ".")] : name, flags: pathOnly | O_DIRECTORY)
    } catch { return }
    try body(opened.number)
  }

  private func openDirectory(_ name: [UInt8], parents: [[UInt8]], entry: String) throws -> OwnedDescriptor {
    do throws(Errno) { return try Self.open(descriptor, name, flags: pathOnly | O_DIRECTORY) } catch {
      guard error == .noSuchFileOrDirectory else {
        throw LayerError.system(operation: "open the directory of", entry: entry, error)
      }
    }
    // Make what is missing, from the top, each part resolved in the root again.
    for count in 1...parents.count {
      let part = Array(parents[..<count].joined(separator: [UInt8(ascii: "/")]))
      do throws(Errno) {
        _ = try Self.open(descriptor, part, flags: pathOnly | O_DIRECTORY)
        continue
      } catch {
        guard error == .noSuchFileOrDirectory else {
          throw LayerError.system(operation: "open the directory of", entry: entry, error)
        }
      }
      do throws(Errno) {
        let above = try Self.open(
          descriptor, count == 1 ? [UInt8(ascii: ".")] : Array(parents[..<(count - 1)].joined(separator: [UInt8(ascii: "/")])),
          flags: pathOnly | O_DIRECTORY)
        try Self.named(parents[count - 1]) { name throws(Errno) in
          if mkdirat(above.number, name, 0o755) != 0, Errno.current != .fileExists { throw Errno.current }
        }
      } catch {
        throw LayerError.system(operation: "make the directory of", entry: entry, error)
      }
    }
    do throws(Errno) { return try Self.open(descriptor, name, flags: pathOnly | O_DIRECTORY) } catch {
      throw LayerError.system(operation: "open the directory of", entry: entry, error)
    }
  }

  static func open(_ directory: CInt, _ name: [UInt8], flags: CInt) throws(Errno) -> OwnedDescriptor {
    let number = try named(name) { name throws(Errno) in
      try openat2(directory, name, flags: flags, resolve: [.inRoot, .noMagicLinks]).release()
    }
    return OwnedDescriptor(number)
  }

  /// Calls with a name as a C string.
  static func named<Result>(_ name: [UInt8], _ body: (UnsafePointer<CChar>) throws(Errno) -> Result) throws(Errno) -> Result {
    let terminated = name + [0]
    let result: Swift.Result<Result, Errno> = terminated.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { pointer in
        do throws(Errno) { return .success(try body(pointer.baseAddress!)) } catch { return .failure(error) }
      }
    }
    return try result.get()
  }
}
