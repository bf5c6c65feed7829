internal import ConfigurationFiles

/// How repositories come to be.
struct RepositoriesSection: Sendable {
  let createOnPush: Bool
  let sparseIndexes: Bool

  init(_ section: ConfigurationReader.Section) {
    createOnPush = section.value("create-on-push", default: true)
    sparseIndexes = section.value("sparse-indexes", default: false)
  }
}
