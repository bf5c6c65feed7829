import Testing

@testable import KubeManifests

@Suite struct ValueTests {
  @Test(arguments: [
    ("500m", 500), ("1", 1000), ("1.5", 1500), ("0.1", 100), ("64Mi", 67_108_864_000), ("1e3", 1_000_000), ("1E3", 1_000_000),
    ("1k", 1_000_000), ("1Ki", 1_024_000), (".5", 500), ("5.", 5000), ("+1", 1000), ("-1", -1000), ("1n", 1), ("100u", 1), ("1u", 1),
    ("1e-3", 1), ("0", 0), ("0.0000000000000000000001", 1),
  ])
  func aQuantityIsExact(_ text: String, _ milli: Int64) {
    #expect(Quantity(parsing: text)?.milli == milli)
  }

  @Test(arguments: ["", "1 Gi", "1gi", "1KB", "Mi", "e3", "1e", "1e1000", "--1", "1.2.3", "0x10", "1E1E", "99999999999Ei", "١"])
  func whatIsNotAQuantityIsRefused(_ text: String) {
    #expect(Quantity(parsing: text) == nil)
  }

  @Test(arguments: [
    ("plain", "plain"), ("$(A)", "one"), ("x$(A)y", "xoney"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("$(A", "$(A"), ("$", "$"),
    ("$A", "$A"), ("$$", "$"), ("$$$(A)", "$one"), ("$(A)$(A)", "oneone"), ("$()", "$()"), ("ü$(A)", "üone"), ("$($(A))", "$($(A))"),
  ])
  func referencesToVariablesAreReplaced(_ text: String, _ expected: String) {
    #expect(expandVariables(text, ["A": "one"]) == expected)
  }

  @Test(arguments: [
    (nil as Bool?, nil as UInt32?, nil as String?, nil as NonRootRule.Violation?),
    (false, 0, "root", nil),
    (true, 1000, "root", nil),
    (true, 0, "1000", .runAsUserIsRoot),
    (true, nil, "1000", nil),
    (true, nil, "1000:0", nil),
    (true, nil, "0", .imageUserIsRoot),
    (true, nil, "00:5", .imageUserIsRoot),
    (true, nil, "", .imageUserIsRoot),
    (true, nil, nil, .imageUserIsRoot),
    (true, nil, "nobody", .imageUserIsName("nobody")),
    (true, nil, "app:1000", .imageUserIsName("app")),
  ])
  func runAsNonRootIsTheKubelets(_ wanted: Bool?, _ user: UInt32?, _ image: String?, _ expected: NonRootRule.Violation?) {
    var found: NonRootRule.Violation?
    do throws(NonRootRule.Violation) {
      try NonRootRule.check(runAsNonRoot: wanted, runAsUser: user, imageUser: image)
    } catch {
      found = error
    }
    #expect(found == expected)
  }

  @Test(arguments: [("imag", "image"), ("Image", "image"), ("portz", "ports"), ("zzz", nil), ("imgae", "image")])
  func theNearestNameIsFound(_ name: String, _ expected: String?) {
    #expect(nearestName(to: name, among: ["image", "ports", "name"]) == expected)
  }

  @Test(arguments: [
    ("yes", "a boolean"), ("off", "a boolean"), ("010", "a number"), ("1_000", "a number"), ("1e3", "a number"), ("~", "null"),
    ("1.2.3", "a string"), ("", "null"), ("-", "a string"), ("0x1F", "a number"), ("_1", "a string"),
  ])
  func plainTextMeansWhatKubectlReads(_ text: String, _ kind: String) {
    #expect(Scalar(text).kind == kind)
  }

  @Test func namesOfPodsAreStableAndDiffer() {
    let a = PodName.replica(of: "web", hash: "abc", index: 0)
    #expect(a == PodName.replica(of: "web", hash: "abc", index: 0))
    #expect(Set((0..<1000).map { PodName.replica(of: "web", hash: "abc", index: $0) }).count == 1000)
    #expect(a.hasPrefix("web-abc-") && a.utf8.count == "web-abc-".utf8.count + 5)
    #expect(PodName.hash(["a", "bc"]) != PodName.hash(["ab", "c"]))
    #expect(PodName.uid(["a"]).split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
    #expect(PodName.replica(of: String(repeating: "a", count: 253), hash: "abcdefghi", index: 1).utf8.count <= 253)
  }
}
