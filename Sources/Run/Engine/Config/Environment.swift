/// A container's environment: Docker's own, then the image's, then what was asked for.
enum ContainerEnvironment {
  static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  /// - Parameters:
  ///   - image: `NAME=value`.
  ///   - options: `NAME=value`; a name alone takes the variable away.
  ///   - home: for HOME, where nobody else sets it.
  static func merge(image: [String], options: [String], hostname: String, terminal: Bool, home: String) -> [String] {
    var merged: [String] = []
    var index: [Substring: Int] = [:]
    var removed: Set<Substring> = []
    func set(_ assignment: String) {
      let name = assignment.prefix { $0 != "=" }
      guard name.endIndex != assignment.endIndex else {
        removed.insert(name)
        return
      }
      removed.remove(name)
      if let place = index[name] {
        merged[place] = assignment
      } else {
        index[name] = merged.count
        merged.append(assignment)
      }
    }
    set("PATH=\(defaultPath)")
    set("HOSTNAME=\(hostname)")
    if terminal { set("TERM=xterm") }
    for assignment in image + options { set(assignment) }
    if index["HOME"] == nil, !removed.contains("HOME") { set("HOME=\(home)") }
    return removed.isEmpty ? merged : merged.filter { !removed.contains($0.prefix { $0 != "=" }) }
  }
}
