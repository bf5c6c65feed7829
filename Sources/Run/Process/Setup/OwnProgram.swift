import Glibc
import Kernel
import RuntimeSpec
import SystemPackage

/// The file of the running runtime, which a container must not be able to write to.
///
/// A container's process can come to hold `/proc/PID/exe` of a runtime's process, for example by having
/// `/proc/self/exe` executed as a script's interpreter, and write to the host's file once nobody executes it any more.
/// (CVE-2019-5736) A runtime that could be written to therefore first executes itself from a mount of its file that is
/// read-only and attached nowhere: a descriptor of it can never be opened for writing. It costs one execve of a static
/// program. Where there is no right to mount, a sealed copy in memory does the same.
enum OwnProgram {
  static func open() throws -> OpenFile {
    OpenFile(
      try attempt("open /proc/self/exe") { () throws(Errno) in
        try openat2(workingDirectory, "/proc/self/exe", flags: pathOnly)
      })
  }

  /// Returns when the program runs from a file that nobody can write to.
  static func protect(arguments: [String], environment: [String]) throws {
    let program = try attempt("open /proc/self/exe") { () throws(Errno) in
      try openat2(workingDirectory, "/proc/self/exe", flags: O_RDONLY)
    }
    if try attempt("look at /proc/self/exe", .other, { () throws(Errno) in try Mounts.isReadOnly(program.number) }) {
      return
    }
    if Execution.isSealed(program.number) { return }
    do throws(Errno) {
      try Execution.access("/proc/self/exe", W_OK)
    } catch {
      // Neither this user nor a container of its can write to it. Its owner could take the right to, and so could root of
      // a namespace that maps the owner: from an ordinary user the machine's root alone is out of reach.
      if geteuid() == 0 { return }
      let file = try attempt("look at /proc/self/exe") { () throws(Errno) in try status(of: program.number) }
      if file.st_uid == 0, file.st_mode & 0o022 == 0 { return }
    }
    let copy = try readOnlyFile(program.number)
    let error = Execution.execute(descriptor: copy.number, arguments, environment: environment)
    throw RuntimeError.call(doing: "execute the runtime's own program again", error, .other)
  }

  private static func readOnlyFile(_ program: CInt) throws -> OwnedDescriptor {
    do throws(Errno) {
      let tree = try Mounts.copy(program, recursive: false)
      try Mounts.change(tree.number, set: [.readOnly, .noSetID])
      return tree
    } catch {
      let size = try attempt("look at /proc/self/exe") { () throws(Errno) in Int(try status(of: program).st_size) }
      return try attempt("copy the runtime's program to memory") { () throws(Errno) in
        try Execution.sealedCopy(of: program, size: size, name: "clipper-runtime")
      }
    }
  }
}
