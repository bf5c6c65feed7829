import ConfigurationFiles
import Foundation
import RegistryServer
import SystemPackage
import Testing

@testable import Commands

/// docs/registry-configuration.md as it describes settings: tables of keys, defaults and words, by section.
private struct Manual {
  struct Row {
    let keys: [String]
    let defaults: String
    let words: String
  }

  /// By section: its rows, and the text outside of them.
  private(set) var rows: [String: [Row]] = [:]
  private(set) var prose: [String: String] = [:]

  init() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.deletingLastPathComponent().appending(path: "docs/registry-configuration.md")
    var section = ""
    for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
      if line.hasPrefix("## ") {
        section = String(line.dropFirst(3))
        continue
      }
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard cells.count == 5, line.hasPrefix("| `") else {
        prose[section, default: ""] += "\(line)\n"
        continue
      }
      rows[section, default: []].append(Row(keys: Self.codes(cells[1]), defaults: cells[2], words: cells[3]))
    }
  }

  /// What stands between backticks.
  static func codes(_ text: String) -> [String] {
    text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
      String($0.element)
    }
  }
}

@Suite struct ServeConfigurationTests {
  private func read(_ text: String) throws -> ServeConfiguration {
    try ServeConfiguration(ConfigurationReader(Array(text.utf8), name: "config.yaml", environment: [:], flags: []))
  }

  @Test func theManualListsWhatTheProgramReads() throws {
    let manual = try Manual()
    let settings = try read("").effective.settings
    for setting in settings {
      let row = manual.rows[setting.section]?.first { $0.keys.contains(setting.key) }
      let prose = manual.prose[setting.section] ?? ""
      #expect(row != nil || Manual.codes(prose).contains(setting.key), "\(setting.name) is in no table")
      let isCalledLive = row.map { $0.words.contains("*live*") } ?? prose.contains("*live*")
      #expect(isCalledLive == setting.isLive, "\(setting.name) is live or is not")
      // Of a default that is a value, not a description.
      guard let row, row.keys.count == 1, Manual.codes(row.defaults).count == 1, row.defaults.hasPrefix("`"),
        row.defaults.hasSuffix("`")
      else { continue }
      #expect(Manual.codes(row.defaults)[0] == setting.values.joined(separator: ","), "\(setting.name)")
    }
    for (section, rows) in manual.rows {
      for key in rows.flatMap(\.keys) {
        #expect(settings.contains { $0.section == section && $0.key == key }, "\(section).\(key) is read by nobody")
      }
    }
  }

  @Test func theManualsExamplesAreTaken() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "manual-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    for (name, key) in zip(["cosign.pub", "security.pub"], Self.keys) {
      try key.write(to: folder.appending(path: name), atomically: true, encoding: .utf8)
    }
    try "secret\n".write(to: folder.appending(path: "ci.secret"), atomically: true, encoding: .utf8)
    let prose = try Manual().prose
    for section in ["signatures", "webhooks"] {
      let example = try #require(prose[section]).split(separator: "```", omittingEmptySubsequences: false)[1].dropFirst(5)
      let configuration = try read(example.replacing("/etc/clipper", with: folder.path()).description)
      #expect(section == "webhooks" ? !configuration.webhooks.webhooks.isEmpty : !configuration.signatures.policies.isEmpty)
    }
  }

  @Test func signaturePoliciesAreCheckedAtTheStart() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "cosign.pub")
    try Self.keys[0].write(to: path, atomically: true, encoding: .utf8)
    func policies(_ lines: String...) throws -> [(name: String, rule: SignatureRule)] {
      let entry = lines.joined(separator: "\n      ")
      return try read("signatures:\n  policies:\n    - \(entry)\n").signatures.policies
    }
    let found = try policies("name: prod", "repositories: [\"prod/*\"]", "keys: [\(path.path())]", "mode: warn")
    let rule = try #require(found.first?.rule)
    #expect(found.first?.name == "prod" && rule.mode == .warn && rule.stages == [.push, .pull] && rule.required == 1)
    #expect(rule.keys == [.init(name: "cosign.pub", pem: Self.keys[0])])
    for (lines, reason) in [
      (["name: a", "repositories: [x]"], "1 to 100 keys"),
      (["name: a", "keys: [\(path.path())]"], "names the repositories"),
      (["repositories: [x]", "keys: [\(path.path())]"], "needs a name"),
      (["name: a", "repositories: [x]", "keys: [/nowhere.pub]"], "cannot read the key"),
      (["name: a", "repositories: [x]", "keys: [\(path.path())]", "required: 2"], "cannot be required"),
      (["name: a", "repositories: [x]", "keys: [\(path.path())]", "at: [never]"], "\"never\""),
      (["name: a", "repositories: [x]", "keys: [\(path.path())]", "colour: red"], "no such key"),
    ] {
      let entry = lines.joined(separator: "\n      ")
      let problem = #expect(throws: ConfigurationProblems.self) {
        try read("signatures:\n  policies:\n    - \(entry)\n")
      }
      #expect(problem?.description.contains(reason) == true, "\(problem?.description ?? "")")
    }
  }

  private static let keys = [
    """
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERzBdT4465z9yEaUO69G8a4DGUk6H
    k1SEmespGuXJnvOmQNhf9P5+qEwdTESh1+N88dIBC65HJvX4TVP1oqeFbQ==
    -----END PUBLIC KEY-----

    """,
    """
    -----BEGIN PUBLIC KEY-----
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGE65+DOcxS8EkNKvRjLLT7kWjBwA
    WxXr2TA6PSWGYa1yPubuf/l0IMlKSmUZ2TeKS/kIPaI9REApFjxUMGyAfA==
    -----END PUBLIC KEY-----

    """,
  ]
}
