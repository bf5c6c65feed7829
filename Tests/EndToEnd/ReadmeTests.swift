import Foundation
import Testing

/// The README's commands, run as they are written there.
@Suite("readme", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct ReadmeTests {
  private static func readme() throws -> String {
    try String(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../README.md"),
      encoding: .utf8)
  }

  @Test func theQuickStartRunsAsWritten() throws {
    let machine = try Machine()
    let readme = try Self.readme()
    let section = try #require(readme.range(of: "<!-- quick start -->"))
    let end = try #require(readme.range(of: "<!-- end of quick start -->"))
    let blocks = readme[section.upperBound..<end.lowerBound].components(separatedBy: "```")
    let script = stride(from: 1, to: blocks.count, by: 2)
      .map { blocks[$0].replacing(/^(sh|console)\n/, with: "") }.joined(separator: "\n")
    #expect(script.contains("clipper build"))
    try machine.importBusybox()
    try machine.succeed(script)
  }

  @Test(arguments: ["", "registry", "kube"]) func itsTableHasEveryCommand(_ noun: String) throws {
    let table = try Self.readme().split(separator: "\n").filter { $0.hasPrefix("| ") }.joined()
    // A command stands two spaces in, and its other names after a comma.
    let names = try Machine().succeed("clipper \(noun) --help").out.split(separator: "\n")
      .compactMap { $0.wholeMatch(of: /[ ]{2}([a-z][a-z-]*)(?:, [a-z]+)*(?: .+)?/)?.1 }
    #expect(names.count > 3)
    for name in names where !["container", "image", "system", "registry", "kube"].contains(name) {
      #expect(table.contains("`\(noun.isEmpty ? "" : noun + " ")\(name)`"), "\(noun) \(name)")
    }
  }
}
