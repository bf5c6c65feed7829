/// What a statement is given and what it returns: the two kinds that every database stores alike, and nothing.
public enum SQLValue: Hashable, Sendable {
  case null
  /// 64 bits; booleans are 0 and 1.
  case integer(Int64)
  case text(String)
}

/// What may stand for a parameter of a statement.
public protocol SQLConvertible: Sendable {
  var sqlValue: SQLValue { get }
}

/// What a column may be read as; nil where the column has something else.
public protocol SQLReadable {
  init?(_ value: SQLValue)
}

extension SQLValue: SQLConvertible, SQLReadable {
  public var sqlValue: SQLValue { self }
  public init?(_ value: SQLValue) { self = value }
}

extension Int64: SQLConvertible, SQLReadable {
  public var sqlValue: SQLValue { .integer(self) }
  public init?(_ value: SQLValue) {
    guard case .integer(let number) = value else { return nil }
    self = number
  }
}

extension Int: SQLConvertible, SQLReadable {
  public var sqlValue: SQLValue { .integer(Int64(self)) }
  public init?(_ value: SQLValue) {
    guard case .integer(let number) = value else { return nil }
    self.init(exactly: number)
  }
}

extension Bool: SQLConvertible, SQLReadable {
  public var sqlValue: SQLValue { .integer(self ? 1 : 0) }
  public init?(_ value: SQLValue) {
    guard case .integer(let number) = value else { return nil }
    self = number != 0
  }
}

extension String: SQLConvertible, SQLReadable {
  public var sqlValue: SQLValue { .text(self) }
  public init?(_ value: SQLValue) {
    guard case .text(let text) = value else { return nil }
    self = text
  }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
  public var sqlValue: SQLValue { self?.sqlValue ?? .null }
}

extension Optional: SQLReadable where Wrapped: SQLReadable {
  public init?(_ value: SQLValue) {
    if value == .null {
      self = .none
      return
    }
    guard let wrapped = Wrapped(value) else { return nil }
    self = .some(wrapped)
  }
}

/// One row of a result. Columns are found by name.
public struct SQLRow: Sendable {
  private let columns: [String]
  private let values: [SQLValue]

  public init(columns: [String], values: [SQLValue]) {
    self.columns = columns
    self.values = values
  }

  /// Throws `MetadataError.unexpectedColumn` where there is no such column, or it holds something else.
  public subscript<Value: SQLReadable>(_ column: String) -> Value {
    get throws {
      guard let index = columns.firstIndex(of: column), let value = Value(values[index]) else {
        throw MetadataError.unexpectedColumn(column)
      }
      return value
    }
  }

  /// The first column.
  func first<Value: SQLReadable>() throws -> Value? {
    guard let found = values.first, found != .null else { return nil }
    guard let value = Value(found) else { throw MetadataError.unexpectedColumn(columns.first ?? "") }
    return value
  }
}

public enum MetadataError: Error, Hashable, Sendable, CustomStringConvertible {
  case unexpectedColumn(String)
  /// The database cannot be reached, or cannot write; the text says why.
  case unavailable(String)
  /// The database's disk is full.
  case full(String)

  public var description: String {
    switch self {
    case .unexpectedColumn(let column): "the registry's database has an unexpected value in the column \"\(column)\""
    case .unavailable(let why): "the registry's database does not answer: \(why)"
    case .full(let why): "the registry's database has no room: \(why)"
    }
  }
}
