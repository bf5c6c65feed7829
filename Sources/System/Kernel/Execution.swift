internal import CKernel
import Glibc
public import SystemPackage

/// Replaces the program of this process. Both return only by failing.
public enum Execution {
  /// (execve(2))
  public static func execute(_ path: String, _ arguments: [String], environment: [String]) -> Errno {
    withVectors(arguments, environment) { argv, envp in
      execve(path, argv, envp)
      return Errno.current
    }
  }

  /// The program that a descriptor is open at. (execveat(2), AT_EMPTY_PATH)
  public static func execute(descriptor: CInt, _ arguments: [String], environment: [String]) -> Errno {
    withVectors(arguments, environment) { argv, envp in
      _ = kernel_execveat(descriptor, "", argv, envp, 0x1000)
      return Errno.current
    }
  }

  private typealias Vector = UnsafePointer<UnsafeMutablePointer<CChar>?>

  private static func withVectors(
    _ arguments: [String], _ environment: [String],
    _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>, UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Errno
  ) -> Errno {
    let argv = arguments.map { strdup($0) } + [nil]
    let envp = environment.map { strdup($0) } + [nil]
    defer {
      for pointer in argv { free(pointer) }
      for pointer in envp { free(pointer) }
    }
    return argv.withUnsafeBufferPointer { argv in
      envp.withUnsafeBufferPointer { envp in body(argv.baseAddress!, envp.baseAddress!) }
    }
  }

  /// Whether the effective user may do `mode` (X_OK and so on) to a file. (faccessat2(2), AT_EACCESS)
  public static func access(_ path: String, _ mode: CInt, directory: CInt = workingDirectory) throws(Errno) {
    let flags: CInt = path.isEmpty ? 0x200 | 0x1000 : 0x200
    try Errno.check(kernel_faccessat2(directory, path, mode, flags))
  }

  /// Every descriptor from `first` on is closed by the next execve. (close_range(2), CLOSE_RANGE_CLOEXEC)
  public static func closeOnExecute(from first: CInt) throws(Errno) {
    try Errno.check(kernel_close_range(UInt32(first), ~0, 4))
  }

  public static func close(from first: CInt, through last: CInt = .max) throws(Errno) {
    guard first <= last else { return }
    try Errno.check(kernel_close_range(UInt32(first), UInt32(last), 0))
  }

  /// Closes every descriptor from `first` on but those in `kept`.
  public static func close(from first: CInt, keeping kept: [CInt]) throws(Errno) {
    var next = first
    for number in kept.sorted() where number >= next {
      try close(from: next, through: number - 1)
      next = number + 1
    }
    try close(from: next)
  }

  /// The working directory as the kernel says it: `(unreachable)/…` where it is outside of this process's root.
  public static func workingDirectoryPath() throws(Errno) -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    try Errno.check(kernel_getcwd(&buffer, 4096))
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// A file in memory that nobody can change any more, with the content of another. (memfd_create(2), F_ADD_SEALS)
  public static func sealedCopy(of file: CInt, size: Int, name: String) throws(Errno) -> OwnedDescriptor {
    // MFD_CLOEXEC, MFD_ALLOW_SEALING, and MFD_EXEC: the sysctl vm.memfd_noexec decides where nothing is said.
    var number = kernel_memfd_create(name, 1 | 2 | 0x10)
    // Before Linux 6.3.
    if number < 0, Errno.current == .invalidArgument { number = kernel_memfd_create(name, 1 | 2) }
    let memory = OwnedDescriptor(try Errno.check(number))
    var offset: off_t = 0
    while offset < size {
      let count = try Errno.retrying { sendfile(memory.number, file, &offset, size - Int(offset)) }
      guard count > 0 else { throw .ioError }
    }
    // F_SEAL_SEAL, SHRINK, GROW, WRITE
    try Errno.check(fcntl(memory.number, 1033 /* F_ADD_SEALS */, 1 | 2 | 4 | 8))
    return memory
  }

  /// Whether a descriptor is a file in memory that is sealed against writing.
  public static func isSealed(_ descriptor: CInt) -> Bool {
    let seals = fcntl(descriptor, 1034 /* F_GET_SEALS */)
    return seals >= 0 && seals & 8 != 0
  }
}

/// Scheduling of the calling process. (sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2))
public enum Scheduling {
  public static func set(
    policy: UInt32, flags: UInt64, nice: Int32, priority: UInt32, runtime: UInt64, deadline: UInt64, period: UInt64
  ) throws(Errno) {
    try Errno.check(kernel_sched_setattr(policy, flags, nice, priority, runtime, deadline, period))
  }

  /// - Parameters:
  ///   - kind: 1 real time, 2 best effort, 3 idle.
  ///   - level: 0 to 7.
  public static func setIOPriority(kind: Int, level: Int) throws(Errno) {
    try Errno.check(kernel_ioprio_set(1 /* IOPRIO_WHO_PROCESS */, 0, CInt(kind << 13 | level)))
  }

  public static func setMemoryPolicy(mode: CInt, nodes: Set<Int>) throws(Errno) {
    var mask = bitMask(nodes)
    // The kernel takes one bit less than it is told.
    try Errno.check(kernel_set_mempolicy(mode, &mask, UInt(mask.count * UInt.bitWidth + 1)))
  }

  public static func setAffinity(_ processors: Set<Int>) throws(Errno) {
    let mask = bitMask(processors)
    try Errno.check(kernel_sched_setaffinity(mask, UInt(mask.count * MemoryLayout<UInt>.size)))
  }

  /// Every processor that the process's cgroup lets it have.
  public static func setAffinityToAll() throws(Errno) {
    let mask = [UInt](repeating: .max, count: 1024 / MemoryLayout<UInt>.size)
    try Errno.check(kernel_sched_setaffinity(mask, 1024))
  }

  public static func setPersonality(_ personality: UInt) throws(Errno) {
    try Errno.check(kernel_personality(personality))
  }

  private static func bitMask(_ numbers: Set<Int>) -> [UInt] {
    var mask = [UInt](repeating: 0, count: (numbers.max() ?? 0) / UInt.bitWidth + 1)
    for number in numbers { mask[number / UInt.bitWidth] |= 1 << UInt(number % UInt.bitWidth) }
    return mask
  }
}

/// Gives the pages of this program's own code back: they are read again from the page cache when they run again.
/// What they cost is counted for a process that sleeps most of its life. (madvise(2), MADV_DONTNEED)
public func dropProgramPages() {
  kernel_each_read_only_segment { start, size in madvise(start, size, 4 /* MADV_DONTNEED */) }
}

extension Execution {
  /// An empty file in memory. (memfd_create(2))
  public static func memoryFile(_ name: String) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(kernel_memfd_create(name, 1 /* MFD_CLOEXEC */)))
  }
}
