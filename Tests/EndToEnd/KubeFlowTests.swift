import Foundation
import Testing

@Suite("kube", .serialized, .enabled(if: Host.runsContainers, Host.needs))
struct KubeFlowTests {
  static let deployment = """
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: page}
    data: {index.html: "served by the map\\n"}
    ---
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          terminationGracePeriodSeconds: 1
          initContainers:
          - name: prepare
            image: base:1
            imagePullPolicy: Never
            command: [sh, -c, "cp /page/index.html /www/; hostname > /www/name"]
            volumeMounts: [{name: www, mountPath: /www}, {name: page, mountPath: /page}]
          containers:
          - name: httpd
            image: base:1
            imagePullPolicy: Never
            command: [httpd, -f, -p, "8080", -h, /www]
            ports: [{containerPort: 8080, name: http}]
            readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
            securityContext: {runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
            volumeMounts: [{name: www, mountPath: /www, readOnly: true}]
          volumes:
          - {name: www, emptyDir: {}}
          - {name: page, configMap: {name: page}}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec:
      selector: {app: web}
      type: NodePort
      ports: [{port: 80, targetPort: http, nodePort: 30090}]
    """

  @Test func playsADeploymentBehindAServiceAndTakesItDownAgain() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("web.yaml", Self.deployment)
    try machine.succeed("clipper kube check web.yaml; clipper kube play --wait web.yaml")
    #expect(try machine.succeed("curl -s http://127.0.0.1:30090/").out == "served by the map\n")
    let names = try machine.succeed("for i in 1 2 3 4 5 6 7 8; do curl -s http://127.0.0.1:30090/name; done | sort -u").out
    #expect(names.split(separator: "\n").count == 2)
    try machine.succeed("clipper kube down web.yaml")
    #expect(try machine.succeed("clipper ps -aq").out == "")
    #expect(try machine.run("curl -s -m 2 http://127.0.0.1:30090/").status != 0)
  }

  /// Whenever a play is killed, the next one completes it, and a down leaves nothing.
  @Test func aKilledPlayIsCompletedByTheNext() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write("web.yaml", Self.deployment)
    for delay in ["0.1", "0.3", "0.6"] {
      _ = try machine.run("clipper kube play --wait web.yaml & sleep \(delay); kill -9 $!; wait $! || true")
      try machine.succeed("clipper kube play --wait web.yaml")
      #expect(try machine.succeed("curl -s http://127.0.0.1:30090/").out == "served by the map\n")
      try machine.succeed("clipper kube down web.yaml")
      #expect(try machine.succeed("clipper ps -aq; clipper kube ls -q; clipper kube ls --pods -q; ls $CLIPPER_RUN_ROOT/pods").out == "")
    }
  }

  @Test func waitingEndsForAPodThatFailsAgainAndAgain() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write(
      "crash.yaml",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: base:1, imagePullPolicy: Never, command: [sh, -c, exit 4]}\n")
    let output = try machine.run("clipper kube play --wait crash.yaml", limit: 100)
    #expect(output.status == 1 && output.err.contains("fails again and again") && output.err.contains("container c: status 4"))
    try machine.succeed("clipper kube down pod/p")
  }

  @Test func anUnknownFieldIsNamedWithItsPathAndLine() throws {
    let machine = try Machine()
    try machine.write("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    imagee: x\n")
    let output = try machine.run("clipper kube play bad.yaml")
    #expect(output.status == 1)
    #expect(output.err.contains("bad.yaml:7") && output.err.contains("spec.containers[0].imagee"))
  }

  @Test func runAsNonRootIsKubelets() throws {
    let machine = try Machine()
    try machine.importBusybox()
    try machine.write(
      "root.yaml",
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - {name: c, image: base:1, imagePullPolicy: Never, securityContext: {runAsNonRoot: true}}\n")
    let output = try machine.run("clipper kube play root.yaml")
    #expect(output.status == 1 && output.err.contains("runAsNonRoot"))
    #expect(try machine.succeed("clipper ps -aq").out == "")
  }

  @Test func checkSaysWhatTheRestrictedStandardWants() throws {
    let machine = try Machine()
    try machine.importBusybox()
    let root = try machine.run("clipper check base:1")
    #expect(root.status == 1 && root.out.contains("USER"))
    try machine.write("Dockerfile", "FROM base:1\nUSER 1000:1000\nENTRYPOINT [\"/bin/httpd\", \"-f\", \"-p\", \"8080\"]\nEXPOSE 8080\n")
    try machine.succeed("clipper build -q -t good:1 .; clipper check good:1")
  }
}
