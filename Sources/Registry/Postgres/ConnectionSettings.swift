internal import CPostgres

/// How connections are made: the URL, and what the registry adds where the URL says nothing.
struct ConnectionSettings: Sendable {
  private let url: String
  /// Host, port and database, to be shown: without user and password.
  let server: String
  /// Milliseconds that a statement, or the wait for a lock, may take.
  let statementTimeout: Int

  /// Throws `malformedURL`.
  init(url: String, statementTimeout: Int = 30_000) throws(PostgresError) {
    guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://") else {
      throw .malformedURL("it begins with postgres:// or postgresql://")
    }
    guard !url.utf8.contains(0) else { throw .malformedURL("it has a zero byte") }
    self.url = url
    self.statementTimeout = statementTimeout
    let fields = try Self.fields(url)
    let host = fields["host"] ?? fields["hostaddr"] ?? "the default host"
    let port = fields["port"].map { ":\($0)" } ?? ""
    server = "\(host)\(port)/\(fields["dbname"] ?? fields["user"] ?? "")"
  }

  /// Keywords and values as libpq reads them from the URL.
  private static func fields(_ url: String) throws(PostgresError) -> [String: String] {
    var message: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(url, &message) else {
      let text = message.map { String(cString: $0) } ?? "out of memory"
      if let message { PQfreemem(message) }
      // What libpq quotes of it may be the password.
      throw .malformedURL(String(text.prefix { $0 != "\"" && $0 != "\n" && $0 != ":" }))
    }
    defer { PQconninfoFree(options) }
    var fields: [String: String] = [:]
    var option = options
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { fields[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    return fields
  }

  /// Blocks until the connection stands. Throws `cannotConnect`.
  func connect() throws(PostgresError) -> OpaquePointer {
    // What stands before the URL is the default for what it leaves out.
    let parameters = [
      ("application_name", "clipper registry"), ("connect_timeout", "5"), ("keepalives_idle", "15"),
      ("keepalives_interval", "5"), ("keepalives_count", "3"), ("tcp_user_timeout", "\(statementTimeout)"),
      ("client_encoding", "UTF8"), ("dbname", url),
    ]
    let handle = Self.withTexts(parameters.map(\.0)) { keywords in
      Self.withTexts(parameters.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
    }
    guard let handle else { throw .cannotConnect(server: server, "out of memory") }
    guard PQstatus(handle) == CONNECTION_OK else {
      defer { PQfinish(handle) }
      throw .cannotConnect(server: server, Connection.message(handle))
    }
    return handle
  }

  /// The texts as C has them, with a null at the end.
  static func withTexts<Result>(
    _ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
  ) -> Result {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for text in texts {
      starts.append(bytes.count)
      bytes += text.utf8CString
    }
    return bytes.withUnsafeBufferPointer { buffer in
      let pointers = starts.map { start in buffer.baseAddress.map { $0 + start } } + [nil]
      return pointers.withUnsafeBufferPointer { body($0.baseAddress) }
    }
  }
}
