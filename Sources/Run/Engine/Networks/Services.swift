import Content
internal import GRDB
public import Sandboxes

extension Engine {
  /// Replaces what a service's addresses and ports lead to; no rules take it away.
  ///
  /// - Parameter rules: each with a name that no other service's has.
  public func setService(_ name: String, _ rules: [ServiceRule]) throws {
    let before = try self.rules(of: name)
    func place(_ rule: ServiceRule) -> ServiceRule {
      ServiceRule(name: rule.name, address: rule.address, port: rule.port, transport: rule.transport, backends: [])
    }
    let kept = Set(rules.map(place))
    // Recorded first: what is not in the kernel yet can be taken away all the same.
    try content.database.write { database in
      if rules.isEmpty {
        try database.execute(sql: "DELETE FROM services WHERE name = ?", arguments: [name])
      } else {
        try database.execute(
          sql: "INSERT OR REPLACE INTO services (name, rules) VALUES (?, ?)", arguments: [name, try encodedJSON(rules)])
      }
    }
    for rule in before where !kept.contains(place(rule)) { try NetworkSetup.removeService(rule) }
    for rule in rules { try NetworkSetup.setService(rule) }
  }

  public func removeService(_ name: String) throws { try setService(name, []) }

  /// Services and their rules.
  public func services() throws -> [(name: String, rules: [ServiceRule])] {
    try content.database.read { database in
      try Row.fetchAll(database, sql: "SELECT name, rules FROM services ORDER BY name").map { row in
        (row["name"], try decodedJSON(row["rules"]))
      }
    }
  }

  private func rules(of name: String) throws -> [ServiceRule] {
    try content.database.read { database in
      try String.fetchOne(database, sql: "SELECT rules FROM services WHERE name = ?", arguments: [name]).map { try decodedJSON($0) } ?? []
    }
  }
}
