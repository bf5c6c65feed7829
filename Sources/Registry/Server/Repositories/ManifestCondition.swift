import DistributionSpec
import ImageSpec
import Metadata

/// What must be so where a manifest is to go, for a request not to undo what another one did meanwhile: `If-Match` and
/// `If-None-Match`. (RFC 9110, section 13.1)
public struct ManifestCondition: Hashable, Sendable {
  /// Of the reference that the request names: its tag, or else its digest.
  var reference: ManifestReference?
  var ifMatch: String?
  var ifNoneMatch: String?

  /// Always.
  public static let none = ManifestCondition()

  /// Throws `conditionFailed` where it does not hold; seen in the transaction that makes the change.
  func check(_ session: any SQLSession, _ repository: Int64, _ name: String) throws {
    guard let reference, ifMatch != nil || ifNoneMatch != nil else { return }
    let current = try Registry.find(session, reference, repository)?.digest
    let tag = current.map { "\"\($0)\"" }
    // A weak tag matches nothing strongly. (RFC 9110, section 13.1.1)
    let matches = ifMatch.map { header in
      tag.map { tag in header == "*" || Self.list(header).contains { $0 == tag } } ?? false
    }
    let differs = ifNoneMatch.map { header in tag.map { !RegistryServer.matches(header, $0) } ?? true }
    guard matches ?? true, differs ?? true else {
      throw RegistryError.conditionFailed("\(reference)", current: current, repository: name)
    }
  }

  private static func list(_ header: String) -> [String] {
    header.split(separator: ",").map { String($0.filter { $0 != " " && $0 != "\t" }) }
  }
}
