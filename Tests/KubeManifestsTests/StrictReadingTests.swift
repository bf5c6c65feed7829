import Testing

@testable import KubeManifests

@Suite struct StrictReadingTests {
  @Test(arguments: [
    ("imag: x", "8: spec.containers[0].imag: unknown field"),
    ("imagePullPolicie: Never", "8: spec.containers[0].imagePullPolicie: unknown field; did you mean imagePullPolicy?"),
    ("ports: [{containerPort: \"80\"}]", "8: spec.containers[0].ports[0].containerPort: must be a whole number, not a string"),
    ("ports: [{containerPort: 0}]", "8: spec.containers[0].ports[0].containerPort: must be 1 to 65535, not 0"),
    ("ports: {containerPort: 80}", "8: spec.containers[0].ports: must be a list, not an object"),
    ("stdin: 'yes'", "8: spec.containers[0].stdin: must be true or false, not a string"),
    ("workingDir: 5", "8: spec.containers[0].workingDir: must be a string, not a number: write \"5\" in quotes"),
    ("env: [{name: A, value: true}]", "8: spec.containers[0].env[0].value: must be a string, not a boolean: write \"true\" in quotes"),
    ("env: [{name: A, value: 1}]", "8: spec.containers[0].env[0].value: must be a string, not a number: write \"1\" in quotes"),
    ("resources: {limits: {memory: 1 GB}}", "8: spec.containers[0].resources.limits.memory: \"1 GB\" is not a quantity"),
    ("resources: {limits: {nvidia.com/gpu: 1}}", "['nvidia.com/gpu']: is not supported: only cpu and memory are counted"),
    ("resources: {requests: {cpu: 2}, limits: {cpu: 1}}", "requests: cpu 2 is more than the limit 1"),
    ("livenessProbe: {grpc: {port: 9}}", "livenessProbe.grpc: is not supported"),
    ("livenessProbe: {httpGet: {port: http}}", "livenessProbe.httpGet.port: this container has no port named \"http\""),
    ("livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}", "must have exactly one of exec, httpGet, tcpSocket, not 2"),
    ("livenessProbe: {exec: {command: [a]}, successThreshold: 2}", "successThreshold: must be 1 for a liveness probe"),
    ("volumeMounts: [{name: v, mountPath: /v}]", "volumeMounts[0].name: the pod has no volume \"v\""),
    ("volumeDevices: [{name: v, devicePath: /v}]", "volumeDevices: is not supported"),
    ("securityContext: {capabilities: {add: [NET_ADMNI]}}", "\"NET_ADMNI\" is not a capability (did you mean \"NET_ADMIN\"?)"),
    ("securityContext: {seLinuxOptions: {level: s0}}", "seLinuxOptions: is not supported"),
    ("securityContext: {privileged: true, allowPrivilegeEscalation: false}", "cannot be false in a privileged container"),
    ("securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}", "must be a relative path without \"..\""),
    ("envFrom: [{}]", "must have exactly one of configMapRef and secretRef"),
    ("restartPolicy: Never", "restartPolicy: is only for init containers"),
    ("imagePullPolicy: never", "\"never\" is not one of Always, IfNotPresent, Never"),
    ("image: app:2", "image: is given twice"),
  ])
  func aContainersMistakeIsNamedWithItsPlace(_ yaml: String, _ expected: String) {
    let found = problems(podYAML(container: yaml))
    #expect(found.contains { $0.contains(expected) }, "\(found)")
  }

  @Test(arguments: [
    ("nodeSelector: {a: b}", "5: spec.nodeSelector: is not supported: there is one host"),
    ("hostPID: true", "spec.hostPID: true is not supported"),
    ("volumes: [{name: v, nfs: {server: s, path: /}}]", "volumes[0].nfs: is not supported"),
    ("volumes: [{name: v, emptyDir: {medium: HugePages}}]", "emptyDir.medium: \"HugePages\" is not supported"),
    ("volumes: [{name: v, emptyDir: {}}, {name: v, emptyDir: {}}]", "volumes[1].name: \"v\" is the name of an earlier volume"),
    ("volumes: [{name: v, configMap: {name: m, items: [{key: k, path: ../x}]}}]", "must be relative"),
    ("volumes: [{name: v, hostPath: {path: etc}}]", "hostPath.path: must be an absolute path"),
    ("restartPolicy: Sometimes", "is not one of Always, OnFailure, Never"),
    ("terminationGracePeriodSeconds: soon", "must be a whole number, not a string"),
    ("dnsPolicy: None", "None needs at least one of dnsConfig.nameservers"),
    ("hostAliases: [{ip: localhost, hostnames: [a]}]", "\"localhost\" is not an IPv4 address"),
    ("initContainers: [{name: c, image: x}]", "\"c\" is the name of an earlier container"),
    ("securityContext: {sysctls: [{name: vm.swappiness, value: \"1\"}]}", "is not a sysctl of a pod's namespaces"),
    ("serviceAccountName: robot", "serviceAccountName: is not supported"),
    ("imagePullSecrets: [{name: s, key: k}]", "imagePullSecrets[0].key: unknown field"),
  ])
  func aPodsMistakeIsNamedWithItsPlace(_ yaml: String, _ expected: String) {
    let found = problems(podYAML(pod: yaml))
    #expect(found.contains { $0.contains(expected) }, "\(found)")
  }

  @Test func everythingThatIsWrongIsReportedAtOnce() {
    let found = problems(podYAML(container: "imagee: x\nports: [{containerPort: no}]", pod: "nodeName: n") + "---\nkind: Pood\napiVersion: v1\n")
    #expect(found.count == 4, "\(found)")
    #expect(found.last?.contains("did you mean \"Pod\"?") == true)
  }

  @Test(arguments: [
    ("a: [", "2"), ("a: 1\na: 2", "1"), ("a: *b", "1"), ("<<: {a: b}\nkind: Pod", "1"), ("a: !!binary x", "1"), ("- a", "1"),
    ("? [a]\n: b", "1"),
  ])
  func whatIsNotAManifestIsRefused(_ yaml: String, _ line: String) {
    let found = problems(yaml)
    #expect(found.contains { $0.hasPrefix(line + ":") }, "\(found)")
  }

  @Test func hostileTextIsBounded() {
    var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    for level in 1...12 {
      bomb += "a\(level): &a\(level) [" + (0..<10).map { _ in "*a\(level - 1)" }.joined(separator: ",") + "]\n"
    }
    #expect(problems(bomb).contains { $0.contains("aliases expand") })
    #expect(!problems(String(repeating: "[", count: 100_000)).isEmpty)
    #expect(!problems(String(repeating: "[", count: 200) + String(repeating: "]", count: 200)).isEmpty)
    #expect(!problems(String(repeating: "{a: ", count: 90) + "1" + String(repeating: "}", count: 90)).isEmpty)
    #expect(!problems(String(repeating: "x", count: 9 << 20)).isEmpty)
    #expect(problems("\u{0}").count == 1)
    #expect(Manifest(parsing: [0xff, 0xfe, 0x00], file: "m").errors.count == 1)
    #expect(problems("").contains { $0.contains("holds no object") })
  }

  @Test func aliasesWithinTheBoundAreUsed() throws {
    let yaml = """
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: a, labels: &l {app: x}, annotations: *l}
      """
    #expect(try objects(yaml)[0].metadata.annotations == ["app": "x"])
  }

  @Test func theKindsOfAListAreRead() throws {
    let yaml = """
      apiVersion: v1
      kind: List
      items:
      - {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
      - {apiVersion: v1, kind: Secret, metadata: {name: b}, stringData: {k: v}}
      """
    #expect(try objects(yaml).map { "\($0.key)" } == ["configmap/a", "secret/b"])
  }

  @Test(arguments: [
    ("Deployment", "v1", "apiVersion: of a Deployment is apps/v1, not v1"),
    ("CronJob", "batch/v1", "\"CronJob\" is not supported"),
    ("StatefulSet", "apps/v1", "\"StatefulSet\" is not supported"),
  ])
  func otherKindsAndVersionsAreRefused(_ kind: String, _ version: String, _ expected: String) {
    let found = problems("apiVersion: \(version)\nkind: \(kind)\nmetadata: {name: a}\nspec: {}\n")
    #expect(found.contains { $0.contains(expected) }, "\(found)")
  }

  @Test(arguments: ["A", "-a", "a-", "a_b", "", String(repeating: "a", count: 254)])
  func badNamesAreRefused(_ name: String) {
    #expect(!problems("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"\(name)\"}\n").isEmpty)
  }

  @Test func aDeploymentsSelectorMustMatchItsTemplate() {
    let found = problems(
      """
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: d}
      spec:
        selector: {matchLabels: {app: a}}
        template:
          metadata: {labels: {app: b}}
          spec: {restartPolicy: Never, containers: [{name: c, image: x}]}
      """)
    #expect(found.contains { $0.hasPrefix("5: spec.selector: does not match") })
    #expect(found.contains { $0.contains("spec.template.spec.restartPolicy: must be Always") })
  }

  @Test func aSecretIsDecodedAndItsMistakesAreNamed() throws {
    let good = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aGk=, b: null}\nstringData: {a: over}\n"
    guard case .secret(let secret) = try objects(good)[0].body else { throw NotAPod() }
    #expect(secret.data == ["a": Array("over".utf8), "b": []])
    let bad = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  a: '%%%'\n"
    #expect(problems(bad) == ["5: data.a: is not base64 (stringData takes plain text)"])
    let registry = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/dockerconfigjson\nstringData: {x: y}\n"
    #expect(problems(registry).contains { $0.contains(".dockerconfigjson") })
  }

  @Test func pullSecretsAreReadAsDockerWritesThem() throws {
    let json = #"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwOng="},"127.0.0.1:5000":{"username":"a","password":"b"}}}"#
    let found = try PullSecret.credentials(type: "kubernetes.io/dockerconfigjson", data: [".dockerconfigjson": Array(json.utf8)])
    #expect(
      found == [
        PullCredential(host: "127.0.0.1:5000", username: "a", password: "b"),
        PullCredential(host: "docker.io", username: "u", password: "p:x"),
      ])
  }

  @Test func takingDownNeedsTheNamesOnly() throws {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: n}\nspec: {whatever: 1}\n"
    #expect(try Manifest.keys(in: Array(yaml.utf8), file: "m") == [ObjectKey(kind: .pod, namespace: "n", name: "p")])
  }
}
