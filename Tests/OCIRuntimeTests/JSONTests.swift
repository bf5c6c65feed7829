import FoundationEssentials
import RuntimeSpec
import Testing

@testable import OCIRuntime

@Suite struct JSONTests {
  private struct Sample: Codable, Equatable {
    var text: String
    var number: Int64
    var large: UInt64
    var ratio: Double
    var flag: Bool
    var missing: String?
    var list: [Int]
    var names: [String: [String]]
  }

  private let sample = Sample(
    text: "quote \" slash / back \\ line\n\u{1}é🙂", number: .min, large: .max, ratio: -1.5, flag: true,
    missing: nil, list: [1, -2, 3], names: ["b": [], "a": ["x", "y"]])

  /// Another implementation as the judge.
  @Test func foundationReadsWhatIsWritten() throws {
    for pretty in [false, true] {
      let bytes = try JSONText.encode(sample, pretty: pretty)
      #expect(try JSONDecoder().decode(Sample.self, from: Data(bytes)) == sample)
    }
  }

  @Test func whatFoundationWritesIsRead() throws {
    let encoder = JSONEncoder()
    for formatting in [[], .prettyPrinted, .withoutEscapingSlashes] as [JSONEncoder.OutputFormatting] {
      encoder.outputFormatting = formatting
      #expect(try JSONText.decode(Sample.self, Array(encoder.encode(sample)), name: "test") == sample)
    }
  }

  @Test func documentsAreSortedAndPlain() throws {
    struct Document: Encodable {
      var b = "a/b", a: [Int] = [], c = ["y": 1, "x": 2]
    }
    #expect(
      String(decoding: try JSONText.encode(Document()), as: UTF8.self) == #"{"a":[],"b":"a/b","c":{"x":2,"y":1}}"#)
  }

  @Test func aConfigurationComesBackTheSame() throws {
    var config = RuntimeConfig(
      process: ContainerProcess(args: ["a"], rlimits: [ResourceLimit(type: "RLIMIT_CORE", hard: .max, soft: 0)]),
      root: ContainerRoot(path: "rootfs"), mounts: DockerDefaults.mounts(),
      linux: LinuxConfig(resources: LinuxResources(devices: DockerDefaults.deviceRules)))
    config.linux?.seccomp = DockerSeccomp.profile(capabilities: [])
    config.annotations = ["key with \u{7f} and \u{2028}": "value"]
    #expect(try JSONText.decode(RuntimeConfig.self, JSONText.encode(config, pretty: true), name: "test") == config)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", "1e", "+1", "-", "nul", "\"", "\"\\x\"", "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"\u{1}\"", "[1] 2", "1e999", "{\"a\" 1}", "\"\\u12\"", "\"\\u+123\"",
  ])
  func refusesWhatIsNoJSON(_ text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: Array(text.utf8)) }
  }

  @Test func refusesBytesThatAreNoText() {
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
  }

  @Test func refusesWhatIsNestedTooDeep() {
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
  }

  @Test(arguments: [
    (#"{"process":{"cwd":"/","args":[1]}}"#, "process.args[0]"),
    (#"{"process":{"cwd":"/","user":{"uid":-1}}}"#, "process.user.uid"),
    (#"{"process":{"cwd":"/","user":{"uid":4294967296}}}"#, "process.user.uid"),
    (#"{"process":{"cwd":null}}"#, "process.cwd"),
    (#"{"root":{}}"#, "root.path"), (#"{"mounts":{}}"#, "mounts"),
    (#"{"linux":{"namespaces":[{"type":"frob"}]}}"#, "linux.namespaces[0].type"),
    (#"[]"#, "the document"),
  ])
  func problemsNameTheirPlace(_ text: String, _ place: String) {
    let document = text.hasPrefix("{") ? #"{"ociVersion":"1.0.0","# + text.dropFirst() : text
    do {
      _ = try JSONText.decode(RuntimeConfig.self, Array(document.utf8), name: "test")
      Issue.record("\(text) was read")
    } catch {
      #expect("\(error)".contains("\(place) "), "\(error)")
    }
  }

  @Test func wholeNumbersMayBeWrittenWithAPoint() throws {
    #expect(try JSONText.decode([Int].self, Array("[1.0, 1e3, -0]".utf8), name: "test") == [1, 1000, 0])
    #expect(throws: RuntimeError.self) { try JSONText.decode([Int].self, Array("[1.5]".utf8), name: "test") }
  }
}
