internal import ConfigurationFiles

/// Whether this server takes changes, whatever `clipper registry mode` says.
struct ModeSection: Sendable {
  /// nil where it does; else what clients are told, empty for nothing in particular.
  let readOnly: String?

  init(_ section: ConfigurationReader.Section) {
    let isReadOnly = section.value("read-only", default: false, isLive: true)
    let reason: String? = section.optional("reason", isLive: true)
    if let reason, reason.utf8.count > 500 { section.refuse("reason", "it has more than 500 bytes") }
    readOnly = isReadOnly ? reason ?? "" : nil
  }
}
