internal import FoundationEssentials
internal import Glibc
internal import ImageSpec
internal import Kernel
internal import Signatures
public import SystemPackage

/// Which images may be pulled, as podman's and skopeo's users say it. (containers-policy.json(5))
///
/// Read when the first pull needs it. What a policy demands and this program cannot check (GPG's signatures, Fulcio,
/// Rekor) refuses the images that it is about, by name.
public struct ImagePolicy: Sendable {
  /// The file; nil lets everything through.
  public let path: FilePath?

  public init(path: FilePath?) { self.path = path }

  /// `~/.config/containers/policy.json`, else `/etc/containers/policy.json`.
  static func environment(_ environment: [String: String]) -> ImagePolicy {
    var candidates: [FilePath] = []
    if let home = environment["HOME"], !home.isEmpty {
      candidates.append(FilePath(home).appending(".config/containers/policy.json"))
    }
    candidates.append("/etc/containers/policy.json")
    return ImagePolicy(path: candidates.first { access($0.string, F_OK) == 0 })
  }

  /// What must hold of an image; nothing where everything may come. Throws `ImagePolicyError`.
  func requirements(for name: Reference) throws -> [Requirement] {
    guard let path else { return [] }
    let document: Document
    do {
      document = try JSONDecoder().decode(Document.self, from: Data(try readFile(path, limit: 1 << 20)))
    } catch {
      throw ImagePolicyError.unreadable(path, error is Errno ? "\(error)" : "it is not the JSON of a policy")
    }
    return try document.requirements(for: name).map { try $0.checked(path) }
  }

  /// One thing that must hold.
  enum Requirement: Sendable {
    case accept
    case reject
    case signed([VerificationKey], Identity)
  }

  /// What a signature must call the image. (containers-policy.json(5), signedIdentity)
  enum Identity: Sendable, Hashable {
    case exact
    case repositoryDigestOrExact
    case repository
    case reference(String)
    case exactRepository(String)
    case remapped(prefix: String, signedPrefix: String)

    /// Whether a signature of `signed` is one of `name`.
    func matches(_ name: Reference, signed: String) -> Bool {
      guard let found = try? Reference(parsing: signed) else { return false }
      switch self {
      case .exact: return found == name
      case .repositoryDigestOrExact: return name.digest == nil ? found == name : Self.sameRepository(found, name)
      case .repository: return Self.sameRepository(found, name)
      case .reference(let text): return (try? Reference(parsing: text)) == found
      case .exactRepository(let text):
        return (try? Reference(parsing: text)).map { Self.sameRepository($0, found) } ?? false
      case .remapped(let prefix, let signedPrefix):
        let repository = "\(name.domain)/\(name.path)"
        guard repository == prefix || repository.hasPrefix(prefix + "/") else {
          return Self.repositoryDigestOrExact.matches(name, signed: signed)
        }
        guard let mapped = try? Reference(parsing: signedPrefix + repository.dropFirst(prefix.count)) else {
          return false
        }
        return Self.repositoryDigestOrExact.matches(mapped.with(tag: name.tag, digest: name.digest), signed: signed)
      }
    }

    private static func sameRepository(_ left: Reference, _ right: Reference) -> Bool {
      left.domain == right.domain && left.path == right.path
    }
  }

  struct Document: Decodable {
    let `default`: [Entry]
    let transports: [String: [String: [Entry]]]?

    /// The most specific scope of the transport `docker` that the image is in, else the transport's own, else the default.
    func requirements(for name: Reference) -> [Entry] {
      let scopes = transports?["docker"] ?? [:]
      for scope in Self.scopes(of: name) {
        if let found = scopes[scope] { return found }
      }
      return `default`
    }

    static func scopes(of name: Reference) -> [String] {
      let repository = "\(name.domain)/\(name.path)"
      var scopes: [String] = []
      if let digest = name.digest { scopes.append("\(repository)@\(digest)") }
      if let tag = name.tag { scopes.append("\(repository):\(tag)") }
      var rest = repository[...]
      while true {
        scopes.append(String(rest))
        guard let slash = rest.lastIndex(of: "/") else { break }
        rest = rest[..<slash]
      }
      var host = name.domain.prefix { $0 != ":" }
      while let dot = host.firstIndex(of: ".") {
        host = host[host.index(after: dot)...]
        scopes.append("*.\(host)")
      }
      return scopes + [""]
    }
  }

  struct Entry: Decodable {
    struct Identity: Decodable {
      let type: String
      let dockerReference: String?
      let dockerRepository: String?
      let prefix: String?
      let signedPrefix: String?
    }

    let type: String
    let keyPath: String?
    let keyPaths: [String]?
    let keyData: String?
    let keyDatas: [String]?
    let signedIdentity: Identity?
    let unsupported: [String]

    enum CodingKeys: String, CodingKey, CaseIterable {
      case type, keyPath, keyPaths, keyData, keyDatas, signedIdentity
    }

    private struct AnyKey: CodingKey {
      let stringValue: String
      init(stringValue: String) { self.stringValue = stringValue }
      var intValue: Int? { nil }
      init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      type = try container.decode(String.self, forKey: .type)
      keyPath = try container.decodeIfPresent(String.self, forKey: .keyPath)
      keyPaths = try container.decodeIfPresent([String].self, forKey: .keyPaths)
      keyData = try container.decodeIfPresent(String.self, forKey: .keyData)
      keyDatas = try container.decodeIfPresent([String].self, forKey: .keyDatas)
      signedIdentity = try container.decodeIfPresent(Identity.self, forKey: .signedIdentity)
      let known = Set(CodingKeys.allCases.map(\.stringValue))
      unsupported = try decoder.container(keyedBy: AnyKey.self).allKeys.map(\.stringValue).filter {
        !known.contains($0)
      }
    }

    func checked(_ path: FilePath) throws -> Requirement {
      if type == "insecureAcceptAnything" { return .accept }
      if type == "reject" { return .reject }
      guard type == "sigstoreSigned" else {
        throw ImagePolicyError.unsupported(path, "the type \"\(type.prefix(80))\"")
      }
      if let member = unsupported.sorted().first {
        throw ImagePolicyError.unsupported(path, "\"\(member.prefix(80))\"")
      }
      let sources = [keyPath != nil, keyPaths != nil, keyData != nil, keyDatas != nil].filter { $0 }.count
      guard sources == 1 else {
        throw ImagePolicyError.unreadable(path, "sigstoreSigned has not exactly one kind of keys")
      }
      var keys: [VerificationKey] = []
      for file in (keyPath.map { [$0] } ?? []) + (keyPaths ?? []) {
        do {
          keys.append(
            try VerificationKey(pem: String(decoding: try readFile(FilePath(file), limit: 64 << 10), as: UTF8.self)))
        } catch {
          throw ImagePolicyError.unreadable(path, "the key \(file): \(error)")
        }
      }
      for text in (keyData.map { [$0] } ?? []) + (keyDatas ?? []) {
        guard let data = Data(base64Encoded: text),
          let key = try? VerificationKey(pem: String(decoding: data, as: UTF8.self))
        else { throw ImagePolicyError.unreadable(path, "a key in it is no public key in PEM, in base64") }
        keys.append(key)
      }
      return .signed(keys, try identity(path))
    }

    private func identity(_ path: FilePath) throws -> ImagePolicy.Identity {
      guard let signedIdentity else { return .repositoryDigestOrExact }
      switch signedIdentity.type {
      case "matchExact": return .exact
      case "matchRepoDigestOrExact": return .repositoryDigestOrExact
      case "matchRepository": return .repository
      case "exactReference":
        if let text = signedIdentity.dockerReference { return .reference(text) }
      case "exactRepository":
        if let text = signedIdentity.dockerRepository { return .exactRepository(text) }
      case "remapIdentity":
        if let prefix = signedIdentity.prefix, let signed = signedIdentity.signedPrefix {
          return .remapped(prefix: prefix, signedPrefix: signed)
        }
      default: break
      }
      throw ImagePolicyError.unsupported(path, "the signedIdentity \"\(signedIdentity.type.prefix(80))\"")
    }
  }
}

extension RegistryClient {
  /// Throws `ImagePolicyError` where the host's policy does not let an image come. `digests` are the image's and, where it
  /// was chosen from an index, the index's: one that is signed vouches for what it lists.
  func checkPolicy(_ name: Reference, _ digests: [Digest]) async throws {
    let requirements = try configuration.imagePolicy.requirements(for: name)
    for requirement in requirements {
      switch requirement {
      case .accept: continue
      case .reject: throw ImagePolicyError.rejected(name.familiar, configuration.imagePolicy.path)
      case .signed(let keys, let identity):
        var isSigned = false
        for digest in digests where !isSigned {
          isSigned = try await signatures(of: digest, in: name).contains { signature in
            // A bundle does not say what the image is called: only the older form can answer for an identity.
            guard let reference = signature.reference, identity.matches(name, signed: reference) else { return false }
            return keys.contains { signature.isOf(digest, by: $0) }
          }
        }
        guard isSigned else { throw ImagePolicyError.unsigned(name.familiar, configuration.imagePolicy.path) }
      }
    }
    guard requirements.isEmpty == (configuration.imagePolicy.path == nil) else {
      throw ImagePolicyError.rejected(name.familiar, configuration.imagePolicy.path)
    }
  }
}

public enum ImagePolicyError: Error, Hashable, Sendable, CustomStringConvertible {
  case unreadable(FilePath, String)
  case unsupported(FilePath, String)
  case rejected(String, FilePath?)
  case unsigned(String, FilePath?)

  public var description: String {
    switch self {
    case .unreadable(let path, let why): "the policy \(path) cannot be used: \(why)"
    case .unsupported(let path, let what): "the policy \(path) demands what is not supported here: \(what)"
    case .rejected(let name, let path): "\(name) may not be pulled, by the policy \(path?.string ?? "of this host")"
    case .unsigned(let name, let path):
      "\(name) has no signature that the policy \(path?.string ?? "of this host") takes; clipper image verify shows what it has"
    }
  }
}
