public import ConfigurationFiles
public import RegistryServer
internal import SystemPackage

/// Who may use the registry, beside the users and keys that commands manage.
struct AccessSection: Sendable {
  let htpasswd: FilePath?
  let anonymous: AnonymousAccess

  init(_ section: ConfigurationReader.Section) {
    htpasswd = section.optional("htpasswd")
    anonymous = section.value("anonymous", default: .none)
  }
}

extension AnonymousAccess: ConfigurationValue {}
