internal import CPostgres
internal import Metadata

/// One connection to the server. Used by one thread at a time.
final class Connection: @unchecked Sendable {
  private let handle: OpaquePointer
  let settings: ConnectionSettings
  private var parsed: [String: ParsedSQL] = [:]
  /// Names of prepared statements; a statement is prepared for the types of its arguments.
  private var prepared: [Preparation: String] = [:]
  private var preparations = 0
  private(set) var isBroken = false

  private struct Preparation: Hashable {
    let sql: String
    let types: [Oid]
  }

  /// int8 and text. (pg_type.dat)
  private static let integerType: Oid = 20, textType: Oid = 25

  /// Throws `cannotConnect` or `unsuitable`.
  init(_ settings: ConnectionSettings) throws(PostgresError) {
    self.settings = settings
    handle = try settings.connect()
    // libpq would print them to standard error.
    PQsetNoticeProcessor(handle, { _, _ in }, nil)
    try prepareSession()
  }

  deinit { PQfinish(handle) }

  private func prepareSession() throws(PostgresError) {
    let server = settings.server
    let version = PQserverVersion(handle)
    guard version >= 12_00_00 else {
      throw .unsuitable(server: server, "it is PostgreSQL \(version / 10_000), and 12 is the oldest that will do")
    }
    let encoding = PQparameterStatus(handle, "server_encoding").map { String(cString: $0) } ?? "unknown"
    guard encoding == "UTF8" else {
      throw .unsuitable(server: server, "its encoding is \(encoding), not UTF8; make another with ENCODING 'UTF8'")
    }
    try script(
      """
      SET client_min_messages = error;
      SET statement_timeout = \(settings.statementTimeout);
      SET lock_timeout = \(settings.statementTimeout);
      SET idle_in_transaction_session_timeout = \(settings.statementTimeout * 2)
      """)
  }

  // MARK: statements

  /// What is sent together and answered together.
  enum Command {
    /// Without arguments and rows.
    case control(String)
    case statement(String, [SQLValue])
  }

  struct Answer {
    var rows: [SQLRow] = []
    /// Rows that were changed.
    var changes = 0
  }

  /// Several statements in one text, one after the other, in the transaction that is open or one of their own.
  func script(_ sql: String) throws(PostgresError) {
    guard let result = PQexec(handle, sql) else { throw lost() }
    defer { PQclear(result) }
    let status = PQresultStatus(result)
    guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else { throw failure(result) }
  }

  /// Sends all commands at once, and waits once. After one that fails, the rest is not run.
  func run(_ commands: [Command]) throws(PostgresError) -> [Answer] {
    guard PQenterPipelineMode(handle) == 1 else { throw lost() }
    var expected: [Expectation] = []
    for command in commands {
      switch command {
      case .control(let sql):
        guard PQsendQueryParams(handle, sql, 0, nil, nil, nil, nil, 0) == 1 else { throw lost() }
        expected.append(.answer)
      case .statement(let sql, let arguments): try send(sql, arguments, &expected)
      }
    }
    guard PQpipelineSync(handle) == 1 else { throw lost() }
    return try receive(expected)
  }

  private enum Expectation {
    case answer
    /// That of a statement's preparation under this name.
    case preparation(Preparation, String)
  }

  private func send(_ sql: String, _ arguments: [SQLValue], _ expected: inout [Expectation]) throws(PostgresError) {
    let source = parsed[sql] ?? ParsedSQL(sql)
    parsed[sql] = source
    let statement = try Statement(source, arguments)
    let values = statement.parameters.map { arguments[$0] }
    let types = values.map { if case .integer = $0 { Self.integerType } else { Self.textType } }
    let preparation = Preparation(sql: statement.sql, types: types)
    let name: String
    if let known = prepared[preparation] {
      name = known
    } else {
      preparations += 1
      name = "s\(preparations)"
      guard PQsendPrepare(handle, name, statement.sql, CInt(types.count), types) == 1 else { throw lost() }
      expected.append(.preparation(preparation, name))
    }
    let isSent = ConnectionSettings.withTexts(values.map(Self.text)) { texts in
      PQsendQueryPrepared(handle, name, CInt(values.count), texts, nil, nil, 0)
    }
    guard isSent == 1 else { throw lost() }
    expected.append(.answer)
  }

  private static func text(_ value: SQLValue) -> String {
    switch value {
    case .integer(let number): String(number)
    case .text(let text): text
    case .null: ""
    }
  }

  /// Between two transactions: statements that were put together from parts must not fill the server's memory.
  func trim() {
    if parsed.count > Self.capacity { parsed = [:] }
    guard prepared.count > Self.capacity, !isBroken else { return }
    prepared = [:]
    if (try? script("DEALLOCATE ALL")) == nil { isBroken = true }
  }

  private static let capacity = 512

  // MARK: answers

  private func receive(_ expected: [Expectation]) throws(PostgresError) -> [Answer] {
    var answers: [Answer] = []
    var failure: PostgresError?
    for expectation in expected {
      guard let result = PQgetResult(handle) else { throw lost() }
      defer { PQclear(result) }
      switch (PQresultStatus(result), expectation) {
      case (PGRES_TUPLES_OK, .answer), (PGRES_COMMAND_OK, .answer): answers.append(Self.answer(result))
      case (PGRES_COMMAND_OK, .preparation(let preparation, let name)): prepared[preparation] = name
      // Left out because one before it failed.
      case (PGRES_PIPELINE_ABORTED, _): break
      default: failure = failure ?? self.failure(result)
      }
      guard !isBroken else { break }
      // Each command's results end with a null.
      while let more = PQgetResult(handle) { PQclear(more) }
    }
    if !isBroken { try endPipeline() }
    if let failure { throw failure }
    return answers
  }

  /// Takes in the answer to the synchronisation itself.
  private func endPipeline() throws(PostgresError) {
    guard let result = PQgetResult(handle) else { throw lost() }
    let isSync = PQresultStatus(result) == PGRES_PIPELINE_SYNC
    PQclear(result)
    guard isSync, PQexitPipelineMode(handle) == 1 else { throw lost() }
  }

  private static func answer(_ result: OpaquePointer) -> Answer {
    var answer = Answer()
    let text = String(cString: PQcmdTuples(result))
    answer.changes = Int(text) ?? 0
    let columns = PQnfields(result)
    guard columns > 0 else { return answer }
    let names = (0..<columns).map { String(cString: PQfname(result, $0)) }
    let types = (0..<columns).map { PQftype(result, $0) }
    answer.rows = (0..<PQntuples(result)).map { row in
      SQLRow(columns: names, values: (0..<columns).map { value(result, row, $0, types[Int($0)]) })
    }
    return answer
  }

  private static func value(_ result: OpaquePointer, _ row: CInt, _ column: CInt, _ type: Oid) -> SQLValue {
    guard PQgetisnull(result, row, column) == 0, let pointer = PQgetvalue(result, row, column) else { return .null }
    switch type {
    // bool: what EXISTS and comparisons give; the dialect has 0 and 1.
    case 16: return .integer(pointer.pointee == CChar(UInt8(ascii: "t")) ? 1 : 0)
    // int8, int2, int4; numeric is what SUM gives.
    case 20, 21, 23, 1700:
      let text = String(cString: pointer)
      return Int64(text).map { .integer($0) } ?? .text(text)
    default: return .text(String(cString: pointer))
    }
  }

  // MARK: failures

  private func failure(_ result: OpaquePointer) -> PostgresError {
    guard PQstatus(handle) == CONNECTION_OK else { return lost() }
    func field(_ code: UInt8) -> String? {
      PQresultErrorField(result, CInt(code)).map { String(cString: $0) }
    }
    // Primary message and SQLSTATE; the detail may quote a row's values, which belong into no log. (libpq, 34.3.2)
    let error = PostgresError.refused(
      state: field(UInt8(ascii: "C")) ?? "XX000", field(UInt8(ascii: "M")) ?? Self.message(handle))
    if error.isLoss { isBroken = true }
    return error
  }

  private func lost() -> PostgresError {
    isBroken = true
    return .lost(Self.message(handle))
  }

  static func message(_ handle: OpaquePointer) -> String {
    let text = PQerrorMessage(handle).map { String(cString: $0) } ?? ""
    let lines = text.split(separator: "\n").joined(separator: "; ")
    return lines.isEmpty ? "no reason was given" : lines
  }
}
