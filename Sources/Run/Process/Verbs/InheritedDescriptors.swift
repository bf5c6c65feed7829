import Glibc
import Kernel
import SystemPackage

/// Descriptors that the caller has opened for this program, or should have.
enum InheritedDescriptors {
  /// How many sockets a service manager hands on, from descriptor 3 on. Asked for first in the process that they are
  /// meant for. (sd_listen_fds(3))
  static let listening: CInt = {
    guard let count = getenv("LISTEN_FDS").flatMap({ CInt(String(cString: $0)) }), (1...1024).contains(count),
      let pid = getenv("LISTEN_PID").flatMap({ pid_t(String(cString: $0)) }), pid == getpid()
    else { return 0 }
    return count
  }()

  /// What tells the program of them.
  static func listeningEnvironment() -> [String] {
    guard listening > 0 else { return [] }
    let names = getenv("LISTEN_FDNAMES").map { ["LISTEN_FDNAMES=\(String(cString: $0))"] } ?? []
    return ["LISTEN_FDS=\(listening)", "LISTEN_PID=1"] + names
  }

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
  /// `--preserve-fds`: how many descriptors from 3 on go to the program, after those of `LISTEN_FDS`. All of them are
  /// there before the runtime opens anything: a number that is free would become a file of the host's, and be handed to
  /// the container. (CVE-2024-21626)
  func preservedDescriptors(afterListening listening: CInt = 0) throws -> CInt {
    let count = Int(try number("preserve-fds") ?? 0) + Int(listening)
    for number in 3..<(3 + count) {
      // What was inherited is never close-on-exec, and what this program has opened, as its log, always is.
      guard fcntl(CInt(truncatingIfNeeded: number), F_GETFD) != 0 else { continue }
      throw RuntimeError.usage(
        "--preserve-fds\(listening > 0 ? " and LISTEN_FDS are" : " is") \(count), and descriptor \(number) is not open")
    }
    return CInt(count)
  }
}
