internal import Kernel
public import SystemPackage

/// Reads a server's settings from where they may stand: a flag comes before the environment, that before the file, and the
/// file before the default.
///
/// Sections ask for their keys; what nobody asked for is a mistake. Problems are gathered, so that all are told at once.
public final class ConfigurationReader {
  /// A setting given by a flag.
  public struct Flag: Sendable {
    /// `tls.mode`
    public let key: String
    /// `--tls`
    public let name: String
    /// More than one where the key is a list.
    public let values: [String]

    public init(_ key: String, _ name: String, _ values: [String]) {
      self.key = key
      self.name = name
      self.values = values
    }
  }

  public static let environmentPrefix = "CLIPPER_REGISTRY_"

  private let root: ConfigurationNode
  private let file: String
  private let environment: [String: String]
  private let flags: [String: Flag]
  private var readVariables: Set<String> = []
  private var readFlags: Set<String> = []
  fileprivate var otherNames: [String: String] = [:]
  private var sections: [String: Section] = [:]
  fileprivate var problems: [ConfigurationProblems.Problem] = []
  fileprivate var settings: [EffectiveSetting] = []

  /// `file` is nil where there is none. Throws where it cannot be read or is no mapping of sections.
  public convenience init(file: FilePath?, environment: [String: String], flags: [Flag]) throws(ConfigurationProblems) {
    var bytes: [UInt8] = []
    if let file {
      do { bytes = try readFile(file, limit: 2 << 20) } catch {
        throw ConfigurationProblems(file.string, 0, "", "cannot read it: \(error)")
      }
    }
    try self.init(bytes, name: file?.string ?? "", environment: environment, flags: flags)
  }

  public init(_ bytes: [UInt8], name: String, environment: [String: String], flags: [Flag]) throws(ConfigurationProblems) {
    root = try ConfigurationNode.parse(bytes, file: name)
    file = name
    // Kubernetes describes a service called clipper-registry to its neighbours by variables of these names.
    // (kubernetes.io, Service, Environment variables)
    self.environment = environment.filter { name, _ in
      guard name.hasPrefix(Self.environmentPrefix) else { return false }
      let rest = name.dropFirst(Self.environmentPrefix.count)
      return rest != "PORT" && !rest.hasPrefix("PORT_") && !rest.hasPrefix("SERVICE_") && rest != "CONFIG"
    }
    self.flags = Dictionary(flags.map { ($0.key, $0) }) { Flag($0.key, $1.name, $0.values + $1.values) }
    guard case .mapping = root.content else {
      throw ConfigurationProblems(name, root.line, "", "it is \(root.kind), not a mapping of sections")
    }
  }

  /// The section of a name; one that the file lacks is empty.
  public func section(_ name: String) -> Section {
    if let known = sections[name] { return known }
    var node: ConfigurationNode?
    if case .mapping(let members) = root.content { node = members.first { $0.key == name }?.value }
    let section = Section(self, name, node, isWhole: true)
    sections[name] = section
    return section
  }

  /// Throws all that was wrong; else what every setting is and where it comes from.
  public func finish() throws(ConfigurationProblems) -> EffectiveConfiguration {
    if case .mapping(let members) = root.content {
      for (key, value) in members where sections[key] == nil {
        problem(place(value.line), key, "no such section; there are " + sections.keys.sorted().joined(separator: ", "))
      }
    }
    for section in sections.values.sorted(by: { $0.path < $1.path }) { section.checkUnread() }
    for name in environment.keys.sorted() where !readVariables.contains(name) {
      problem("the environment's \(name)", "", "no setting is called so")
    }
    for flag in flags.values.sorted(by: { $0.key < $1.key }) where !readFlags.contains(flag.key) {
      problem(flag.name, flag.key, "no such setting")
    }
    guard problems.isEmpty else { throw ConfigurationProblems(problems) }
    return EffectiveConfiguration(settings: settings)
  }

  fileprivate func place(_ line: Int) -> String { line > 0 ? "\(file):\(line)" : file }

  fileprivate func problem(_ place: String, _ key: String, _ message: String) {
    problems.append(.init(place: place, key: key, message: message))
  }

  fileprivate func flag(_ key: String) -> Flag? {
    guard let flag = flags[key] else { return nil }
    readFlags.insert(key)
    return flag
  }

  fileprivate func variable(_ key: String) -> (name: String, value: String)? {
    let name = Self.environmentPrefix + String(key.uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 })
    if let other = otherNames[key] { readVariables.insert(other) }
    if let value = environment[name] {
      readVariables.insert(name)
      return (name, value)
    }
    guard let other = otherNames[key], let value = environment[other] else { return nil }
    // A manifest may well name it and leave it empty.
    return value.isEmpty ? nil : (other, value)
  }

  /// The keys of one subject.
  public final class Section {
    public let path: String
    private let reader: ConfigurationReader
    private let members: [(key: String, value: ConfigurationNode)]
    private let line: Int
    /// False for an entry of a list, which stands in the file alone.
    private let isWhole: Bool
    private var read: Set<String> = []

    fileprivate init(_ reader: ConfigurationReader, _ path: String, _ node: ConfigurationNode?, isWhole: Bool) {
      self.reader = reader
      self.path = path
      self.isWhole = isWhole
      line = node?.line ?? 0
      switch node?.content {
      case .mapping(let found): members = found
      case .some(.none), nil: members = []
      case .text, .list:
        members = []
        reader.problem(reader.place(line), path, "it is \(node?.kind ?? ""), not a mapping of keys")
      }
    }

    fileprivate func checkUnread() {
      for (key, value) in members where !read.contains(key) {
        let known = read.sorted().joined(separator: ", ")
        reader.problem(reader.place(value.line), "\(path).\(key)", "no such key; there are \(known)")
      }
    }

    /// Says that a setting, which may be of the right form, is wrong.
    public func refuse(_ key: String, _ message: String) {
      reader.problem(source(key).place, "\(path).\(key)", message)
    }

    /// Gives a key a second variable, which is read where the one by its own name is not there.
    public func also(_ key: String, _ variable: String) { reader.otherNames["\(path).\(key)"] = variable }

    /// A setting with a default. `isLive`: a running server takes a change of it in.
    public func value<Value: ConfigurationValue>(_ key: String, default value: Value, isLive: Bool = false) -> Value {
      optional(key, isLive: isLive, shownDefault: value.configurationText) ?? value
    }

    /// The same within bounds.
    public func value<Value: ConfigurationValue & Comparable>(
      _ key: String, default value: Value, in range: ClosedRange<Value>, isLive: Bool = false
    ) -> Value {
      let found = self.value(key, default: value, isLive: isLive)
      guard range.contains(found) else {
        refuse(
          key, "it must be from \(range.lowerBound.configurationText) to \(range.upperBound.configurationText)")
        return value
      }
      return found
    }

    /// A setting that may be left out.
    public func optional<Value: ConfigurationValue>(_ key: String, as type: Value.Type = Value.self, isLive: Bool = false)
      -> Value?
    {
      optional(key, isLive: isLive, shownDefault: nil)
    }

    private func optional<Value: ConfigurationValue>(_ key: String, isLive: Bool, shownDefault: String?) -> Value? {
      let (texts, place) = source(key)
      guard let texts else {
        note(key, shownDefault.map { [$0] } ?? [], "default", isLive: isLive, isList: false)
        return nil
      }
      guard texts.count == 1 else {
        refuse(key, "it takes one value, not \(texts.count)")
        return nil
      }
      guard let value = Value(configuration: texts[0]) else {
        refuse(key, "\"\(texts[0].prefix(160))\" is not \(Value.expected)")
        return nil
      }
      note(key, [value.configurationText], place, isLive: isLive, isList: false)
      return value
    }

    /// A list of values; commas part them in the environment.
    public func list<Value: ConfigurationValue>(_ key: String, default values: [Value] = [], isLive: Bool = false) -> [Value] {
      let (texts, place) = source(key, isList: true)
      guard let texts else {
        note(key, values.map(\.configurationText), "default", isLive: isLive, isList: true)
        return values
      }
      let parsed = texts.compactMap { text -> Value? in
        if let value = Value(configuration: text) { return value }
        refuse(key, "\"\(text.prefix(160))\" is not \(Value.expected)")
        return nil
      }
      note(key, parsed.map(\.configurationText), place, isLive: isLive, isList: true)
      return parsed
    }

    /// A secret: as it is, or in a file of its own by `<key>-file`, without the line's end. Shown nowhere.
    public func secret(_ key: String, isLive: Bool = false) -> String? {
      let path: FilePath? = optional(key + "-file", isLive: isLive)
      let (texts, place) = source(key)
      if let texts {
        guard path == nil else {
          refuse(key, "give it, or \(key)-file, not both")
          return nil
        }
        guard texts.count == 1, !texts[0].isEmpty else {
          refuse(key, "it is empty")
          return nil
        }
        note(key, texts, place, isLive: isLive, isList: false, isSecret: true)
        return texts[0]
      }
      note(key, [], "default", isLive: isLive, isList: false, isSecret: true)
      guard let path else { return nil }
      do {
        let text = String(decoding: try readFile(path, limit: 64 << 10), as: UTF8.self)
        let secret = String(text.prefix { !$0.isNewline })
        if secret.isEmpty { refuse(key + "-file", "\(path) has no first line") }
        return secret
      } catch {
        refuse(key + "-file", "cannot read \(path): \(error)")
        return nil
      }
    }

    /// The entries of a list of mappings. Such a list stands in the file alone.
    public func entries(_ key: String) -> [Section] {
      read.insert(key)
      guard let node = members.first(where: { $0.key == key })?.value else { return [] }
      switch node.content {
      case .none: return []
      case .list(let elements):
        return elements.enumerated().map { Section(reader, "\(path).\(key)[\($0)]", $1, isWhole: false) }
      case .text, .mapping:
        refuse(key, "it is \(node.kind), not a list")
        return []
      }
    }

    /// To be called once all keys of an entry were asked for.
    public func end() { checkUnread() }

    /// What a key is given, and where; nil for its default.
    private func source(_ key: String, isList: Bool = false) -> (texts: [String]?, place: String) {
      read.insert(key)
      let full = "\(path).\(key)"
      // Looked at although a flag may come before it: a variable that is not needed is no mistake.
      let variable = isWhole ? reader.variable(full) : nil
      if isWhole, let flag = reader.flag(full) { return (flag.values, flag.name) }
      if let variable {
        let texts =
          isList ? variable.value.split(separator: ",").map { String($0.drop { $0 == " " }) } : [variable.value]
        return (texts, "the environment's \(variable.name)")
      }
      guard let node = members.first(where: { $0.key == key })?.value else { return (nil, reader.place(line)) }
      let place = reader.place(node.line)
      switch node.content {
      case .text(let text): return ([text], place)
      case .none: return (nil, place)
      case .list(let elements) where isList:
        return (
          elements.compactMap { element in
            if case .text(let text) = element.content { return text }
            reader.problem(reader.place(element.line), full, "an entry of it is \(element.kind), not a value")
            return nil
          }, place
        )
      case .list, .mapping:
        reader.problem(place, full, "it is \(node.kind), not a value")
        return (nil, place)
      }
    }

    private func note(
      _ key: String, _ texts: [String], _ place: String, isLive: Bool, isList: Bool, isSecret: Bool = false
    ) {
      reader.settings.append(
        EffectiveSetting(
          section: path, key: key, values: texts, place: place, isSecret: isSecret, isLive: isLive, isList: isList))
    }
  }
}
