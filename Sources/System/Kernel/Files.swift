internal import CKernel
import Glibc
public import SystemPackage

/// How openat2 walks a path. (openat2(2))
public struct PathResolution: OptionSet, Sendable {
  public let rawValue: UInt64
  public init(rawValue: UInt64) { self.rawValue = rawValue }

  public static let noCrossDevice = PathResolution(rawValue: 0x01)
  public static let noMagicLinks = PathResolution(rawValue: 0x02)
  public static let noSymlinks = PathResolution(rawValue: 0x04)
  public static let beneath = PathResolution(rawValue: 0x08)
  /// The directory descriptor is `/` for the whole walk: absolute paths, `..` and links stay inside.
  public static let inRoot = PathResolution(rawValue: 0x10)
}

/// The directory descriptor that stands for the working directory. (openat(2), AT_FDCWD)
public let workingDirectory: CInt = -100

/// Opens `path` below `directory` (AT_FDCWD by default), close-on-exec. (openat2(2))
public func openat2(
  _ directory: CInt = workingDirectory, _ path: String, flags: CInt, mode: UInt32 = 0, resolve: PathResolution = []
) throws(Errno) -> OwnedDescriptor {
  let result: Result<CInt, Errno> = path.withCString { path in
    do throws(Errno) {
      return .success(try openat2(directory, path, flags: flags, mode: mode, resolve: resolve).release())
    } catch {
      return .failure(error)
    }
  }
  return OwnedDescriptor(try result.get())
}

/// The same for a path in bytes that need not be UTF-8, terminated by a zero.
public func openat2(
  _ directory: CInt, _ path: UnsafePointer<CChar>, flags: CInt, mode: UInt32 = 0, resolve: PathResolution = []
) throws(Errno) -> OwnedDescriptor {
  // The kernel refuses a mode on a call that creates nothing.
  let creates = flags & O_CREAT != 0 || flags & __O_TMPFILE != 0
  var attempts = 0
  while true {
    let number = kernel_openat2(
      directory, path, UInt64(UInt32(bitPattern: flags | O_CLOEXEC)), creates ? UInt64(mode) : 0, resolve.rawValue)
    if number >= 0 { return OwnedDescriptor(number) }
    let error = Errno.current
    // EAGAIN: a rename raced with the walk; the kernel asks for another try. It is also what a file under somebody's
    // lease gives, as long as its holder likes.
    attempts += 1
    guard error == .interrupted || error == .resourceTemporarilyUnavailable && attempts < 1000 else { throw error }
  }
}

/// Reads a whole file, at most `limit` bytes. A larger one throws `Errno.fileTooLarge`.
public func readFile(_ path: FilePath, limit: Int = 64 << 20) throws(Errno) -> [UInt8] {
  let file = try openat2(AT_FDCWD, path.string, flags: O_RDONLY)
  return try readAll(file.number, limit: limit)
}

/// Reads a regular file that has `size` bytes; one that has grown since gives one byte more.
public func readAll(_ descriptor: CInt, size: Int) throws(Errno) -> [UInt8] {
  var count = 0
  var failure: Errno?
  let bytes = [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, filled in
    do throws(Errno) {
      while count <= size {
        let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
        let more = try Errno.retrying { read(descriptor, rest.baseAddress, rest.count) }
        count += more
        // Less than was asked for is the end of a regular file.
        if more == 0 || count == size { break }
      }
    } catch { failure = error }
    filled = count
  }
  if let failure { throw failure }
  return bytes
}

/// Reads to the end of a descriptor, at most `limit` bytes. More throws `Errno.fileTooLarge`.
public func readAll(_ descriptor: CInt, limit: Int) throws(Errno) -> [UInt8] {
  // Pages that are never written to are never made: a buffer of what the file is likely to hold, filled in place.
  var status = stat()
  let size = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
  var room = min(max(size + 1, 4 << 10), 1 << 20)
  var bytes: [UInt8] = []
  while true {
    var failure: Errno?
    let part = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      do throws(Errno) {
        count = try Errno.retrying { read(descriptor, buffer.baseAddress, buffer.count) }
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    if part.isEmpty { return bytes }
    guard bytes.count + part.count <= limit else { throw .fileTooLarge }
    if bytes.isEmpty { bytes = part } else { bytes += part }
    room = 64 << 10
  }
}

/// Writes all the bytes.
public func writeAll(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) throws(Errno) {
  var rest = bytes
  while !rest.isEmpty {
    let pointer = rest
    let count = try Errno.retrying { write(descriptor, pointer.baseAddress, pointer.count) }
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
  }
}

public func writeAll(_ descriptor: CInt, _ bytes: [UInt8]) throws(Errno) {
  // withUnsafeBytes does not carry typed errors.
  let result = bytes.withUnsafeBytes { buffer -> Errno? in
    do throws(Errno) { try writeAll(descriptor, buffer) } catch { return error }
    return nil
  }
  if let result { throw result }
}

/// Replaces a file as a whole: the new content is written beside it and renamed over it, so that a reader or a
/// crash sees the old or the new, never a part. `durable` also waits for the disk.
public func writeFileAtomically(_ path: FilePath, _ bytes: [UInt8], mode: UInt32 = 0o644, durable: Bool = false)
  throws(Errno)
{
  let temporary = path.string + ".\(getpid()).\(kernel_gettid()).tmp"
  do {
    let file = try openat2(AT_FDCWD, temporary, flags: O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: mode)
    try writeAll(file.number, bytes)
    if durable { try Errno.check(fsync(file.number)) }
    try Errno.check(rename(temporary, path.string))
  } catch {
    unlink(temporary)
    throw error
  }
}

/// Makes a file that appears with its whole content, in place of one that is there. A process that is killed meanwhile
/// leaves nothing, where the file system can make files that have no name yet. (open(2), O_TMPFILE)
public func placeFile(_ path: FilePath, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(Errno) {
  let directory = path.removingLastComponent()
  let file: OwnedDescriptor
  do throws(Errno) {
    file = try openat2(
      AT_FDCWD, directory.isEmpty ? "." : directory.string, flags: __O_TMPFILE | O_DIRECTORY | O_WRONLY, mode: mode)
  } catch {
    guard error == Errno(rawValue: EOPNOTSUPP) || error == .isDirectory || error == .invalidArgument else { throw error }
    return try writeFileAtomically(path, bytes, mode: mode)
  }
  try writeAll(file.number, bytes)
  let nameless = "/proc/self/fd/\(file.number)"
  if linkat(AT_FDCWD, nameless, AT_FDCWD, path.string, AT_SYMLINK_FOLLOW) == 0 { return }
  if Errno.current == .fileExists {
    try Errno.check(unlink(path.string))
    if linkat(AT_FDCWD, nameless, AT_FDCWD, path.string, AT_SYMLINK_FOLLOW) == 0 { return }
  }
  // Without /proc, for one.
  try writeFileAtomically(path, bytes, mode: mode)
}

/// Makes a directory and those above it; one that exists is fine.
public func makeDirectories(_ path: FilePath, mode: UInt32 = 0o755) throws(Errno) {
  if mkdir(path.string, mode) == 0 { return }
  switch Errno.current {
  case .fileExists: return
  case .noSuchFileOrDirectory:
    try makeDirectories(path.removingLastComponent(), mode: mode)
    if mkdir(path.string, mode) != 0, Errno.current != .fileExists { throw Errno.current }
  case let error: throw error
  }
}

/// Removes a file or a whole tree without following links and without crossing into other mounts;
/// a path that is not there is fine, also when somebody else removes it meanwhile.
public func removeTree(_ path: FilePath) throws(Errno) {
  try removeEntry(AT_FDCWD, path.string)
}

private func removeEntry(_ directory: CInt, _ name: String) throws(Errno) {
  do throws(Errno) { try removeExisting(directory, name) } catch {
    guard error == .noSuchFileOrDirectory else { throw error }
  }
}

private func removeExisting(_ directory: CInt, _ name: String) throws(Errno) {
  if unlinkat(directory, name, 0) == 0 { return }
  let error = Errno.current
  guard error == .isDirectory || error == .notPermitted else { throw error }
  if unlinkat(directory, name, AT_REMOVEDIR) == 0 { return }
  guard Errno.current == .directoryNotEmpty || Errno.current == .fileExists else { throw Errno.current }
  let children = try openat2(
    directory, name, flags: O_RDONLY | O_DIRECTORY | O_NOFOLLOW, resolve: directory == AT_FDCWD ? [] : [.noCrossDevice])
  for child in try directoryEntries(children.number) { try removeEntry(children.number, child) }
  try Errno.check(unlinkat(directory, name, AT_REMOVEDIR))
}

/// Names in a directory, without `.` and `..`, in the directory's own order.
public func directoryEntries(of path: FilePath) throws(Errno) -> [String] {
  let directory = try openat2(AT_FDCWD, path.string, flags: O_RDONLY | O_DIRECTORY)
  return try directoryEntries(directory.number)
}

/// Names in an open directory, without `.` and `..`, in the directory's own order.
public func directoryEntries(_ descriptor: CInt) throws(Errno) -> [String] { try entries(descriptor) { _ in true } }

/// The directories among them, on file systems that say what an entry is. (readdir(3), d_type)
public func subdirectories(_ descriptor: CInt) throws(Errno) -> [String] {
  try entries(descriptor) { $0 == UInt8(DT_DIR) }
}

private func entries(_ descriptor: CInt, where isWanted: (UInt8) -> Bool) throws(Errno) -> [String] {
  // fdopendir takes the descriptor over and shares its offset: read through one of its own.
  let number = try Errno.check(openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))
  guard let stream = fdopendir(number) else {
    let error = Errno.current
    close(number)
    throw error
  }
  defer { closedir(stream) }
  var names: [String] = []
  errno = 0
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != "..", isWanted(entry.pointee.d_type) { names.append(name) }
    errno = 0
  }
  guard errno == 0 else { throw Errno.current }
  return names
}

/// Asks the kernel to begin writing a part of a file to disk, so that a later flush has less to do.
/// It is only a hint: errors are the flush's to report.
public func beginWriteout(_ descriptor: CInt, offset: Int64, length: Int64) {
  _ = kernel_sync_file_range(descriptor, offset, length)
}
