import Glibc
import Kernel
import SystemPackage

/// Descriptors that the caller has opened for this program, or should have.
enum InheritedDescriptors {
  /// Standard input, output and error exist: a file of the host's that the runtime opens must not come to be one of
  /// them, where messages are written to and the container's program looks for its own.
  static func completeStandardStreams() throws {
    for number in CInt(0)...2 where fcntl(number, F_GETFD) < 0 {
      try attempt("open /dev/null in the place of the closed descriptor \(number)") { () throws(Errno) in
        // The lowest free number.
        let null = try openat2(workingDirectory, "/dev/null", flags: O_RDWR | O_NOCTTY).release()
        try Errno.check(fcntl(null, F_SETFD, 0))
      }
    }
  }
}

extension Arguments {
  /// `--preserve-fds`: how many descriptors from 3 on go to the program. All of them are there before the runtime opens
  /// anything: a number that is free would become a file of the host's, and be handed to the container. (CVE-2024-21626)
  func preservedDescriptors() throws -> CInt {
    guard let count = try number("preserve-fds") else { return 0 }
    for number in 3..<(3 + Int(count)) where fcntl(CInt(truncatingIfNeeded: number), F_GETFD) < 0 {
      throw RuntimeError.usage("--preserve-fds is \(count), and descriptor \(number) is not open")
    }
    return count
  }
}
