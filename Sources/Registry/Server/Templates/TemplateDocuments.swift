public import Metadata
import Synchronization

/// How the documents of creation templates are checked, and given to the repositories that are made by them.
public final class TemplateDocuments: Sendable {
  /// Throws what is wrong with a document.
  public typealias Check = @Sendable (_ text: String) throws -> Void
  /// Gives a document to a repository, in the transaction that makes it.
  public typealias Apply =
    @Sendable (
      _ text: String, _ registry: Registry, _ session: any SQLSession, _ repository: Repository
    ) throws -> Void

  private let kinds = Mutex<[TemplateDocument: (check: Check, apply: Apply)]>([:])

  init() {}

  /// Called before the server begins.
  public func register(_ document: TemplateDocument, check: @escaping Check, apply: @escaping Apply) {
    kinds.withLock { $0[document] = (check, apply) }
  }

  /// Returns false where nothing here understands such a document. Throws what is wrong with it.
  public func check(_ document: TemplateDocument, _ text: String) throws -> Bool {
    guard let kind = kinds.withLock({ $0[document] }) else { return false }
    try kind.check(text)
    return true
  }

  func apply(
    _ template: CreationTemplate, _ registry: Registry, _ session: any SQLSession, _ repository: Repository
  ) throws {
    let texts = [
      TemplateDocument.repositoryPolicy: template.repositoryPolicy, .lifecyclePolicy: template.lifecyclePolicy,
    ]
    for (document, text) in texts {
      guard let text, let kind = kinds.withLock({ $0[document] }) else { continue }
      try kind.apply(text, registry, session, repository)
    }
  }
}
