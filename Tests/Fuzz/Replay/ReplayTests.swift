import Foundation
import FuzzTargets
import Testing

/// Every input that the fuzzers have ever found worth keeping, and the seeds they began with. `make fuzz` finds more.
@Suite struct FuzzReplayTests {
  private static let corpora = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Corpora")

  @Test(arguments: FuzzTarget.all.map(\.name))
  func everyTargetTakesItsCorpus(_ name: String) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == name })
    let folder = Self.corpora.appending(path: name)
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(files.count >= 3, "\(name) has no seeds")
    for file in files {
      let bytes = [UInt8](try Data(contentsOf: file))
      target.run(bytes)
      // And what is next to it.
      for cut in [bytes.count / 2, max(0, bytes.count - 1)] { target.run(Array(bytes[..<cut])) }
      if !bytes.isEmpty {
        var changed = bytes
        changed[bytes.count / 3] ^= 0x20
        target.run(changed)
      }
    }
  }

  @Test func everyCorpusHasATarget() throws {
    let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpora.path)
    #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
  }
}
