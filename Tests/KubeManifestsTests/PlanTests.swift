import Engine
import ImageSpec
import RuntimeSpec
import Testing

@testable import KubeManifests

@Suite struct PlanTests {
  private func plan(_ yaml: String, _ surroundings: Surroundings = .init()) throws -> WorkloadPlan {
    let all = try objects(yaml)
    var around = surroundings
    for object in all { around.add(object, revision: "1") }
    return try #require(all.lazy.compactMap { WorkloadPlan($0, around) }.first)
  }

  private func options(
    container: String = "", pod: String = "", image: ContainerConfig? = nil, objects: Surroundings = .init(),
    links: [ServiceLink] = []
  ) throws -> ContainerOptions {
    let pod = try plan(podYAML(container: container, pod: pod)).pods[0]
    let around = ContainerSurroundings(
      facts: pod.facts(address: "10.88.0.7", host: host), pod: "id", image: image, objects: objects, links: links)
    return try pod.options(for: pod.spec.containers[0], around)
  }

  @Test func commandAndArgumentsReplaceTheImages() throws {
    #expect(try options().entrypoint == nil)
    let both = try options(container: "command: [a, $(X)]\nargs: ['$(X)', $$(X)]\nenv: [{name: X, value: v}]")
    #expect(both.entrypoint == ["a", "v"] && both.command == ["v", "$(X)"])
    let args = try options(container: "args: [b]")
    #expect(args.entrypoint == nil && args.command == ["b"])
  }

  @Test func variablesComeInKubernetesOrder() throws {
    var around = Surroundings()
    for object in try KubeManifestsTests.objects(
      """
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: m}
      data: {a: from-map}
      ---
      apiVersion: v1
      kind: Secret
      metadata: {name: s}
      stringData: {k: hidden}
      """)
    {
      around.add(object, revision: "1")
    }
    let found = try options(
      container: """
        envFrom: [{prefix: P_, configMapRef: {name: m}}]
        env:
        - {name: ONE, value: "$(P_a)-$(TWO)"}
        - {name: TWO, value: "$(ONE)"}
        - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: k}}}
        - {name: NONE, valueFrom: {configMapKeyRef: {name: m, key: zz, optional: true}}}
        - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
        - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['app']"}}}
        - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
        - {name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
        resources: {limits: {cpu: 1500m}}
        """, objects: around)
    #expect(
      found.environment == [
        "P_a=from-map", "ONE=from-map-$(TWO)", "TWO=from-map-$(TWO)", "SECRET=hidden", "POD=p", "IP=10.88.0.7", "LABEL=p",
        "CPU=2", "MEM=8192",
      ])
  }

  @Test func servicesAreLinkedAsVariables() throws {
    let port = ServicePort(name: "http", port: 80, target: .number(8080), transport: .tcp, nodePort: nil)
    let link = ServiceLink(name: "my-web", address: "10.96.1.1", ports: [port])
    let found = try options(links: [link]).environment
    #expect(found.contains("MY_WEB_SERVICE_HOST=10.96.1.1") && found.contains("MY_WEB_SERVICE_PORT_HTTP=80"))
    #expect(found.contains("MY_WEB_PORT_80_TCP=tcp://10.96.1.1:80"))
    #expect(try options(pod: "enableServiceLinks: false", links: [link]).environment == [])
  }

  @Test func securityIsMapped() throws {
    let found = try options(
      container: """
        securityContext:
          runAsGroup: 7
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL], add: [CAP_NET_BIND_SERVICE]}
        """,
      pod: "securityContext: {runAsUser: 5, runAsNonRoot: true, fsGroup: 9, supplementalGroups: [3], seccompProfile: {type: Unconfined}}")
    #expect(found.user == "5:7" && found.additionalGroups == ["3", "9"])
    #expect(found.noNewPrivileges && found.readOnlyRoot && !found.privileged)
    #expect(found.droppedCapabilities == ["ALL"] && found.addedCapabilities == ["NET_BIND_SERVICE"])
    #expect(found.seccomp == .unconfined)
    var image = ContainerConfig()
    image.user = "app:app"
    #expect(try options(container: "securityContext: {runAsGroup: 7}", image: image).user == "app:7")
    #expect(throws: KubeError.self) { try options(container: "securityContext: {runAsNonRoot: true}", image: image) }
    #expect(try options().seccomp == .default)
  }

  @Test func resourcesBecomeLimitsAndWeights() throws {
    let found = try options(container: "resources: {requests: {cpu: 250m, memory: 1Gi}, limits: {cpu: 1500m, memory: 2Gi}}").resources
    #expect(found.cpus == 1.5 && found.memory == 2 << 30 && found.memorySwap == 2 << 30 && found.cpuShares == 256)
    #expect(found.oomScoreAdjustment == 875)
    #expect(try options().resources.oomScoreAdjustment == 1000)
    #expect(try options(container: "resources: {limits: {cpu: 1, memory: 1Gi}}").resources.oomScoreAdjustment == 0)
  }

  @Test func probesConnectToThePod() throws {
    let found = try options(
      container: """
        ports: [{name: web, containerPort: 8080}]
        startupProbe: {tcpSocket: {port: web}, failureThreshold: 30, periodSeconds: 1}
        readinessProbe: {httpGet: {port: web, path: healthz, httpHeaders: [{name: X-A, value: b}]}, timeoutSeconds: 2}
        lifecycle: {preStop: {exec: {command: [sleep, "1"]}}}
        """)
    #expect(
      found.probes == [
        Probe(
          kind: .startup, action: .tcp(TCPProbe(host: "10.88.0.7", port: 8080)), period: 1_000_000_000, failureThreshold: 30),
        Probe(
          kind: .readiness, action: .http(HTTPProbe(host: "10.88.0.7", port: 8080, path: "/healthz", headers: ["X-A": "b"])),
          timeout: 2_000_000_000),
      ])
    #expect(found.hooks?.preStop == .exec(["sleep", "1"]))
  }

  @Test func restartPoliciesFollowThePodAndItsOwner() throws {
    #expect(try options().restart == RestartPolicy(policy: .always))
    #expect(try options(pod: "restartPolicy: Never").restart == RestartPolicy(policy: .no))
    let job = try plan(
      "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {backoffLimit: 2, completions: 3, parallelism: 2, template: {spec: {restartPolicy: OnFailure, containers: [{name: c, image: x}]}}}\n")
    #expect(job.pods.count == 3)
    #expect(job.pods[0].restartPolicy(of: job.pods[0].spec.containers[0]) == RestartPolicy(policy: .onFailure, maximumRetries: 2))
    let pod = try plan(podYAML(pod: "initContainers: [{name: i, image: x}, {name: s, image: x, restartPolicy: Always}]")).pods[0]
    #expect(pod.restartPolicy(of: pod.spec.initContainers[0]) == RestartPolicy(policy: .onFailure, maximumRetries: 5))
    #expect(pod.restartPolicy(of: pod.spec.initContainers[1]) == RestartPolicy(policy: .always))
    #expect(pod.spec.initContainers.map { pod.role(of: $0) } == ["init", "sidecar"])
  }

  static func deployment(replicas: Int = 3, image: String = "app:1", more: String = "") -> String {
    """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: \(replicas)
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec: {containers: [{name: c, image: "\(image)"\(more)}]}

    """
  }

  @Test func onlyWhatChangedIsReplaced() throws {
    let first = try plan(Self.deployment())
    let running = first.pods.map { PodChanges.Existing(name: $0.name, revision: $0.revision, isWhole: true) }
    #expect(first.pods.map(\.name) == (try plan(Self.deployment())).pods.map(\.name))

    let more = PodChanges(from: running, to: try plan(Self.deployment(replicas: 4)).pods)
    #expect(more.keep.count == 3 && more.create.count == 1 && more.remove.isEmpty)
    let fewer = PodChanges(from: running, to: try plan(Self.deployment(replicas: 2)).pods)
    #expect(fewer.keep.count == 2 && fewer.create.isEmpty && fewer.remove == [first.pods[2].name])
    let other = PodChanges(from: running, to: try plan(Self.deployment(image: "app:2")).pods)
    #expect(other.keep.isEmpty && other.create.count == 3 && other.remove.count == 3 && other.replaced.isEmpty)
    let broken = PodChanges(from: [.init(name: first.pods[0].name, revision: first.pods[0].revision, isWhole: false)], to: first.pods)
    #expect(broken.create.count == 3 && broken.replaced == [first.pods[0].name])
  }

  @Test func aChangedConfigMapChangesThePodsThatReadIt() throws {
    let reader = Self.deployment(more: ", envFrom: [{configMapRef: {name: m}}]")
    func revision(_ revision: String) throws -> String {
      var around = Surroundings()
      for object in try objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n") { around.add(object, revision: revision) }
      return try plan(reader, around).pods[0].revision
    }
    #expect(try revision("1") == revision("1"))
    #expect(try revision("1") != revision("2"))
  }

  @Test func missingObjectsAreNamedWithTheirPlace() throws {
    var around = Surroundings()
    for object in try objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page}\ndata: {index: x}\n") {
      around.add(object, revision: "1")
    }
    let spec = try podSpec(
      container: """
        env: [{name: A, valueFrom: {configMapKeyRef: {name: page, key: indx}}}]
        envFrom: [{secretRef: {name: gone}}, {secretRef: {name: maybe, optional: true}}]
        """, pod: "volumes: [{name: v, configMap: {name: pages}}, {name: w, persistentVolumeClaim: {claimName: c}}]")
    #expect(
      around.check(spec, in: "default", file: "m.yaml").map(\.description) == [
        "m.yaml:9: spec.containers[0].env[0]: the ConfigMap \"page\" has no key \"indx\"; did you mean index?",
        "m.yaml:10: spec.containers[0].envFrom[0]: the Secret \"gone\" is neither in the file nor played already",
        "m.yaml:5: spec.volumes[0]: the ConfigMap \"pages\" is neither in the file nor played already; did you mean page?",
        "m.yaml:5: spec.volumes[1].persistentVolumeClaim: the PersistentVolumeClaim \"c\" is neither in the file nor played already",
      ])
  }

  @Test func filesOfAVolumeHaveTheirModes() throws {
    var around = Surroundings()
    for object in try objects("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: one, b: two}\n") {
      around.add(object, revision: "1")
    }
    func files(_ source: String) throws -> [PlannedFile] {
      let pod = try plan(podYAML(pod: "volumes: [{name: v, \(source)}]")).pods[0]
      guard case .files(let files) = pod.spec.volumes[0].source else { throw NotAPod() }
      return files.planned(pod: pod.facts(address: nil, host: host), containers: pod.spec.containers, surroundings: around)
    }
    #expect(
      try files("configMap: {name: m, defaultMode: 0400}") == [
        PlannedFile(path: "a", mode: 0o400, bytes: Array("one".utf8)), PlannedFile(path: "b", mode: 0o400, bytes: Array("two".utf8)),
      ])
    #expect(
      try files("configMap: {name: m, items: [{key: b, path: x/y, mode: 0600}]}") == [
        PlannedFile(path: "x/y", mode: 0o600, bytes: Array("two".utf8))
      ])
    #expect(
      try files("projected: {sources: [{configMap: {name: m}}, {downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}}]}")
        .map(\.path) == ["a", "b", "l"])
  }

  private func service(_ spec: String) throws -> (ObjectKey, Service) {
    let object = try objects("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, \(spec)}\n")[0]
    guard case .service(let service) = object.body else { throw NotAPod() }
    return (object.key, service)
  }

  @Test func aServiceLeadsToItsPods() throws {
    let pods = try plan(Self.deployment(replicas: 2, more: ", ports: [{name: http, containerPort: 8080}]")).pods
    let running = pods.enumerated().map { ServicePod($1, address: "10.88.0.\($0 + 2)") }
    let (key, service) = try service("type: NodePort, ports: [{port: 80, targetPort: http, nodePort: 30080}]")
    let ports = ServicePlan.nodePorts(for: key, service, taken: [])
    let plan = ServicePlan(key: key, service: service, address: "10.96.0.9", nodePorts: ports)
    let backends = ["10.88.0.2", "10.88.0.3"].map { ServiceListener.Backend(address: $0, port: 8080) }
    #expect(
      plan.listeners(pods: running) == [
        ServiceListener(place: .cluster(address: "10.96.0.9"), port: 80, transport: .tcp, backends: backends),
        ServiceListener(place: .host, port: 30080, transport: .tcp, backends: backends),
      ])
    #expect(plan.hosts(seenFrom: "default", pods: running).first == "web:10.96.0.9")
    #expect(!plan.hosts(seenFrom: "other", pods: running).contains("web:10.96.0.9"))
    let other = ServicePod(pods[0], address: "10.88.0.9")
    #expect(plan.selects(other))
  }

  @Test func addressesAndPortsAreStableAndNotShared() throws {
    let (key, service) = try service("type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 81}]")
    let address = try #require(ServicePlan.address(for: key, taken: []))
    #expect(ServicePlan.address(for: key, taken: []) == address)
    #expect(ServicePlan.address(for: key, taken: [address]) != address)
    let ports = ServicePlan.nodePorts(for: key, service, taken: [])
    #expect(Set(ports).count == 2 && ports.allSatisfy { nodePortRange.contains(Int64($0)) })
    #expect(Set(ServicePlan.nodePorts(for: key, service, taken: Set(ports))).isDisjoint(with: ports))
  }

  @Test func aHeadlessServicesNamesAreThePods() throws {
    let pods = try plan(Self.deployment(replicas: 2)).pods
    let (key, service) = try service("clusterIP: None")
    let plan = ServicePlan(key: key, service: service, address: nil, nodePorts: [])
    let hosts = plan.hosts(seenFrom: "default", pods: pods.enumerated().map { ServicePod($1, address: "10.88.0.\($0 + 2)") })
    #expect(hosts.contains("web:10.88.0.2") && hosts.contains("web:10.88.0.3"))
  }
}
