/// Removes things by their names: prints each that went, goes on after one that is not there, and fails for those in the
/// end. `remove` returns whether there was one of that name.
func removeNamed(_ names: [String], _ kind: String, _ remove: (String) throws -> Bool) throws {
  var unknown: [String] = []
  for name in names {
    if try remove(name) { printOutput(name + "\n") } else { unknown.append(name) }
  }
  guard unknown.isEmpty else { throw Failure("no such \(kind): \(unknown.joined(separator: ", "))") }
}
