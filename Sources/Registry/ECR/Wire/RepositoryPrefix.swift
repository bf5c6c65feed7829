/// What names of repositories begin with, as rules of caches and templates have it.
enum RepositoryPrefix {
  /// A slash at the end says the same as none.
  static func normalised(_ prefix: String) -> String { prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix }
}
