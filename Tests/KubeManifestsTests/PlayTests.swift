import Content
import Engine
import Glibc
import ImageSpec
import RegistryClient
import Synchronization
import SystemPackage
import TestDirectories
import Testing

@testable import KubeManifests

/// A host whose containers are entries of a list: they run at once, unless a test says otherwise.
final class PretendedHost: PodHost {
  struct State {
    var pods: [String: HostedPod] = [:]
    var services: [String: [ServiceListener]] = [:]
    var volumes: Set<String> = []
    var options: [String: ContainerOptions] = [:]
    var log: [String] = []
    var most = 0
    var next = 2
  }

  let state = Mutex(State())
  /// Fails the start of containers of this image.
  let brokenImage: String?
  /// Images whose containers end at once, with the status.
  let ending: [String: Int32]
  let directory: String

  init(directory: String, brokenImage: String? = nil, ending: [String: Int32] = [:]) {
    self.directory = directory
    self.brokenImage = brokenImage
    self.ending = ending
  }

  struct Refused: Error {}

  var facts: HostFacts { host }
  var podNames: [String] { state.withLock { $0.pods.values.map(\.name).sorted() } }
  var log: [String] { state.withLock { $0.log } }

  func pods() throws -> [HostedPod] { state.withLock { $0.pods.values.sorted { $0.name < $1.name } } }

  func makePod(_ plan: PodPlan) throws -> HostedPod {
    try state.withLock { state in
      if state.pods.values.contains(where: { $0.name == plan.name && $0.namespace == plan.namespace }) { throw Refused() }
      state.next += 1
      let pod = HostedPod(
        id: "pod\(state.next)", name: plan.name, namespace: plan.namespace,
        owner: "\(plan.owner.kind.short)/\(plan.owner.name)", revision: plan.revision, labels: plan.labels,
        address: "10.88.0.\(state.next)", isAlive: true)
      state.pods[pod.id] = pod
      state.log.append("+\(plan.name)")
      state.most = max(state.most, state.pods.count)
      return pod
    }
  }

  func removePods(_ pods: [HostedPod]) throws {
    state.withLock {
      for pod in pods {
        $0.pods[pod.id] = nil
        $0.log.append("-\(pod.name)")
      }
    }
  }

  func start(_ options: ContainerOptions) throws -> String {
    if options.image == brokenImage { throw Refused() }
    return try state.withLock { state in
      guard let pod = options.pod, state.pods[pod] != nil, let name = options.name else { throw Refused() }
      var container = HostedPod.Container(
        id: name, name: options.labels[KubeLabel.container] ?? "", role: options.labels[KubeLabel.role] ?? "", status: .running,
        isReady: true)
      if let status = ending[options.image] {
        container.status = .exited
        container.exitCode = status
        container.isReady = false
      }
      state.pods[pod]?.containers.append(container)
      state.options[name] = options
      return name
    }
  }

  func wait(_ container: String) async throws -> Int32 {
    state.withLock { state in
      state.pods.values.flatMap(\.containers).first { $0.id == container }?.exitCode ?? 0
    }
  }

  func lastLines(_ container: String, count: Int) throws -> String { "the last line" }

  func image(_ name: String, _ policy: ImagePullPolicy, credentials: [String: Credential]) async throws -> ImageConfig {
    state.withLock { $0.log.append("image \(name) \(policy.rawValue) \(credentials.keys.sorted())") }
    var config = ContainerConfig()
    config.user = name == "named:1" ? "app" : "1000"
    return ImageConfig(platform: .host, config: config)
  }

  func makeVolume(_ name: String) throws -> String {
    state.withLock { _ = $0.volumes.insert(name) }
    mkdir("\(directory)/\(name)", 0o755)
    return "\(directory)/\(name)"
  }

  func removeVolume(_ name: String) throws { state.withLock { _ = $0.volumes.remove(name) } }

  func setService(_ name: String, _ listeners: [ServiceListener]) throws {
    state.withLock { $0.services[name] = listeners.isEmpty ? nil : listeners }
  }
}

@Suite final class PlayTests {
  let directory: String

  init() throws {
    directory = try makeTestDirectory("clipper-play").string
  }

  deinit { system("rm -rf '\(directory)'") }

  private func player(_ host: PretendedHost, _ content: ContentStore? = nil) throws -> Player {
    let store = try content ?? ContentStore.open(FilePath(directory).appending("store"))
    return Player(
      host: host, records: try KubeRecords(store), root: FilePath(directory), run: FilePath(directory + "/run"))
  }

  private func host(broken: String? = nil, ending: [String: Int32] = [:]) -> PretendedHost {
    PretendedHost(directory: directory, brokenImage: broken, ending: ending)
  }

  @Test func aDeploymentWithItsServiceIsPlayedAndTakenDown() async throws {
    let host = host()
    let player = try player(host)
    let manifest =
      PlanTests.deployment()
      + "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}\n"
    try await player.play(try objects(manifest), PlayOptions(wait: 5))
    #expect(host.podNames.count == 3)
    let listeners = try #require(host.state.withLock { $0.services["default/web"] })
    #expect(listeners.map(\.port) == [80, 30080] && listeners.allSatisfy { $0.backends.count == 3 })
    #expect(try player.pods().allSatisfy { $0.status.text == "Running" && $0.status.isReady })

    let found = try player.down(objects(manifest).map(\.key))
    #expect(found.count == 2)
    #expect(host.podNames.isEmpty && host.state.withLock { $0.services.isEmpty })
    #expect(try player.objects().isEmpty)
    #expect(access(directory + "/kube/pods", F_OK) != 0 || listing(directory + "/kube/pods").isEmpty)
  }

  private func listing(_ path: String) -> [String] {
    guard let stream = opendir(path) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  @Test func playingTheSameAgainChangesNothing() async throws {
    let host = host()
    let player = try player(host)
    try await player.play(try objects(PlanTests.deployment()))
    let before = try host.pods()
    try await player.play(try objects(PlanTests.deployment()))
    #expect(try host.pods() == before)
    try await player.play(try objects(PlanTests.deployment(replicas: 1)))
    #expect(host.podNames.count == 1)
  }

  @Test func anUpdateStaysWithinItsStrategy() async throws {
    let host = host()
    let player = try player(host)
    try await player.play(try objects(PlanTests.deployment(replicas: 4)))
    let old = Set(host.podNames)
    host.state.withLock { $0.most = 0 }
    try await player.play(try objects(PlanTests.deployment(replicas: 4, image: "app:2")))
    #expect(host.podNames.count == 4 && old.isDisjoint(with: host.podNames))
    // maxSurge 25% of 4.
    #expect(host.state.withLock { $0.most } == 5)
  }

  @Test func aFailedUpdateBringsTheOldPodsBack() async throws {
    let host = host(broken: "app:2")
    let player = try player(host)
    try await player.play(try objects(PlanTests.deployment(replicas: 4)))
    let old = host.podNames
    let records = try player.objects()
    await #expect {
      try await player.play(try objects(PlanTests.deployment(replicas: 4, image: "app:2")))
    } throws: { error in
      if case KubeError.container(_, "c", is PretendedHost.Refused) = error { true } else { false }
    }
    #expect(host.podNames == old)
    #expect(try player.objects() == records)
  }

  @Test func aFailedPlayLeavesNothing() async throws {
    let host = host(broken: "bad:1")
    let player = try player(host)
    let manifest = PlanTests.deployment() + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: z}\nspec: {containers: [{name: c, image: bad:1}]}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"
    await #expect { try await player.play(try objects(manifest)) } throws: { error in
      if case KubeError.container("z", "c", is PretendedHost.Refused) = error { true } else { false }
    }
    #expect(host.podNames.isEmpty)
    #expect(try player.objects().isEmpty)
  }

  @Test func nothingIsMadeWhereTheKubeletWouldRefuse() async throws {
    let host = host()
    let player = try player(host)
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: named:1, securityContext: {runAsNonRoot: true}}]}\n"
    await #expect(throws: KubeError.self) { try await player.play(try objects(pod)) }
    #expect(host.log == ["image named:1 IfNotPresent []"])
    #expect(try player.objects().isEmpty)
  }

  @Test func initContainersRunBeforeTheOthersAndTheirFailureIsTold() async throws {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {initContainers: [{name: i, image: init:1}], containers: [{name: c, image: app:1}]}\n"
    let good = host(ending: ["init:1": 0])
    try await player(good).play(try objects(pod))
    #expect(try good.pods()[0].containers.map(\.name) == ["i", "c"])

    let bad = host(ending: ["init:1": 3])
    let error = await #expect(throws: KubeError.self) { try await self.player(bad).play(try objects(pod)) }
    #expect(error?.description.contains("status 3") == true && error?.description.contains("the last line") == true)
    #expect(bad.podNames.isEmpty)
  }

  @Test func aJobRunsToItsCompletions() async throws {
    let host = host(ending: ["work:1": 0])
    let player = try player(host)
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {completions: 3, parallelism: 2, template: {spec: {restartPolicy: Never, containers: [{name: c, image: work:1}]}}}\n"
    try await player.play(try objects(job))
    #expect(try player.pods().map(\.status.text) == ["Completed", "Completed", "Completed"])
    try await player.play(try objects(job))
    #expect(host.podNames.count == 3)
  }

  @Test func aJobFailsAfterItsBackoffLimit() async throws {
    let host = host(ending: ["work:1": 1])
    let player = try player(host)
    let job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {backoffLimit: 2, template: {spec: {restartPolicy: Never, containers: [{name: c, image: work:1}]}}}\n"
    await #expect(throws: KubeError.self) { try await player.play(try objects(job)) }
    #expect(host.podNames.count == 3)
  }

  @Test func volumesBecomeMounts() async throws {
    let host = host()
    let player = try player(host)
    try await player.play(
      try objects(
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: m}
        data: {a: text}
        ---
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: disk}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: p}
        spec:
          volumes:
          - {name: files, configMap: {name: m, defaultMode: 0440}}
          - {name: scratch, emptyDir: {}}
          - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
          - {name: disk, persistentVolumeClaim: {claimName: disk}}
          containers:
          - name: c
            image: app:1
            volumeMounts:
            - {name: files, mountPath: /files}
            - {name: scratch, mountPath: /scratch}
            - {name: fast, mountPath: /fast}
            - {name: disk, mountPath: /disk, readOnly: true}
        """))
    let mounts = try #require(host.state.withLock { $0.options["p-c"] }).mounts
    #expect(mounts.map(\.target) == ["/files", "/scratch", "/fast", "/disk"])
    #expect(mounts.map(\.kind) == [.bind, .bind, .tmpfs, .volume])
    #expect(mounts.map(\.readOnly) == [true, false, false, true])
    #expect(mounts[2].size == 1 << 20 && mounts[3].source == "disk")
    var status = stat()
    #expect(stat((mounts[0].source ?? "") + "/a", &status) == 0 && status.st_mode & 0o777 == 0o440 && status.st_size == 4)
    try player.down(try player.objects().map(\.key))
    #expect(access(mounts[1].source ?? "", F_OK) != 0)
    #expect(host.state.withLock { $0.volumes } == ["disk"])
  }

  @Test func pullSecretsReachTheRegistry() async throws {
    let host = host()
    let secret = #"{"auths":{"r.example":{"auth":"dTpw"}}}"#
    try await player(host).play(
      try objects(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\nstringData: {.dockerconfigjson: '\(secret)'}\n---\n"
          + "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {imagePullSecrets: [{name: s}], containers: [{name: c, image: r.example/a:1}]}\n"))
    #expect(host.log.first == "image r.example/a:1 IfNotPresent [\"r.example\"]")
  }

  @Test func anImmutableObjectIsNotReplaced() async throws {
    let player = try player(host())
    func map(_ value: String) throws -> [KubeObject] {
      try objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\nimmutable: true\ndata: {a: \(value)}\n")
    }
    try await player.play(try map("one"))
    try await player.play(try map("one"))
    await #expect(throws: KubeError.self) { try await player.play(try map("two")) }
  }

  @Test func objectsAreFoundByName() async throws {
    let player = try player(host())
    try await player.play(try objects(PlanTests.deployment(replicas: 1)))
    #expect(try player.keys(named: "web", namespace: "default").map(\.kind) == [.deployment])
    #expect(try player.keys(named: "deployments/web", namespace: "default").count == 1)
    #expect(throws: KubeError.self) { try player.keys(named: "pod/web", namespace: "default") }
  }
}
