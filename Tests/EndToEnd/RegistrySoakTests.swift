import Foundation
import Testing

@Suite("registry, killed", .enabled(if: Host.has("python3"), "needs Python"))
struct RegistrySoakTests {
  /// `make soak` does the same a hundred times.
  @Test func whatWasAcknowledgedOutlivesAKilledServer() throws {
    let machine = try Machine()
    let tool = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../tools/soak").path
    let output = try machine.run("\(tool) --kills 5 --clipper \(machine.clipper)")
    #expect(output.status == 0, "\(output.out)\(output.err)")
  }
}
