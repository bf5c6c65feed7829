import Metadata

/// What a repository is to be like that nobody creates by name: a push, a replication or a pull through the cache does.
/// (Amazon ECR, Repository creation templates)
public struct CreationTemplate: Codable, Hashable, Sendable {
  public enum Purpose: String, Codable, Hashable, Sendable, CaseIterable {
    case replication = "REPLICATION"
    case pullThroughCache = "PULL_THROUGH_CACHE"
    case createOnPush = "CREATE_ON_PUSH"
  }

  /// Repositories whose names begin with it and a slash; `ROOT` those that no other template is for.
  public var prefix: String
  public var purposes: Set<Purpose>
  public var description: String?
  public var mutability: TagMutability
  public var labels: [String: String]
  /// Documents that the new repository gets; nil for none.
  public var repositoryPolicy: String?
  public var lifecyclePolicy: String?
  /// As it was given: nothing here needs a role.
  public var customRole: String?
  /// Milliseconds since 1970.
  public var created: Int64
  public var updated: Int64

  public static let root = "ROOT"

  public init(prefix: String, purposes: Set<Purpose>, at time: Int64) {
    self.prefix = prefix
    self.purposes = purposes
    mutability = TagMutability()
    labels = [:]
    created = time
    updated = time
  }

  /// Prefixes of templates that a repository's name has, the longest first, and `ROOT` at the end.
  static func prefixes(of name: String) -> [String] {
    var found: [String] = []
    var rest = name[...]
    while let slash = rest.lastIndex(of: "/") {
      rest = rest[..<slash]
      found.append(String(rest))
    }
    return found + [root]
  }
}

/// Documents of a template that other parts of the server understand: each says how its own is checked and given to a
/// repository.
public enum TemplateDocument: Hashable, Sendable, CaseIterable {
  case repositoryPolicy, lifecyclePolicy
}

extension SettingKind {
  /// By prefix, without the slash at its end.
  static let creationTemplate = SettingKind("creation-template")
}

extension Registry {
  /// In order of prefixes, those after `last`.
  public func creationTemplates(after last: String? = nil, limit: Int) throws -> [CreationTemplate] {
    try settings(.creationTemplate, after: last, limit: limit, as: CreationTemplate.self).map(\.value)
  }

  public func creationTemplate(_ prefix: String) throws -> CreationTemplate? {
    try setting(.creationTemplate, prefix, as: CreationTemplate.self)
  }

  public func setCreationTemplate(_ template: CreationTemplate) throws {
    try setSetting(.creationTemplate, template.prefix, template)
  }

  public func removeCreationTemplate(_ prefix: String) throws { try removeSetting(.creationTemplate, prefix) }

  /// The template for a repository that is about to be made; nil where there is none for this purpose.
  func creationTemplate(
    _ session: any SQLSession, for name: String, _ purpose: CreationTemplate.Purpose
  ) throws -> CreationTemplate? {
    for prefix in CreationTemplate.prefixes(of: name) {
      // The nearest template decides, also where it is not for this.
      if let found = try setting(session, .creationTemplate, prefix, as: CreationTemplate.self) {
        return found.purposes.contains(purpose) ? found : nil
      }
    }
    return nil
  }

  /// Whether something other than its creation by name may make a repository. Replication and the cache always may.
  func makesRepository(
    _ session: any SQLSession, _ name: String, for purpose: CreationTemplate.Purpose
  ) throws -> Bool {
    try purpose != .createOnPush || createsOnPush || creationTemplate(session, for: name, purpose) != nil
  }

  /// Whether a push to the repository may go on: it is there, or will be made.
  public func takesPush(to name: String) throws -> Bool {
    try metadata.read { session in
      try repositoryID(session, name) != nil || makesRepository(session, name, for: .createOnPush)
    }
  }

  /// The repository, made now by its template where it is not there. Throws `repositoryUnknown` where nothing may make it.
  func repository(
    _ session: any SQLSession, _ name: String, for purpose: CreationTemplate.Purpose
  ) throws -> Repository {
    if let found = try repository(session, name) { return found }
    guard try makesRepository(session, name, for: purpose) else { throw RegistryError.repositoryUnknown(name) }
    let template = try creationTemplate(session, for: name, purpose)
    let made = try insert(session, name, template?.mutability ?? TagMutability(), template?.labels ?? [:])
    if let template { try templateDocuments.apply(template, self, session, made) }
    return made
  }

  /// The same, in a transaction of its own.
  public func makeRepository(_ name: String, for purpose: CreationTemplate.Purpose) throws -> Repository {
    if let found = try metadata.read({ try repository($0, name) }) { return found }
    return try metadata.write { try repository($0, name, for: purpose) }
  }
}
