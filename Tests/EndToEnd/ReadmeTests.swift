import Foundation
import Testing

/// The README's commands, run as they are written there.
@Suite("readme", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct ReadmeTests {
  @Test func theQuickStartRunsAsWritten() throws {
    let machine = try Machine()
    let readme = try String(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../README.md"), encoding: .utf8)
    let section = try #require(readme.range(of: "<!-- quick start -->"))
    let end = try #require(readme.range(of: "<!-- end of quick start -->"))
    let blocks = readme[section.upperBound..<end.lowerBound].components(separatedBy: "```")
    let script = stride(from: 1, to: blocks.count, by: 2)
      .map { blocks[$0].replacing(/^(sh|console)\n/, with: "") }.joined(separator: "\n")
    #expect(script.contains("clipper build"))
    try machine.importBusybox()
    try machine.succeed("set -e\n" + script)
  }
}
