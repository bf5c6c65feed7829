import Engine
import Glibc
import SystemPackage
import TestDirectories
import Testing

@testable import KubeManifests

/// Binds and tmpfs mounts need root; each test takes its own away again.
@Suite(.enabled(if: geteuid() == 0, "needs root, for mounts")) final class PodVolumeTests {
  let directory: String

  init() throws {
    directory = try makeTestDirectory("clipper-volumes").string
  }

  deinit { system("awk '{print $5}' /proc/self/mountinfo | grep '^\(directory)/' | xargs -r umount -l; rm -rf '\(directory)'") }

  private var root: FilePath { FilePath(directory) }

  private func prepare(_ pod: String, containers: [String]) throws -> [String: [MountOption]] {
    var yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
    for line in pod.split(separator: "\n") { yaml += "  \(line)\n" }
    yaml += "  containers:\n"
    for (index, mounts) in containers.enumerated() {
      yaml += "  - {name: c\(index), image: x, env: [{name: DIR, value: sub}], volumeMounts: \(mounts)}\n"
    }
    let object = try objects(yaml)[0]
    let plan = try #require(WorkloadPlan(object, Surroundings())).pods[0]
    let facts = plan.facts(address: nil, host: host)
    return try PodVolumes(pod: plan, root: root, run: root.appending("run")).prepare(
      facts: facts, objects: Surroundings(), volume: { "\(self.directory)/\($0)" },
      variables: { $0.variables(pod: facts, siblings: [], surroundings: Surroundings(), links: []).values })
  }

  private func isMounted(_ path: String) -> Bool { system("grep -q ' \(path) ' /proc/self/mountinfo") == 0 }

  private func status(_ path: String) -> stat {
    var status = stat()
    stat(path, &status)
    return status
  }

  @Test func aSubPathIsPinnedBeforeAContainerCanChangeIt() throws {
    let mounts = try prepare(
      "volumes: [{name: v, emptyDir: {}}]",
      containers: ["[{name: v, mountPath: /v, subPath: a/b}, {name: v, mountPath: /w, subPathExpr: $(DIR)}]"])
    let sources = try #require(mounts["c0"]).compactMap(\.source)
    #expect(sources.count == 2 && sources.allSatisfy(isMounted))
    let volume = directory + "/kube/pods/p/volumes/v"
    #expect(status(volume + "/a/b").st_ino == status(sources[0]).st_ino)
    #expect(status(volume + "/a/b").st_mode & 0o777 == 0o777)
    #expect(access(volume + "/sub", F_OK) == 0)
    try PodVolumes.remove(pod: "p", root: root, run: root.appending("run"))
    #expect(!sources.contains(where: isMounted))
    #expect(access(directory + "/kube/pods/p", F_OK) != 0)
  }

  @Test func aSubPathFollowsNoLink() throws {
    system("mkdir -p '\(directory)/data' && ln -s /etc '\(directory)/data/link'")
    for path in ["link", "link/ssl"] {
      #expect(throws: KubeError.self) {
        try prepare(
          "volumes: [{name: v, hostPath: {path: \(directory)/data}}]",
          containers: ["[{name: v, mountPath: /v, subPath: \(path)}]"])
      }
    }
  }

  @Test func memoryThatContainersShareIsOneMount() throws {
    let mounts = try prepare(
      "volumes: [{name: m, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]\nsecurityContext: {fsGroup: 2000}",
      containers: ["[{name: m, mountPath: /m}]", "[{name: m, mountPath: /m}]"])
    let sources = Set(mounts.values.flatMap { $0 }.compactMap(\.source))
    let source = try #require(sources.first)
    #expect(sources.count == 1 && isMounted(source))
    #expect(status(source).st_gid == 2000 && status(source).st_mode & 0o7777 == 0o2777)
    #expect(system("head -c 2000000 /dev/zero > '\(source)/big' 2>/dev/null") != 0)
    try PodVolumes.remove(pod: "p", root: root, run: root.appending("run"))
    #expect(!isMounted(source))
  }

  @Test func aClaimIsGivenToTheGroup() throws {
    system("mkdir -p '\(directory)/disk/in' && touch '\(directory)/disk/in/file' && chmod 0600 '\(directory)/disk/in/file'")
    _ = try prepare(
      "volumes: [{name: d, persistentVolumeClaim: {claimName: disk}}]\nsecurityContext: {fsGroup: 2000}",
      containers: ["[{name: d, mountPath: /d}]"])
    #expect(status(directory + "/disk").st_gid == 2000 && status(directory + "/disk").st_mode & 0o2770 == 0o2770)
    #expect(status(directory + "/disk/in/file").st_gid == 2000 && status(directory + "/disk/in/file").st_mode & 0o777 == 0o660)
  }

  @Test(arguments: [("Directory", false), ("File", true), ("Socket", false), ("", true), ("DirectoryOrCreate", false)])
  func aHostPathIsWhatItsTypeSays(_ type: String, _ fits: Bool) throws {
    system("touch '\(directory)/file'")
    let prepared = { try self.prepare(
      "volumes: [{name: h, hostPath: {path: \(self.directory)/file, type: \"\(type)\"}}]", containers: ["[{name: h, mountPath: /h}]"]) }
    if fits { #expect(throws: Never.self) { _ = try prepared() } } else { #expect(throws: KubeError.self) { _ = try prepared() } }
  }
}
