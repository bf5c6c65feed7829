import Glibc
public import SystemPackage

/// A file descriptor with one owner, closed when the owner goes.
public struct OwnedDescriptor: ~Copyable, Sendable {
  public let number: CInt

  /// Takes ownership of an open descriptor.
  public init(_ number: CInt) { self.number = number }

  deinit { close(number) }

  /// Gives the descriptor up: the caller closes it.
  public consuming func release() -> CInt {
    let number = number
    discard self
    return number
  }

  /// A second descriptor of the same open file, close-on-exec.
  public func duplicate() throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try Errno.check(fcntl(number, F_DUPFD_CLOEXEC, 0)))
  }
}

extension Errno {
  public static var current: Errno { Errno(rawValue: errno) }

  /// The result of a system call, or errno as an error where it is negative.
  @discardableResult
  public static func check<Result: SignedInteger>(_ result: Result) throws(Errno) -> Result {
    guard result >= 0 else { throw Errno(rawValue: errno) }
    return result
  }

  /// The same, once more for each time that a signal came in between.
  @discardableResult
  public static func retrying<Result: SignedInteger>(_ call: () -> Result) throws(Errno) -> Result {
    while true {
      let result = call()
      if result >= 0 { return result }
      let error = Errno(rawValue: errno)
      guard error == .interrupted else { throw error }
    }
  }
}
