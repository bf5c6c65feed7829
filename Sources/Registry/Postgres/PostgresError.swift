/// What went wrong with the PostgreSQL database. No text of it has a password.
public enum PostgresError: Error, CustomStringConvertible {
  /// The URL cannot be read.
  case malformedURL(String)
  case cannotConnect(server: String, String)
  /// All connections were in use for the whole time that one may be waited for.
  case busy(connections: Int)
  case unsuitable(server: String, String)
  case malformed(String, String)
  /// The server refused a statement. `state` is SQLSTATE. (PostgreSQL, appendix A)
  case refused(state: String, String)
  /// The connection ended.
  case lost(String)
  /// The connection ended between the request to commit and its answer: what was written may be there or not.
  case commitUnknown(String)
  /// Other transactions were in the way for too long.
  case contended(attempts: Int)

  public var description: String {
    switch self {
    case .malformedURL(let why): "the database's URL is not of the form postgres://USER@HOST:PORT/DATABASE: \(why)"
    case .cannotConnect(let server, let why): "cannot connect to the database at \(server): \(why)"
    case .busy(let connections):
      "all \(connections) connections to the database were busy for too long; raise their number or look at its load"
    case .unsuitable(let server, let why): "the database at \(server) cannot be used: \(why)"
    case .malformed(let sql, let why): "malformed statement \"\(sql)\": \(why)"
    case .refused(let state, let message): "the database refused: \(message) (SQLSTATE \(state))"
    case .lost(let why): "the connection to the database was lost: \(why)"
    case .commitUnknown(let why):
      "the connection to the database was lost while it committed (\(why)); look whether the change is there and repeat it"
    case .contended(let attempts):
      "\(attempts) attempts at a transaction met other ones that changed the same rows; try again later"
    }
  }

  /// The transaction met another one and may be run again from its start. (PostgreSQL, 13.5)
  var isConflict: Bool {
    if case .refused(let state, _) = self { return state == "40001" || state == "40P01" }
    return false
  }

  /// The connection is of no more use; another one may be.
  var isLoss: Bool {
    switch self {
    case .lost: true
    // Shut down, crashed, starting up; or a server that became a replica, which only reads.
    case .refused(let state, _):
      state.hasPrefix("08") || ["57P01", "57P02", "57P03", "25006", "25P03"].contains(state)
    default: false
    }
  }
}
