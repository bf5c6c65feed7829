/// Why a command ended, and with which status. Docker's: 1 where the work failed, 125 where a flag or the engine
/// was at fault before a container ran, 126 and 127 where its program could not run or was not found.
public struct Failure: Error, CustomStringConvertible {
  public let description: String
  public let status: Int32

  public init(_ description: String, status: Int32 = 1) {
    self.description = description
    self.status = status
  }
}
