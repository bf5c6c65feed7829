public import SystemPackage

/// Why a bus could not be asked, or did not do what it was asked.
public enum BusError: Error, Hashable, Sendable, CustomStringConvertible {
  /// An address that this client cannot use.
  case address(String, problem: String)
  case connection(String, Errno)
  case refused(String)
  case timedOut(doing: String)
  /// The other end has closed the connection.
  case closed(doing: String)
  case transfer(doing: String, Errno)
  /// Bytes that are no D-Bus.
  case malformed(String)
  /// The other end's answer to a call.
  case reply(name: String, message: String)

  public var description: String {
    switch self {
    case .address(let address, let problem): "the bus address \"\(address)\" \(problem)"
    case .connection(let address, let error): "cannot connect to the bus at \(address): \(error)"
    case .refused(let answer): "the bus does not let this user in: it answered \"\(answer)\""
    case .timedOut(let doing): "the bus did not answer in time while \(doing)"
    case .closed(let doing): "the bus closed the connection while \(doing)"
    case .transfer(let doing, let error): "the connection to the bus broke while \(doing): \(error)"
    case .malformed(let what): "the bus sent what is no D-Bus: \(what)"
    case .reply(let name, let message): message.isEmpty ? name : "\(message) (\(name))"
    }
  }
}
