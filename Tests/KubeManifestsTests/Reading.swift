import Testing

@testable import KubeManifests

/// Reads a manifest and gives its problems as text, without the file's name.
func problems(_ yaml: String) -> [String] {
  Manifest(parsing: Array(yaml.utf8), file: "m.yaml").problems.map {
    String($0.description.dropFirst("m.yaml:".count))
  }
}

func objects(_ yaml: String) throws -> [KubeObject] {
  let manifest = Manifest(parsing: Array(yaml.utf8), file: "m.yaml")
  try #require(manifest.errors.isEmpty, "\(manifest.errors)")
  return manifest.objects
}

/// A pod with one container `c` of the image `app:1`; the texts are indented YAML lines of the two.
func podYAML(container: String = "", pod: String = "") -> String {
  var text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: p}}\nspec:\n"
  for line in pod.split(separator: "\n") { text += "  \(line)\n" }
  text += "  containers:\n  - name: c\n    image: app:1\n"
  for line in container.split(separator: "\n") { text += "    \(line)\n" }
  return text
}

func podSpec(container: String = "", pod: String = "") throws -> PodSpec {
  guard case .pod(let spec) = try objects(podYAML(container: container, pod: pod))[0].body else {
    throw NotAPod()
  }
  return spec
}

struct NotAPod: Error {}

let host = HostFacts(name: "node", address: "10.88.0.1", processors: 4, memory: 8 << 30)
