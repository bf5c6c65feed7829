public import ImageSpec

/// An endpoint of the registry's HTTP interface. (distribution-spec, Endpoints)
public enum Route: Hashable, Sendable {
  /// `/v2/`: does this host speak the protocol, and does it want a sign-in?
  case base
  /// `/v2/_catalog`: the repositories of this registry.
  case catalog
  /// `/v2/<name>/tags/list`
  case tags(name: String)
  /// `/v2/<name>/manifests/<tag or digest>`
  case manifest(name: String, reference: ManifestReference)
  /// `/v2/<name>/blobs/<digest>`
  case blob(name: String, digest: Digest)
  /// `/v2/<name>/blobs/uploads/`: where an upload begins.
  case uploads(name: String)
  /// `/v2/<name>/blobs/uploads/<id>`: an upload under way.
  case upload(name: String, id: String)
  /// `/v2/<name>/referrers/<digest>`
  case referrers(name: String, digest: Digest)

  /// Parses the path of a request, without its query; `%XX` is decoded in each component.
  ///
  /// The words are looked for from the right: a repository may itself be called `a/blobs/uploads`.
  public init(parsing path: some StringProtocol) throws(RouteError) {
    let text = String(path)
    var parts: [String] = []
    for part in text.split(separator: "/", omittingEmptySubsequences: false) {
      // `%2F` is no separator: a proxy that judges the path as it was sent must not see another one than this does.
      guard let decoded = PercentEncoding.decode(part), !decoded.utf8.contains(UInt8(ascii: "/")) else {
        throw .unknown(text)
      }
      parts.append(decoded)
    }
    guard parts.count >= 2, parts[0].isEmpty, parts[1] == "v2" else { throw .unknown(text) }
    parts.removeFirst(2)
    var endsInSlash = false
    if parts.last == "" {
      parts.removeLast()
      endsInSlash = true
    }
    if parts.isEmpty {
      self = .base
      return
    }
    if parts == ["_catalog"] {
      self = .catalog
      return
    }
    guard parts.count >= 3 || (parts.count == 2 && endsInSlash) else { throw .unknown(text) }
    let last = parts[parts.count - 1]
    let word = parts[parts.count - 2]
    let name = parts.dropLast(2).joined(separator: "/")
    switch (word, last) {
    case ("tags", "list"):
      self = .tags(name: try Self.checked(name: name))
    case ("blobs", "uploads"):
      self = .uploads(name: try Self.checked(name: name))
    case (_, _) where endsInSlash:
      throw .unknown(text)
    case ("manifests", _):
      self = .manifest(name: try Self.checked(name: name), reference: try ManifestReference(parsing: last))
    case ("blobs", _):
      self = .blob(name: try Self.checked(name: name), digest: try Self.checked(digest: last))
    case ("referrers", _):
      self = .referrers(name: try Self.checked(name: name), digest: try Self.checked(digest: last))
    case ("uploads", _) where parts.count >= 4 && parts[parts.count - 3] == "blobs":
      self = .upload(name: try Self.checked(name: parts.dropLast(3).joined(separator: "/")), id: last)
    default:
      throw .unknown(text)
    }
  }

  /// The path, ready to be sent.
  public var path: String {
    switch self {
    case .base: "/v2/"
    case .catalog: "/v2/_catalog"
    case .tags(let name): "/v2/\(name)/tags/list"
    case .manifest(let name, let reference): "/v2/\(name)/manifests/\(reference)"
    case .blob(let name, let digest): "/v2/\(name)/blobs/\(digest)"
    case .uploads(let name): "/v2/\(name)/blobs/uploads/"
    case .upload(let name, let id): "/v2/\(name)/blobs/uploads/\(PercentEncoding.encode(id))"
    case .referrers(let name, let digest): "/v2/\(name)/referrers/\(digest)"
    }
  }

  /// The repository that the request is about, nil for the two that are about the whole registry.
  public var name: String? {
    switch self {
    case .base, .catalog: nil
    case .tags(let name), .manifest(let name, _), .blob(let name, _), .uploads(let name), .upload(let name, _),
      .referrers(let name, _):
      name
    }
  }

  private static func checked(name: String) throws(RouteError) -> String {
    guard Reference.isPath(name), name.utf8.count <= 255 else { throw .invalidName(name) }
    return name
  }

  private static func checked(digest: String) throws(RouteError) -> Digest {
    do { return try Digest(parsing: digest) } catch { throw .invalidDigest(digest) }
  }
}

/// A manifest's name inside a repository: a tag, or its digest. (distribution-spec, Pulling manifests, `<reference>`)
public enum ManifestReference: Hashable, Sendable, CustomStringConvertible {
  case tag(String)
  case digest(Digest)

  /// A colon makes it a digest: a tag has none.
  public init(parsing text: String) throws(RouteError) {
    if text.utf8.contains(UInt8(ascii: ":")) {
      do { self = .digest(try Digest(parsing: text)) } catch { throw .invalidDigest(text) }
    } else {
      guard Reference.isTag(text) else { throw .invalidTag(text) }
      self = .tag(text)
    }
  }

  /// What a full name points at: the digest where it has one, else the tag, else `latest`.
  public init(_ reference: Reference) {
    self = reference.digest.map(Self.digest) ?? .tag(reference.tag ?? "latest")
  }

  public var description: String {
    switch self {
    case .tag(let tag): tag
    case .digest(let digest): digest.description
    }
  }

  public var digest: Digest? {
    if case .digest(let digest) = self { digest } else { nil }
  }

  public var tag: String? {
    if case .tag(let tag) = self { tag } else { nil }
  }
}

public enum RouteError: Error, Equatable, CustomStringConvertible {
  /// No endpoint has this path.
  case unknown(String)
  case invalidName(String)
  case invalidDigest(String)
  case invalidTag(String)

  /// What a registry answers.
  public var code: ErrorCode {
    switch self {
    case .unknown: .unknownEndpoint
    case .invalidName: .nameInvalid
    case .invalidDigest: .digestInvalid
    case .invalidTag: .tagInvalid
    }
  }

  public var description: String {
    switch self {
    case .unknown(let path): "no endpoint of a registry has the path \"\(path.prefix(160))\""
    case .invalidName(let name):
      "invalid repository name \"\(name.prefix(160))\": lower-case letters and digits, separated by one of . / _ __ or dashes, at most 255 bytes"
    case .invalidDigest(let digest): "invalid digest \"\(digest.prefix(160))\": write sha256: and 64 lower-case hexadecimal digits"
    case .invalidTag(let tag): "invalid tag \"\(tag.prefix(160))\": 1 to 128 of A-Z a-z 0-9 _ . - that start with a letter, digit or _"
    }
  }
}
