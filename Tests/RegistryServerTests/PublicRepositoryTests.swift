import HTTPTypes
import Testing

@testable import RegistryServer

@Suite struct PublicRepositoryTests {
  /// Also where somebody asked, and the answer is in memory.
  @Test func everybodyMayPullWhileItIsThere() async throws {
    let test = try TestRegistry(anonymous: .none)
    for (name, isPublic) in [("open", true), ("closed", false)] {
      _ = try test.registry.createRepository(name)
      if isPublic {
        try test.registry.setRepositorySetting(.publicRepository, of: name, PublicRepository(catalog: nil))
      }
      let index = Array(
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#.utf8)
      _ = try test.registry.putManifest(index, contentType: nil, in: name, tags: ["1"])
    }
    #expect(try await test.send(.get, "/v2/open/manifests/1").status == 200)
    #expect(try await test.send(.get, "/v2/closed/manifests/1").status == 401)
    #expect(try await test.send(.post, "/v2/open/blobs/uploads/").status == 401)
    #expect(try await test.send(.delete, "/v2/open/manifests/1").status == 401)
    #expect(try test.registry.publicRepositories(limit: 10).map(\.name) == ["open"])
    _ = try test.registry.deleteRepository("open", force: true)
    #expect(try await test.send(.get, "/v2/open/manifests/1").status == 401)
    _ = try test.registry.createRepository("open")
    #expect(try await test.send(.get, "/v2/open/tags/list").status == 401)
  }
}
