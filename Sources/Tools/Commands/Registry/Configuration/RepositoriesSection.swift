internal import ConfigurationFiles

/// How repositories come to be.
struct RepositoriesSection: Sendable {
  let createOnPush: Bool

  init(_ section: ConfigurationReader.Section) {
    createOnPush = section.value("create-on-push", default: true)
  }
}
