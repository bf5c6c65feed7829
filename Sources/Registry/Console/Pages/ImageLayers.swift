internal import ImageSpec
internal import RegistryServer

/// An image's layers with the steps that made them, and its configuration.
extension Console {
  private static let stepLimit = 500

  func fill(_ fields: inout Fields, _ manifest: Manifest, _ digest: Digest, _ name: String, _ visit: Visit) {
    fields["isImage"] = true
    fields["configLink"] = ConsoleRoute.config(name, digest).path
    let config = try? ImageDocument.config(manifest.config, visit.registry)
    if let config {
      if let created = Formats.parse(config.config.created), created > 0 { fields["created"] = visit.age(created) }
      fields["platform"] = Formats.cut(config.config.platform.description, 80)
      fields["configuration"] = Self.configuration(config.config)
      fields["configText"] = ReadableJSON.format(config.bytes)
    } else {
      fields["configTrouble"] = "The image's configuration cannot be read."
    }
    let total = manifest.layers.reduce(Int64(0)) { $0 &+ max(0, min($1.size, 1 << 50)) }
    fields["steps"] = steps(manifest.layers, config?.config.history ?? [], digest, name, total)
    fields["layerCount"] = Formats.plural(manifest.layers.count, "layer", "layers")
    fields["layerSize"] = Formats.size(total)
    fields["strip"] = Self.strip(manifest.layers, total)
    fields["wasted"] = wastedSummary(manifest.layers, digest, name)
  }

  /// A step that changed no file has no layer; the others have the layers in turn. (image-spec, config.md, history)
  private func steps(
    _ layers: [Descriptor], _ history: [History], _ digest: Digest, _ name: String, _ total: Int64
  ) -> [Fields] {
    let fromHistory = history.filter { $0.emptyLayer != true }.count
    var steps: [Fields] = []
    var next = 0
    // A history that has more or fewer steps than there are layers says nothing about which is which.
    if fromHistory == layers.count {
      for entry in history.prefix(Self.stepLimit) {
        var step = Self.step(entry)
        if entry.emptyLayer != true {
          step.merge(layer(layers[next], next, digest, name, total)) { $1 }
          next += 1
        }
        steps.append(step)
      }
    }
    for index in next..<max(next, min(layers.count, Self.stepLimit)) {
      var step: Fields = ["instruction": "", "text": "", "hasLayer": false]
      step.merge(layer(layers[index], index, digest, name, total)) { $1 }
      steps.append(step)
    }
    return steps
  }

  private func layer(_ layer: Descriptor, _ index: Int, _ digest: Digest, _ name: String, _ total: Int64) -> Fields {
    [
      "hasLayer": true, "number": index + 1, "size": Formats.size(layer.size),
      "share": Formats.percent(layer.size, of: total), "bar": Bar.width(layer.size, of: total),
      "colour": index % Self.colours, "layerDigest": layer.digest.description, "layerShort": layer.digest.short,
      "link": ConsoleRoute.layer(name, digest, number: index + 1, path: []).path, "isTar": layer.mediaType.isLayer,
    ]
  }

  private static let colours = 8

  /// All layers side by side, as wide as they are large.
  private static func strip(_ layers: [Descriptor], _ total: Int64) -> [Fields] {
    guard total > 0 else { return [] }
    var before: Int64 = 0
    return layers.prefix(stepLimit).enumerated().compactMap { index, layer in
      guard layer.size > 0 else { return nil }
      defer { before += layer.size }
      return [
        "x": "\(Formats.fixed(Double(before) / Double(total) * 100, 2))%", "width": Bar.width(layer.size, of: total),
        "colour": index % colours, "number": index + 1, "size": Formats.size(layer.size),
      ]
    }
  }

  /// BuildKit and the builder before it write instructions in their own ways.
  private static func step(_ entry: History) -> Fields {
    var text = entry.createdBy ?? entry.comment ?? ""
    for prefix in ["/bin/sh -c #(nop) ", "/bin/sh -c #(nop)"] where text.hasPrefix(prefix) {
      text = String(text.dropFirst(prefix.count))
    }
    if text.hasSuffix(" # buildkit") { text = String(text.dropLast(" # buildkit".count)) }
    text = String(text.drop { $0 == " " })
    var instruction = ""
    if text.hasPrefix("/bin/sh -c ") {
      (instruction, text) = ("RUN", String(text.dropFirst("/bin/sh -c ".count)))
    } else if let space = text.firstIndex(of: " "), instructions.contains(String(text[..<space])) {
      instruction = String(text[..<space])
      text = String(text[text.index(after: space)...].drop { $0 == " " })
    }
    if instruction == "RUN", text.hasPrefix("/bin/sh -c ") { text = String(text.dropFirst("/bin/sh -c ".count)) }
    return [
      "instruction": instruction, "text": Formats.cut(text, 2000), "hasLayer": false,
      "comment": entry.createdBy == nil ? "" : Formats.cut(entry.comment ?? "", 200),
    ]
  }

  private static let instructions: Set<String> = [
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
  ]

  // MARK: configuration

  private static func configuration(_ config: ImageConfig) -> Fields {
    let container = config.config ?? ContainerConfig()
    var rows: [Fields] = []
    func add(_ name: String, _ value: String?) {
      if let value, !value.isEmpty { rows.append(["name": name, "value": Formats.cut(value, 4096)]) }
    }
    add("Entrypoint", container.entrypoint.map(words))
    add("Command", container.cmd.map(words))
    add("Working directory", container.workingDir)
    add("User", container.user.flatMap { $0.isEmpty ? nil : $0 } ?? "root")
    add("Ports", container.exposedPorts.map { $0.keys.sorted().prefix(100).joined(separator: ", ") })
    add("Volumes", container.volumes.map { $0.keys.sorted().prefix(100).joined(separator: ", ") })
    add("Stop signal", container.stopSignal)
    add("Shell", container.shell.map(words))
    add("Health check", container.healthcheck?.test.map(words))
    add("On build", container.onBuild.map { $0.prefix(100).joined(separator: "; ") })
    add("Author", config.author)
    let environment = (container.env ?? []).prefix(500).map { entry -> Fields in
      let halves = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return [
        "key": Formats.cut(String(halves.first ?? ""), 256),
        "value": Formats.cut(halves.count == 2 ? String(halves[1]) : "", 4096),
      ]
    }
    let labels = pairs(container.labels ?? [:])
    return [
      "rows": rows, "environment": environment, "hasEnvironment": !environment.isEmpty, "labels": labels,
      "hasLabels": !labels.isEmpty,
    ]
  }

  /// As a shell would be given them.
  private static func words(_ arguments: [String]) -> String {
    arguments.prefix(200).map { argument in
      let isPlain = !argument.isEmpty && argument.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
          || "-_./:=@,+%".utf8.contains(byte)
      }
      return isPlain ? argument : "'\(argument.replacing("'", with: "'\\''"))'"
    }.joined(separator: " ")
  }
}
