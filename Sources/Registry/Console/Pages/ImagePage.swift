internal import DistributionSpec
internal import FoundationEssentials
internal import ImageSpec
internal import RegistryServer

/// `/ui/r/<name>/-/image/<digest>` and `…/-/tag/<tag>`: an image, an index or an artifact.
extension Console {
  func image(_ name: String, _ reference: ManifestReference, _ visit: Visit) throws -> Page {
    let stored = try visit.registry.storedManifest(reference, in: name)
    let repository = try visit.registry.repository(name)
    let document = try ImageDocument(stored.digest, stored.mediaType, visit.registry)
    let summary = facts.summary(stored, visit.registry)
    var fields = try heading(repository, visit)
    fields["summary"] = nil
    fields["reference"] = reference.tag ?? stored.digest.short
    fields["isTag"] = reference.tag != nil
    fields["digest"] = stored.digest.description
    fields["digestLink"] = ConsoleRoute.image(name, stored.digest).path
    fields["kind"] = summary.label
    fields["mediaType"] = Formats.cut(stored.mediaType.rawValue, 160)
    fields["contentSize"] = Formats.size(stored.contentSize)
    fields["pushed"] = visit.age(stored.pushed)
    fields["pulled"] = stored.pulled.map(visit.age) ?? ["text": "never", "stamp": ""]
    let tags = try visit.registry.tags(of: stored, limit: 51)
    fields["tags"] = tags.prefix(50).map {
      ["tag": $0, "link": ConsoleRoute.tag(name, $0).path, "isThis": $0 == reference.tag] as Fields
    }
    fields["hasMoreTags"] = tags.count > 50
    if summary.isRunnable {
      fields["commands"] = Self.commands(name, reference.tag.map { ":\($0)" } ?? "@\(stored.digest)", visit)
    }
    if let subject = stored.subject {
      fields["subject"] = ["text": subject.description, "link": ConsoleRoute.image(name, subject).path]
    }
    fields["annotations"] = Self.pairs(stored.annotations ?? [:])
    fields["hasAnnotations"] = stored.annotations?.isEmpty == false
    switch document.content {
    case .index(let index): try fill(&fields, index, name, visit)
    case .manifest(let manifest):
      let parents = try visit.registry.indexes(of: stored.digest, in: name, limit: 5)
      fields["parents"] = parents.map { ["text": $0.short, "link": ConsoleRoute.image(name, $0).path] }
      if summary.kind == .image {
        fill(&fields, manifest, stored.digest, name, visit)
        fields["scan"] = try scanSummary(name, stored.digest, visit)
      } else {
        fill(&fields, manifest)
      }
    }
    fields["referrers"] = try referrers(stored.digest, name, visit)
    if summary.isRunnable {
      fields["shortfalls"] = try visit.registry.signatureShortfalls(stored.digest, in: name, at: .pull).map {
        ["text": $0.description, "isRefused": $0.mode == .enforce] as Fields
      }
    }
    fields["hasReferrers"] = (fields["referrers"] as? [Fields])?.isEmpty == false
    fields["manifestLink"] = ConsoleRoute.manifest(name, stored.digest).path
    fields["manifestSize"] = Formats.size(stored.size)
    fields["manifestText"] = ReadableJSON.format(document.bytes)
    return Page("image", title: "\(name)\(reference.tag.map { ":\($0)" } ?? "@\(stored.digest.short)")", fields: fields)
  }

  static func pairs(_ values: [String: String], limit: Int = 200) -> [Fields] {
    values.sorted { $0.key < $1.key }.prefix(limit).map {
      ["key": Formats.cut($0.key, 256), "value": Formats.cut($0.value, 4096)]
    }
  }

  // MARK: an index

  private func fill(_ fields: inout Fields, _ index: Index, _ name: String, _ visit: Visit) throws {
    let shown = Array(index.manifests.prefix(200))
    let stored = try visit.registry.manifests(shown.map { .digest($0.digest) }, in: name)
    let largest = max(1, stored.map { $0?.contentSize ?? 0 }.max() ?? 1)
    fields["isIndex"] = true
    fields["members"] = zip(shown, stored).map { descriptor, stored in
      var row: Fields = ["digest": descriptor.digest.short, "fullDigest": descriptor.digest.description]
      let annotated = descriptor.annotations?["vnd.docker.reference.type"]
      let platform = descriptor.platform.flatMap { $0.os == "unknown" ? nil : $0.description }
      row["platform"] = Formats.cut(
        platform ?? annotated.map { $0 == "attestation-manifest" ? "attestation" : $0 }
          ?? ArtifactKind.name(type: descriptor.artifactType ?? descriptor.mediaType.rawValue), 80)
      row["isPlatform"] = platform != nil
      row["version"] = descriptor.platform?.osVersion.map { Formats.cut($0, 60) } ?? ""
      row["link"] = stored.map { ConsoleRoute.image(name, $0.digest).path } ?? false
      row["size"] = stored.map { Formats.size($0.contentSize) } ?? Formats.size(descriptor.size)
      row["bar"] = Bar.width(stored?.contentSize ?? 0, of: largest)
      row["pulled"] = stored?.pulled.map(visit.age) ?? ["text": "never", "stamp": ""]
      return row
    }
    fields["moreMembers"] = index.manifests.count > shown.count
  }

  // MARK: an artifact

  private func fill(_ fields: inout Fields, _ manifest: Manifest) {
    fields["isArtifact"] = true
    fields["artifactType"] = Formats.cut(manifest.artifactType ?? manifest.config.mediaType.rawValue, 160)
    fields["blobs"] = manifest.layers.prefix(200).map { layer in
      [
        "title": Formats.cut(layer.annotations?["org.opencontainers.image.title"] ?? "", 200),
        "type": Formats.cut(layer.mediaType.rawValue, 160), "digest": layer.digest.short,
        "fullDigest": layer.digest.description, "size": Formats.size(layer.size),
      ]
    }
  }

  // MARK: what refers to it

  private func referrers(_ digest: Digest, _ name: String, _ visit: Visit) throws -> [Fields] {
    var found = try visit.registry.referrers(of: digest, artifactType: nil, in: name, limit: 100)
    // cosign before version 3 leaves its signatures at tags that are made of the digest.
    let tags = ["sig", "att", "sbom"].map { ManifestReference.tag("\(digest.algorithm.rawValue)-\(digest.hex).\($0)") }
    found += try visit.registry.manifests(tags, in: name).compactMap { $0 }
    // Reading them takes a moment each.
    let signers = try visit.registry.signers(of: digest, in: name, holders: found, limit: 16)
    return found.map { referrer in
      let summary = facts.summary(referrer, visit.registry)
      return [
        "signers": signers[referrer.id] ?? [], "isUnverified": signers[referrer.id]?.isEmpty == true,
        "kind": summary.label, "type": Formats.cut(referrer.artifactType ?? referrer.mediaType.rawValue, 120),
        "digest": referrer.digest.short, "fullDigest": referrer.digest.description,
        "link": ConsoleRoute.image(name, referrer.digest).path, "size": Formats.size(referrer.contentSize),
        "pushed": visit.age(referrer.pushed),
      ]
    }
  }

  // MARK: bytes

  func manifest(_ name: String, _ digest: Digest, _ visit: Visit) throws -> Content {
    let stored = try visit.registry.storedManifest(.digest(digest), in: name)
    let bytes = try visit.registry.storage.read(digest, limit: ManifestDocument.sizeLimit)
    return .file(bytes, type: "application/json", name: "\(stored.digest.short).manifest.json")
  }

  func config(_ name: String, _ digest: Digest, _ visit: Visit) throws -> Content {
    let stored = try visit.registry.storedManifest(.digest(digest), in: name)
    guard case .manifest(let manifest) = try ImageDocument(digest, stored.mediaType, visit.registry).content,
      try visit.registry.blob(manifest.config.digest, in: name) != nil
    else { throw ConsoleError.notFound }
    let bytes = try ImageDocument.configBytes(manifest.config, visit.registry)
    let isJSON = bytes.first == UInt8(ascii: "{")
    return .file(
      bytes, type: isJSON ? "application/json" : "application/octet-stream", name: "\(stored.digest.short).config.json")
  }
}

extension ImageSummary {
  /// Something that `docker pull` is for.
  var isRunnable: Bool {
    switch kind {
    case .image, .index: true
    case .artifact: false
    }
  }
}

/// Parts of a whole, as widths of drawn bars.
enum Bar {
  /// `12.34%`, and a little for what is not nothing.
  static func width(_ part: Int64, of whole: Int64) -> String {
    guard whole > 0, part > 0 else { return "0" }
    return "\(Formats.fixed(min(100, max(0.4, Double(part) / Double(whole) * 100)), 2))%"
  }
}
